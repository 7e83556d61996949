//! Files of rules in the form of Prometheus: what is refused, and in which words.

use bartizan_core::fleet::parse_prometheus_rules;
use bartizan_core::prometheus_rules::Does;
use proptest::prelude::*;

const GOOD: &str = "alert: It\nexpr: up == 0\nfor: 5m\nlabels: { owner: core, severity: page }\nannotations: { summary: it, runbook: r.md#it }";

fn file(lines: &str) -> String {
    format!("groups:\n  - name: one\n    rules:\n      - {}\n", lines.replace('\n', "\n        "))
}

fn with(key: &str, line: &str) -> String {
    file(&GOOD.lines().map(|it| if it.starts_with(key) { line } else { it }).collect::<Vec<_>>().join("\n"))
}

#[test]
fn refuses_a_rule_that_nobody_could_act_on() {
    for (key, line, expected) in [
        (
            "labels",
            "labels: { severity: page }",
            "a.yml:4:9: groups[0].rules[0]: has no label `owner`; name who answers for it: an alert of nobody is read by nobody",
        ),
        (
            "labels",
            "labels: { owner: core }",
            "a.yml:4:9: groups[0].rules[0]: has no label `severity`; one of critical, high, medium, low, page, ticket, error, warning, info",
        ),
        (
            "labels",
            "labels: { owner: core, severity: \"{{ $labels.severity }}\" }",
            "a.yml:7:42: groups[0].rules[0].labels.severity = `{{ $labels.severity }}`: not a severity that is known; one of critical, high, medium, low, page, ticket, error, warning, info",
        ),
        (
            "annotations",
            "annotations: { summary: it }",
            "a.yml:4:9: groups[0].rules[0]: has no annotation `runbook`; link what is to be done, such as `runbooks.md#manydenied`, there or in `runbook_url`",
        ),
        (
            "annotations",
            "annotations: { runbook_url: \"https://it\" }",
            "a.yml:4:9: groups[0].rules[0]: has no annotation `summary`; say in a sentence what is wrong",
        ),
        ("alert", "record: it", "a.yml:6:14: groups[0].rules[0].for: is for alerts alone; delete it: the rule records"),
        (
            "expr",
            "exprs: up",
            "a.yml:5:9: groups[0].rules[0].exprs: unknown key; did you mean `expr`? known here: record, alert, expr, for, keep_firing_for, labels, annotations",
        ),
        (
            "expr",
            "record: it\nexpr: up",
            "a.yml:4:9: groups[0].rules[0]: has to have one of `record` and `alert`; make a rule for each",
        ),
        ("alert", "alert: \"\"", "a.yml:4:16: groups[0].rules[0].alert = ``: not a name; 1 to 64 bytes on a line"),
        (
            "labels",
            "labels: { owner: core, severity: page, a-b: c }",
            "a.yml:7:48: groups[0].rules[0].labels.a-b: not a name; letters, digits and `_`",
        ),
    ] {
        let errors = parse_prometheus_rules(&with(key, line), "a.yml").expect_err(line).to_string();
        assert!(errors.lines().any(|it| it == expected), "{line}:\n{errors}\nin place of\n{expected}");
    }
    for (text, expected) in [
        ("", "a.yml: the file is empty; begin with `groups:`"),
        ("rules: []", "a.yml:1:1: rules: unknown key; known here: groups"),
        ("groups: [{ name: a, rules: [] }, { name: a, rules: [] }]", "group `a` is there already, in line 1"),
        ("groups: [{ name: a, limit: 3, rules: [] }]", "groups[0].limit: unknown key"),
        ("groups: [{ name: a, rules: [{ record: a-b, expr: 1 }] }]", "`a-b`: not a name of a series"),
    ] {
        let errors = parse_prometheus_rules(text, "a.yml").expect_err(text).to_string();
        assert!(errors.contains(expected), "{text}: {errors}");
    }
}

#[test]
fn reads_what_a_prometheus_reads() {
    let text = "groups:\n  - name: one\n    interval: 30s\n    rules:\n      - record: a:b\n        expr: 1\n      - alert: It\n        expr: >\n          up ==\n          0\n        keep_firing_for: 1m\n        labels: { owner: core, severity: page, n: 5 }\n        annotations: { summary: \"{{ $value }}\", runbook_url: r }\n";
    let groups = parse_prometheus_rules(text, "a.yml").unwrap_or_else(|errors| panic!("{errors}"));
    let group = &groups[0];
    assert_eq!((group.name.as_str(), group.file.as_str(), group.rules.len()), ("one", "a.yml", 2));
    assert_eq!(group.interval.as_ref().map(|it| it.text.as_str()), Some("30s"));
    assert_eq!((group.rules[0].name.as_str(), group.rules[0].expr.text.as_str()), ("a:b", "1"));
    let rule = &group.rules[1];
    assert_eq!((rule.expr.text.trim(), rule.label("n"), rule.runbook(), rule.line), ("up == 0", "5", "r", 7));
    let Does::Alert { hold: None, keep: Some(keep), .. } = &rule.does else { panic!("{rule:?}") };
    assert_eq!(keep.text, "1m");
}

proptest! {
    #[test]
    fn no_text_brings_it_down(text in "\\PC{0,200}", part in 0..GOOD.len()) {
        let _ = parse_prometheus_rules(&text, "a.yml");
        let mut cut = part;
        while !GOOD.is_char_boundary(cut) { cut -= 1; }
        let _ = parse_prometheus_rules(&file(&format!("{}{text}", &GOOD[..cut])), "a.yml");
    }
}
