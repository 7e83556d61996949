//! The file of objectives: what is refused, in which words, and what is taken.

use bartizan_core::Timestamp;
use bartizan_core::fleet::{Fleet, parse, parse_objectives};
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::objectives::{Objectives, WhenNothing};
use proptest::prelude::*;

const FLEET: &str = "fleet: bank\ntrust_domain: bank.example\nobjectives: slo.yaml\nservices:\n  \
    payment: {listen: \"127.0.0.1:7001\", protocol: http, owner: o, calls: [ledger]}\n  \
    ledger: {listen: \"127.0.0.1:7002\", protocol: http, owner: o}\n";

fn fleet() -> Fleet {
    parse(FLEET, "fleet.yaml").unwrap()
}

/// A file whose one objective has these lines, from line 4 on.
fn one(lines: &str) -> String {
    format!("version: 1\nwhen_nothing: unknown\nobjectives:\n  - {}\n", lines.replace('\n', "\n    "))
}

const REST: &str = "owner: core\nwhy: few calls\nexpires: 2027-03-31";

#[test]
fn refuses_what_makes_no_objective() {
    for (why, text, expected) in [
        ("empty", String::new(), "slo.yaml: the file is empty; begin with `version: 1` and `objectives:`"),
        (
            "a later version",
            "version: 2\nobjectives: []\n".into(),
            "slo.yaml:1:10: version = `2`: not a version that is known; write `version: 1`",
        ),
        ("no version", "objectives: []\n".into(), "slo.yaml:1:1: version: is missing; write `version: 1`"),
        (
            "no budget is left",
            one(&format!("indicator: M1\ntarget: at least 100 %\n{REST}")),
            "slo.yaml:5:13: objectives[0].target = `at least 100 %`: leaves no error budget: the first failure of a month would use it up, and no page could say that it matters; the strictest is `at least 99.9999 %`",
        ),
        (
            "nothing may be denied",
            one(&format!("indicator: M3\ntarget: below 0 %\n{REST}")),
            "slo.yaml:5:13: objectives[0].target = `below 0 %`: leaves no error budget: the first failure of a month would use it up, and no page could say that it matters; the strictest is `below 0.0001 %`",
        ),
        (
            "turned round",
            one(&format!("indicator: M3\ntarget: at least 99.9 %\n{REST}")),
            "slo.yaml:5:13: objectives[0].target = `at least 99.9 %`: M3 is the share of what fails; write `below 0.2 %`",
        ),
        (
            "more fails than succeeds",
            one(&format!("indicator: M1\ntarget: at least 20 %\n{REST}")),
            "slo.yaml:5:13: objectives[0].target = `at least 20 %`: puts up with more failures than successes; write `at least 99.95 %`",
        ),
        (
            "a number alone",
            one(&format!("indicator: M1\ntarget: 99.9\n{REST}")),
            "slo.yaml:5:13: objectives[0].target = `99.9`: not a target; write `at least 99.95 %`",
        ),
        (
            "a count",
            one(&format!("indicator: M8\ntarget: below 1 %\n{REST}")),
            "slo.yaml:4:16: objectives[0].indicator = `M8`: a mere count, which nothing divides: there is no share that could be asked for; M1, M2, M3 and M9 have objectives; watch M8 with an alert rule",
        ),
        (
            "no source",
            one(&format!("indicator: M5\ntarget: below 1 %\n{REST}")),
            "slo.yaml:4:16: objectives[0].indicator = `M5`: nothing counts it yet; M1, M2, M3 and M9 have objectives",
        ),
        (
            "an unknown service",
            one(&format!("indicator: M3\nservice: legder\ntarget: below 1 %\n{REST}")),
            "slo.yaml:5:14: objectives[0].service = `legder`: no such service; did you mean `ledger`? name a service of the fleet file, or `gateway`",
        ),
        (
            "a call that nobody declares",
            one(&format!("indicator: M3\nedge: ledger -> payment\ntarget: below 1 %\n{REST}")),
            "slo.yaml:5:11: objectives[0].edge = `ledger -> payment`: no such call; name a call that the fleet file declares; `outside` stands for who has no identity",
        ),
        (
            "not counted there",
            one(&format!("indicator: M2\nedge: payment -> ledger\ntarget: at least 99 %\n{REST}")),
            "slo.yaml:4:5: objectives[0]: M2 is not counted for each edge; name the called service instead",
        ),
        (
            "not counted there either",
            one(&format!("indicator: M9\nservice: ledger\ntarget: below 1 %\n{REST}")),
            "slo.yaml:4:5: objectives[0]: M9 is counted for the whole fleet; delete `service` and `edge`",
        ),
        (
            "too long a window",
            one(&format!("indicator: M3\nwindow: 90d\ntarget: below 1 %\n{REST}")),
            "slo.yaml:5:13: objectives[0].window = `90d`: not a time from 7d to 30d; counts are kept for a month; write `7d` or `30d`",
        ),
        (
            "no day",
            one("indicator: M3\ntarget: below 1 %\nowner: core\nwhy: few calls\nexpires: never"),
            "slo.yaml:8:14: objectives[0].expires = `never`: not a day; write it as `2027-03-31`",
        ),
        (
            "a denominator that can be 0",
            one(&format!("indicator: M3\ntarget: below 1 %\n{REST}"))
                .replace("when_nothing: unknown\n", "# when_nothing\n"),
            "slo.yaml:4:5: objectives[0].when_nothing: is missing: where nothing is counted there is no share; write `when_nothing: unknown` (or `met`, or `missed`) here, or once at the top of the file",
        ),
        (
            "nobody's, for no reason, for ever",
            one("indicator: M3\ntarget: below 1 %"),
            "slo.yaml:4:5: objectives[0].owner: is missing; name who answers for it\n\
             slo.yaml:4:5: objectives[0].why: is missing; say why it is another than everybody's\n\
             slo.yaml:4:5: objectives[0].expires: is missing; name the last day on which it counts, such as `2027-03-31`",
        ),
    ] {
        let errors = parse_objectives(&text, "slo.yaml", &fleet()).expect_err(why);
        assert_eq!(errors.to_string(), expected, "{why}");
    }
    let twice = one(&format!("indicator: M3\ntarget: below 1 %\n{REST}"));
    let twice = format!("{twice}{}", twice.split_once("objectives:\n").unwrap().1);
    let errors = parse_objectives(&twice, "slo.yaml", &fleet()).unwrap_err().to_string();
    assert_eq!(errors, "slo.yaml:9:5: objectives[1]: M3 of fleet is there already, in line 4; keep one of the two");
}

