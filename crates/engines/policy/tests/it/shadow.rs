//! Policies that are tried out: `@mode("shadow")`. They decide nothing, and what they would decide is told.

use crate::support::{allows, ask, bank, compile, files, name, plain_bank};
use bartizan_core::Verdict;
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Edges, Engine, Memo, Prediction, check, explain_shadow, from_fleet, reach};
use proptest::prelude::*;
use std::sync::Arc;

const NO_ADMIN: &str = "@id(\"no-admin\") @mode(\"shadow\") forbid (principal, action, resource in Service::\"accounts\") when { context.path like \"/admin*\" };";
const OPEN: &str = "@id(\"open\") @mode(\"shadow\") permit (principal == Workload::\"gateway\", action, resource in Service::\"users\");";

fn refused(text: &str) -> String {
    check(&plain_bank(), &files(text)).map(|_| ()).expect_err(text).to_string()
}

fn predicted(engine: &Engine, call: &str) -> Option<Prediction> {
    ask(call, |ask| engine.predict(ask, &engine.decide(ask)))
}

#[test]
fn what_is_no_mode_is_refused_since_it_would_be_enforced() {
    for annotation in [
        "mode(\"dry-run\")",
        "mode(\"Shadow\")",
        "mode(\"\")",
        "mode",
        "Mode(\"shadow\")",
        "modes(\"shadow\")",
        "shadow",
        "dry_run",
    ] {
        let text = format!("@{annotation} forbid (principal, action, resource in Service::\"accounts\");");
        let why = refused(&text);
        assert!(
            why.starts_with("own.cedar:1:1: `@") && why.contains("write `@mode(\"shadow\")`"),
            "{annotation}: {why}"
        );
        assert!(compile(&bank(), &text).is_err(), "nor does a guard take it: {annotation}");
    }
    insta::assert_snapshot!(refused("@mode(\"dry-run\") forbid (principal, action, resource);"), @r#"own.cedar:1:1: `@mode("dry-run")` is unknown; known are `enforce` and `shadow`; write `@mode("shadow")` to try it out, `@mode("enforce")` or nothing to enforce it"#);
}

#[test]
fn what_could_not_be_enforced_is_not_tried_out_either() {
    for (text, why) in [
        ("forbid (principal == Workload::\"users\", action, resource == Service::\"users\");", "can never match"),
        (
            "permit (principal == Workload::\"users\", action, resource == Service::\"payment\");",
            "declares no such call",
        ),
        ("forbid (principal, action, resource) when { context.ip == \"10.0.0.1\" };", "`ip`"),
        ("forbid (principal, action == Action::\"write\", resource == Service::\"postgres\");", "speaks tcp"),
    ] {
        let refused = refused(&format!("@mode(\"shadow\") {text}"));
        assert!(refused.contains(why), "{text}: {refused}");
    }
    let twice = refused(&format!("{NO_ADMIN}\n@id(\"no-admin\") forbid (principal, action, resource);"));
    assert!(twice.contains("is called `no-admin` too"), "{twice}");
}

#[test]
fn it_decides_nothing_and_says_what_it_would() {
    let engine = compile(&bank(), &format!("{NO_ADMIN}\n{OPEN}")).unwrap();
    let without = compile(&bank(), "").unwrap();
    let deny = Some(Prediction { verdict: Verdict::Deny, policies: vec!["no-admin".into()] });
    for (call, expected) in [
        ("payment GET accounts /", None),
        ("payment GET accounts /admin", deny.clone()),
        ("payment GET accounts/balance /admin/x", deny),
        ("users GET accounts /admin", None), // denied already, whatever else forbids it
        ("payment GET legacy /admin", None),
    ] {
        let decided = ask(call, |ask| engine.decide(ask));
        assert_eq!(decided, ask(call, |ask| without.decide(ask)), "{call}");
        assert_eq!(predicted(&engine, call), expected, "{call}");
        assert_eq!(predicted(&without, call), None, "{call}");
    }
    assert!(engine.tries_out("no-admin") && engine.tries_out("open"));
    assert!(!engine.tries_out("another") && !without.tries_out("no-admin"));
}

#[test]
fn a_permit_is_tried_out_too_and_opens_nothing() {
    let closed = "@id(\"closed\") forbid (principal, action == Action::\"write\", resource in Service::\"accounts\");";
    let wide = "@id(\"wide\") @mode(\"shadow\") permit (principal, action, resource);";
    let engine = compile(&bank(), &format!("{closed}\n{wide}")).unwrap();
    let allow = Some(Prediction { verdict: Verdict::Allow, policies: vec!["wide".into()] });
    assert!(!allows(&engine, "users GET accounts /"));
    assert_eq!(predicted(&engine, "users GET accounts /"), allow);
    // A forbid in force wins over it, then as now.
    assert!(!allows(&engine, "payment POST accounts /"));
    assert_eq!(predicted(&engine, "payment POST accounts /"), None);
    assert_eq!(predicted(&engine, "payment GET accounts /"), None, "allowed already");
}

#[test]
fn one_that_cannot_be_evaluated_would_deny() {
    // Nothing but the name is known of a stranger, so that nobody can say who owns it.
    let open = "@id(\"all\") permit (principal, action, resource in Service::\"accounts\");";
    let broken = "@id(\"broken\") @mode(\"shadow\") permit (principal, action, resource in Service::\"accounts\") when { principal.owner == \"x\" };";
    let engine = compile(&bank(), &format!("{open}\n{broken}")).unwrap();
    assert!(allows(&engine, "stranger GET accounts /"));
    let deny = Some(Prediction { verdict: Verdict::Deny, policies: vec!["broken".into()] });
    assert_eq!(predicted(&engine, "stranger GET accounts /"), deny);
    assert_eq!(predicted(&engine, "payment GET accounts /"), None);
}

#[test]
fn enforced_by_a_word_it_denies() {
    let text = NO_ADMIN.replace("shadow", "enforce");
    let engine = compile(&bank(), &text).unwrap();
    assert!(!allows(&engine, "payment GET accounts /admin") && allows(&engine, "payment GET accounts /"));
    assert_eq!(predicted(&engine, "payment GET accounts /admin"), None);
}

#[test]
fn lists_tell_it_apart() {
    let fleet = bank();
    let summary = check(
        &plain_bank(),
        &files(&format!("{NO_ADMIN}\n{}", NO_ADMIN.replace("no-admin", "b").replace("shadow", "enforce"))),
    )
    .unwrap();
    assert_eq!((summary.forbids, summary.shadow), (2, 1));
    let snapshot = from_fleet(&fleet, files(NO_ADMIN));
    let reached = reach(&fleet, &snapshot).unwrap();
    let found: Vec<_> = reached.iter().filter(|it| it.shadow).map(|it| &*it.id).collect();
    assert_eq!(found, ["no-admin"]);
    let edges = Edges::of(&fleet, &snapshot).unwrap();
    let between = edges.between(&name("payment"), &name("accounts"));
    assert!(!between.is_empty() && between.iter().all(|it| &*it.id != "no-admin"), "it has no say there: {between:?}");
    let lines = explain_shadow("no-admin", &snapshot);
    assert_eq!(lines[0], "forbid `no-admin` (in shadow, not enforced) at own.cedar:1:1");
    assert!(explain_shadow("other", &snapshot).is_empty());
}

proptest! {
    /// Whatever a policy says: in shadow it changes no decision, and what it predicts is what comes of enforcing it.
    #[test]
    fn predictions_come_true(
        effect in prop::sample::select(vec!["permit", "forbid"]),
        who in prop::sample::select(vec!["principal", "principal == Workload::\"payment\"", "principal == Workload::\"gateway\""]),
        what in prop::sample::select(vec!["action", "action == Action::\"read\"", "action == Action::\"write\""]),
        whom in prop::sample::select(vec!["resource", "resource in Service::\"accounts\"", "resource in Service::\"users\""]),
        when in prop::sample::select(vec!["", "when { context.path like \"/admin*\" }", "unless { principal.owner == \"pay\" }", "when { context.method == \"GET\" }"]),
        own in prop::sample::select(vec!["", "forbid (principal, action == Action::\"write\", resource in Service::\"accounts\");"]),
    ) {
        let policy = format!("{effect} ({who}, {what}, {whom}) {when};");
        let compiled = |text: String| {
            Engine::compile(&from_fleet(&bank(), files(&text)), Epoch(1)).map(Arc::new)
        };
        let (Ok(before), Ok(shadow), Ok(enforced)) =
            (compiled(own.to_owned()), compiled(format!("{own}\n@id(\"p\") @mode(\"shadow\") {policy}")), compiled(format!("{own}\n@id(\"p\") {policy}")))
        else { return Ok(()) };
        let mut memo = Memo::default();
        for call in ["payment GET accounts /", "payment POST accounts /admin", "gateway GET users /a", "gateway POST users /", "users GET accounts /admin", "stranger GET users /"] {
            let now = ask(call, |ask| shadow.decide(ask));
            prop_assert_eq!(&now, &ask(call, |ask| before.decide(ask)), "{}", call);
            let prediction = ask(call, |ask| shadow.predict(ask, &now));
            let then = ask(call, |ask| enforced.decide(ask)).verdict;
            prop_assert_eq!(prediction.as_ref().map_or(now.verdict, |it| it.verdict), then, "{} {}", call, policy);
            prop_assert!(prediction.iter().all(|it| it.verdict != now.verdict && it.policies == ["p".into()]));
            for _ in 0..2 {
                let remembered = ask(call, |ask| { memo.decide(&shadow, ask); memo.predict(&shadow, ask, &now) });
                prop_assert_eq!(&remembered, &prediction, "{}", call);
            }
        }
    }
}
