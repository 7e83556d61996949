//! `bartizan alerts check` and `test`, `bartizan slo check`: files judged without a fleet that runs.

use crate::bartizan::run;
use serde_json::Value;

const FLEET: &str = "fleet: shop\ntrust_domain: shop.example\nobjectives: slo.yaml\nalerts: alerts/\nservices:\n  \
    a: {listen: \"127.0.0.1:7001\", protocol: http, owner: o, calls: [b]}\n  b: {listen: \"127.0.0.1:7002\", protocol: http, owner: o}\n";
const RULE: &str = "version: 1\nrules:\n  - { name: Denied, summary: denied, owner: o, severity: high, urgency: page, runbook: r.md#x,\n      \
    when: { events: { class: request, outcome: denied }, at_least: 3, within: 1m }, services: [a] }\n";
const SLO: &str = "version: 1\nwhen_nothing: met\nobjectives:\n  - { indicator: M3, edge: a -> b, target: below 1 %, owner: o, why: w, expires: 2020-01-01 }\n";

fn place(rule: &str, slo: &str) -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("alerts")).unwrap();
    for (file, text) in [("fleet.yaml", FLEET), ("alerts/own.yaml", rule), ("slo.yaml", slo)] {
        std::fs::write(temp.path().join(file), text).unwrap();
    }
    temp
}

#[test]
fn a_rule_without_an_owner_is_refused_wherever_it_is_looked_at() {
    let temp = place(&RULE.replace("owner: o, ", ""), SLO);
    let expected = "alerts/own.yaml:3:5: rules[0].owner: is missing; name who answers for it";
    for args in [&["check", "fleet.yaml"][..], &["alerts", "check", "alerts/"], &["alerts", "test", "alerts/own.yaml"]]
    {
        let done = run(temp.path(), args);
        assert!(done.code == 1 && done.err.contains(expected), "{args:?}: {} {}", done.code, done.err);
    }
    let done = run(temp.path(), &["alerts", "check", "alerts/", "--json"]);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    assert!(done.code == 1 && json["ok"] == false, "{json}");
}

#[test]
fn services_of_rules_are_held_against_the_fleet() {
    let temp = place(&RULE.replace("services: [a]", "services: [c]"), SLO);
    assert_eq!(run(temp.path(), &["alerts", "check", "alerts/"]).code, 0, "without a fleet nobody knows");
    let done = run(temp.path(), &["alerts", "check", "alerts/", "--against", "fleet.yaml"]);
    assert!(done.code == 1 && done.err.contains("`c`: no such service"), "{}", done.err);
}

#[test]
fn rules_that_nobody_knows_to_work_are_refused_where_that_is_asked_for() {
    use bartizan_alerts::{Book, Changes, Outflow, Rehearsals, Silences, in_force, state};
    let temp = place(RULE, SLO);
    let data = temp.path().join("data");
    let check = ["alerts", "check", "alerts/", "--rehearsed", "--data", data.to_str().unwrap()];
    let done = run(temp.path(), &check);
    assert!(done.code == 1 && done.err.contains("no data folder"), "{}", done.err);
    std::fs::create_dir(&data).unwrap();
    let done = run(temp.path(), &check);
    assert!(done.code == 1 && done.err.contains("alerts.json"), "nothing was ever rehearsed: {}", done.err);
    let own = bartizan_runtime::files::load_rules(&temp.path().join("alerts"), None).unwrap();
    let keep = |days_ago: u64, wrong: bool| {
        let mut rules = in_force(&own);
        if wrong {
            // As it was before somebody changed it.
            rules.iter_mut().filter(|it| it.name == "Denied").for_each(|it| it.keep_s += 1);
        }
        let mut rehearsals = Rehearsals::default();
        let then = bartizan_runtime::clock::now().minus(std::time::Duration::from_secs(days_ago * 86_400));
        rehearsals.rehearse(&rules, then);
        let (book, silences, changes, outflow) =
            (Book::default(), Silences::default(), Changes::default(), Outflow::default());
        std::fs::write(data.join("alerts.json"), state::write(&book, &silences, &changes, &outflow, &rehearsals))
            .unwrap();
    };
    for (days, changed, expected) in
        [(31, false, "Denied: last rehearsed on "), (1, true, "Denied: never rehearsed as it is")]
    {
        keep(days, changed);
        let done = run(temp.path(), &check);
        assert!(done.code == 1 && done.err.contains(expected), "{} {}", done.out, done.err);
        assert_eq!(run(temp.path(), &["alerts", "check", "alerts/"]).code, 0, "where nobody asks");
        let done = run(temp.path(), &[&check[..], &["--json"]].concat());
        let json: Value = serde_json::from_str(&done.out).unwrap();
        assert!(done.code == 1 && json["ok"] == false && json["rehearsals"].as_array().unwrap().len() >= 20, "{json}");
    }
    keep(29, false);
    let done = run(temp.path(), &check);
    assert!(done.code == 0 && done.out.contains("were rehearsed within 30 days"), "{} {}", done.out, done.err);
    std::fs::write(data.join("alerts.json"), "nonsense").unwrap();
    let done = run(temp.path(), &check);
    assert!(done.code == 1 && done.err.contains("it is not as control writes it"), "{}", done.err);
}

#[test]
fn every_rule_is_rehearsed() {
    let temp = place(RULE, SLO);
    let done = run(temp.path(), &["alerts", "test", "alerts/", "--json"]);
    let all: Value = serde_json::from_str(&done.out).unwrap();
    let all = all.as_array().unwrap();
    assert!(
        done.code == 0 && all.len() >= 20 && all.iter().all(|it| it["wrong"].is_null()),
        "{} {}",
        done.out,
        done.err
    );
    assert!(all.iter().any(|it| it["rule"] == "Denied"));
    // One that nothing can make fire is found.
    let dead = RULE.replace("class: request, outcome: denied", "class: budget, outcome: denied");
    let temp = place(&dead, SLO);
    let done = run(temp.path(), &["alerts", "test", "alerts/"]);
    assert!(
        done.code == 1 && done.out.contains("it does not fire") && done.err.contains("1 of "),
        "{} {}",
        done.out,
        done.err
    );
}

#[test]
fn an_objective_that_ran_out_is_said_and_no_error() {
    let temp = place(RULE, SLO);
    let done = run(temp.path(), &["slo", "check", "slo.yaml"]);
    assert!(done.code == 0 && done.out.contains("slo.yaml:4: M3 of a -> b ran out"), "{} {}", done.out, done.err);
    assert!(done.out.contains("1 objectives, 0 of them in force"), "{}", done.out);
    let temp = place(RULE, &SLO.replace("below 1 %", "below 0 %"));
    for args in [&["check", "fleet.yaml"][..], &["slo", "check", "slo.yaml", "--against", "fleet.yaml"]] {
        let done = run(temp.path(), args);
        assert!(
            done.code == 1 && done.err.contains("slo.yaml:4:") && done.err.contains("leaves no error budget"),
            "{}",
            done.err
        );
    }
}
