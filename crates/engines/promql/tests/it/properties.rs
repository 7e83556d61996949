//! What holds for all queries.

use crate::corpus::{BASE_MS, Query, queries, series};
use bartizan_promql::{Expr, Memory, Range, Sample, Series, Value, instant, parse, range};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Queries of all shapes, not all of them right.
fn query() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-c]{1,2}",
        "[0-9]{1,3}(\\.[0-9])?",
        Just("up{job=~\"a|b\",x!=\"\"}".to_owned()),
        Just("vector(2)".to_owned()),
        Just("rate(up[1m])".to_owned()),
        Just("up offset -1m".to_owned()),
        Just("{__name__=\"by\"}".to_owned()),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                "(\\+|-|\\*|/|%|\\^|==|>|< bool|and|or|unless|/ on \\(job\\)|- ignoring \\(x\\) group_left \\(y\\))",
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            ("(sum|max by \\(job\\)|count without \\(x\\)|abs|absent|scalar|-)", inner.clone())
                .prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("topk(scalar({a}), {b})")),
        ]
    })
}

fn points(value: Value) -> BTreeMap<String, Vec<(i64, u64)>> {
    let bits = |it: f64| if it.is_nan() { f64::NAN.to_bits() } else { it.to_bits() };
    match value {
        Value::Matrix(all) => {
            let each =
                |it: Series| (it.labels.to_string(), it.samples.iter().map(|s| (s.at_ms, bits(s.value))).collect());
            all.into_iter().map(each).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// A range is what its moments are, one by one.
#[test]
fn a_range_is_its_moments() {
    let source = series();
    let over = Range { from_ms: BASE_MS + 28 * 60_000, until_ms: BASE_MS + 31 * 60_000, step_ms: 61_000 };
    for it in queries().into_iter().filter_map(|it| if let Query::Answered(text) = it { Some(text) } else { None }) {
        let expr = parse(&it).unwrap();
        let Ok(whole) = range(&expr, &source, over) else { continue };
        let mut single: BTreeMap<String, Vec<(i64, u64)>> = BTreeMap::new();
        for at_ms in (0..3).map(|step| over.from_ms + step * over.step_ms) {
            let one = Range { from_ms: at_ms, until_ms: at_ms, step_ms: 1 };
            for (labels, values) in points(range(&expr, &source, one).unwrap()) {
                single.entry(labels).or_default().extend(values);
            }
        }
        assert_eq!(points(whole), single, "{it}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// What is read, printed and read again is the same, and no text brings the parser down.
    #[test]
    fn what_parses_prints_back(text in query()) {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            let again = parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&expr), "{} printed {}", text, printed);
        }
    }

    #[test]
    fn any_text_is_answered_or_refused(text in "[a-z0-9(){}\\[\\]\"'`\\\\=!~<>+*/%^,.: @#é\n-]{0,60}") {
        if let Err(why) = parse(&text) {
            prop_assert!(why.at.is_none_or(|at| at <= text.len()), "{:?}: {}", text, why);
            prop_assert!(!why.message.is_empty());
        }
    }

    /// A counter that begins anew never lets a rate be below 0, and adding a constant to a gauge does not change its slope.
    #[test]
    fn counters_do_not_shrink(values in prop::collection::vec(0_u32..1000, 2..40), until in 60_i64..900) {
        let sample = |(at, value): (usize, &u32)| Sample { at_ms: at as i64 * 15_000, value: f64::from(*value) };
        let samples: Vec<_> = values.iter().enumerate().map(sample).collect();
        let moved = samples.iter().map(|it| Sample { value: it.value + 4096.0, ..*it }).collect();
        let of = |samples| Memory(vec![Series { labels: [("__name__", "x")].into_iter().collect(), samples }]);
        let (plain, moved) = (of(samples), of(moved));
        let ask = |query: &str, of: &Memory| match instant(&parse(query).unwrap(), of, until * 1000) {
            Ok(Value::Vector(all)) => all.first().map(|it| it.value),
            other => panic!("{other:?}"),
        };
        prop_assert!(ask("rate(x[5m])", &plain).is_none_or(|it| it >= 0.0));
        prop_assert!(ask("resets(x[5m]) <= changes(x[5m])", &plain).is_some() || ask("changes(x[5m])", &plain).is_none());
        if let (Some(a), Some(b)) = (ask("delta(x[5m])", &plain), ask("delta(x[5m])", &moved)) {
            prop_assert!((a - b).abs() < 1e-6, "{} and {}", a, b);
        }
        let (least, mean, most) =
            (ask("min_over_time(x[5m])", &plain), ask("avg_over_time(x[5m])", &plain), ask("max_over_time(x[5m])", &plain));
        if let (Some(least), Some(mean), Some(most)) = (least, mean, most) {
            prop_assert!(least <= mean + 1e-9 && mean <= most + 1e-9);
        }
    }

    #[test]
    fn quantiles_of_histograms_lie_within_their_buckets(counts in prop::collection::vec(0_u32..50, 4), q in 0.0..1.0_f64) {
        let limits = ["0.1", "1", "10", "+Inf"];
        let mut sum = 0;
        let series = limits.iter().zip(&counts).map(|(le, count)| {
            sum += count;
            Series {
                labels: [("__name__", "b"), ("le", *le)].into_iter().collect(),
                samples: vec![Sample { at_ms: 0, value: f64::from(sum) }],
            }
        });
        let source = Memory(series.collect());
        let expr: Expr = parse(&format!("histogram_quantile({q}, b)")).unwrap();
        match instant(&expr, &source, 0) {
            Ok(Value::Vector(all)) => {
                let it = all[0].value;
                prop_assert!(if sum == 0 { it.is_nan() } else { (0.0..=10.0).contains(&it) }, "{} of {:?}: {}", q, counts, it);
            }
            other => panic!("{other:?}"),
        }
    }
}