#[test]
fn takes_what_it_says_where_and_until_it_says_so() {
    let text = format!(
        "{}  - {{indicator: M1, service: ledger, target: at least 99.95 %, window: 7d, when_nothing: missed, owner: core, why: money, expires: 2026-12-31}}\n",
        one(&format!("indicator: M3\nedge: payment -> ledger\ntarget: below 2 %\n{REST}"))
    );
    let said = parse_objectives(&text, "slo.yaml", &fleet()).unwrap();
    let ledger = said[1].place.clone();
    assert_eq!((said[0].place.to_string().as_str(), said[0].when_nothing), ("payment -> ledger", WhenNothing::Unknown));
    assert_eq!((said[1].window_s, said[1].when_nothing, said[1].line), (7 * 86_400, WhenNothing::Missed, 10));
    assert!((said[1].bad_max - 0.0005).abs() < 1e-12 && (said[0].bad_max - 0.02).abs() < 1e-12);
    let all = Objectives { file: "slo.yaml".into(), said };
    // 2027-01-01T00:00:00Z, the first moment after its last day.
    let end = Timestamp::from_secs(1_798_761_600);
    let just_before = Timestamp::from_millis(end.as_millis() - 1);
    assert!(all.of(Indicator::M1, &ledger, just_before).is_some());
    assert_eq!(all.of(Indicator::M1, &ledger, end), None, "what counts for everybody counts again");
    assert_eq!(all.of(Indicator::M1, &Place::Fleet, just_before), None);
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Objectives>(&text).unwrap(), all);
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}", target in "[a-z0-9.% ]{0,20}") {
        let _ = parse_objectives(&text, "slo.yaml", &fleet());
        let _ = parse_objectives(&one(&format!("indicator: M3\ntarget: {target}\n{REST}")), "slo.yaml", &fleet());
    }
}
