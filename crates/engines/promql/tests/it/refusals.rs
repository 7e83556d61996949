//! What is refused, and how it is said.

use bartizan_promql::limits::{DEPTH_MAX, OPERATORS_MAX, QUERY_BYTES_MAX, SAMPLES_MAX, SELECTORS_MAX, STEPS_MAX};
use bartizan_promql::{Error, ErrorKind, Memory, Range, Sample, Series, instant, notation, parse, range};

fn refused(text: &str) -> Error {
    match parse(text) {
        Ok(expr) => panic!("{text} is read as {expr}"),
        Err(why) => why,
    }
}

#[test]
fn messages_name_the_place_and_the_way_out() {
    for (text, message) in [
        ("up{job}", "at byte 6: here stands `}`, expected `=`, `!=`, `=~` or `!~`"),
        ("rate(up)", "at byte 5: `rate` takes a range vector here, and this is an instant vector"),
        ("up[5]", "at byte 3: here stands a number, expected a span of time such as `5m`"),
        ("1 == 2", "at byte 2: between numbers `==` has to be `== bool`"),
        ("1 and up", "at byte 2: `and` takes vectors on both sides; `vector(1)` makes one of a number"),
        ("nofunction(up)", "at byte 0: there is no function `nofunction`"),
        ("{a=\"\"}", "at byte 0: a selector needs one condition that the empty text does not fit"),
        (
            "up @ 5",
            "at byte 3: the modifier `@`: not in the subset of PromQL that is answered here (docs/manual/promql.md)",
        ),
        (
            "up[5m:1m]",
            "at byte 2: a subquery: not in the subset of PromQL that is answered here (docs/manual/promql.md)",
        ),
        (
            "hour()",
            "at byte 0: function `hour`: not in the subset of PromQL that is answered here (docs/manual/promql.md)",
        ),
        ("sum(", "at byte 4: the query ends, expected a metric, a number, a function or `(`"),
    ] {
        assert_eq!(refused(text).to_string(), message);
    }
}

#[test]
fn a_query_that_is_too_much_is_refused_before_it_costs_anything() {
    let nested = |deep: usize| format!("{}1{}", "(".repeat(deep), ")".repeat(deep));
    parse(&nested(DEPTH_MAX - 1)).unwrap();
    let chain = |long: usize| vec!["1"; long + 1].join("+");
    parse(&chain(OPERATORS_MAX)).unwrap();
    let selectors = |many: usize| vec!["up"; many].join("+");
    parse(&selectors(SELECTORS_MAX)).unwrap();
    for text in [
        nested(DEPTH_MAX),
        nested(7_000),
        "-".repeat(7_000),
        "sum(".repeat(3_000),
        chain(OPERATORS_MAX + 1),
        selectors(SELECTORS_MAX + 1),
        format!("{}1", " ".repeat(QUERY_BYTES_MAX)),
        format!("up{{{}}}", "a=\"b\",".repeat(100)),
        format!("sum by ({}) (up)", "a,".repeat(100)),
    ] {
        assert_eq!(refused(&text).kind, ErrorKind::Limit, "{} bytes: {}", text.len(), &text[..40]);
    }
    // An expression that would take a lot of memory once it is compiled is no condition.
    assert_eq!(refused("up{a=~\"(((a{100}){100}){100})\"}").kind, ErrorKind::Text);
}

#[test]
fn an_answer_that_is_too_much_is_refused() {
    let many = Memory(vec![Series {
        labels: [("__name__", "up")].into_iter().collect(),
        samples: (0..600_000).map(|at| Sample { at_ms: at * 1000, value: 1.0 }).collect(),
    }]);
    let expr = parse("count_over_time(up[1w])").unwrap();
    let over = |steps: i64| range(&expr, &many, Range { from_ms: 0, until_ms: steps * 60_000, step_ms: 60_000 });
    assert_eq!(over(STEPS_MAX + 1).unwrap_err().kind, ErrorKind::Limit, "moments");
    let worked = over(9_000).unwrap_err();
    assert!(worked.message.contains("touches more than"), "{worked}");
    over(100).unwrap();

    // As many selectors as there may be, each over all samples.
    let twenty = parse(&vec!["count_over_time(up[1w])"; 20].join("+")).unwrap();
    let loaded = instant(&twenty, &many, 600_000_000).unwrap_err();
    assert!(loaded.message.contains(&SAMPLES_MAX.to_string()), "{loaded}");

    for (from_ms, until_ms, step_ms) in [(10, 0, 1), (0, 10, 0), (0, 10, -1), (i64::MIN, 0, 1), (0, i64::MAX, 1)] {
        assert!(range(&expr, &many, Range { from_ms, until_ms, step_ms }).is_err(), "{from_ms} {until_ms} {step_ms}");
    }
    assert!(range(&parse("up[5m]").unwrap(), &many, Range { from_ms: 0, until_ms: 1, step_ms: 1 }).is_err());
}

/// `label_join` of itself doubles a label each time.
#[test]
fn labels_do_not_grow_without_end() {
    let up = Memory(vec![notation::series("up{a=\"0123456789abcdef\"}", "1", 0, 1000).unwrap()]);
    let mut query = "up".to_owned();
    for _ in 0..20 {
        query = format!("label_join({query}, \"a\", \"\", \"a\", \"a\")");
    }
    let why = instant(&parse(&query).unwrap(), &up, 0).unwrap_err();
    assert_eq!(why.kind, ErrorKind::Limit, "{why}");
}

#[test]
fn a_series_that_ended_is_gone_at_once() {
    let up = Memory(vec![notation::series("up", "1 2 stale _ 5", 0, 60_000).unwrap()]);
    let at = |query: &str, at_ms: i64| match instant(&parse(query).unwrap(), &up, at_ms).unwrap() {
        bartizan_promql::Value::Vector(all) => all.first().map(|it| it.value),
        other => panic!("{other:?}"),
    };
    assert_eq!(at("up", 119_999), Some(2.0));
    assert_eq!(at("up", 120_000), None);
    assert_eq!(at("count_over_time(up[4m])", 240_000), Some(3.0), "an end is no sample");
    // Five minutes after the last sample, and a thousandth of a second later.
    assert_eq!(at("up", 540_000), Some(5.0));
    assert_eq!(at("up", 540_001), None);
}
