//! Each rule that comes with the product fires where its fault is, tells whom it concerns, and ends.

use bartizan_alerts::built_in;
use bartizan_alerts::rehearse::rehearse;
use bartizan_core::alerts::{Condition, Rule};
use bartizan_core::fleet::parse_rules;

#[test]
fn every_rule_of_the_product_fires_tells_and_ends() {
    for rule in built_in() {
        let done = rehearse(&rule);
        assert_eq!(done.wrong, None, "{done:?}");
        assert!(done.told_after_s.unwrap() <= rule.for_s + 1, "{done:?}");
        let window = if let Condition::Events { within_s, .. } = rule.when { within_s } else { 0 };
        assert!(done.over_after_s.unwrap() <= window + rule.keep_s + 2, "{done:?}");
    }
}

fn rule(when: &str) -> Rule {
    let text = format!(
        "version: 1\nrules:\n  - {{ name: It, summary: it, owner: o, severity: high, urgency: page, runbook: r.md#it, when: {when} }}\n"
    );
    parse_rules(&text, "it.yaml", None).unwrap_or_else(|errors| panic!("{errors}")).remove(0)
}

#[test]
fn a_rule_that_nothing_can_make_fire_is_found() {
    let done = rehearse(&rule("{ events: { class: budget, outcome: denied }, at_least: 1, within: 1m }"));
    assert!(done.wrong.as_ref().is_some_and(|it| it.contains("does not fire")), "{done:?}");
    let done = rehearse(&rule("{ events: { class: person, kind: locked }, at_least: 3, within: 1m }"));
    assert_eq!(done.wrong, None, "{done:?}");
}
