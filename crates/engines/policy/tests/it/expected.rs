//! Which denials surprise nobody: those whose every policy says so.

use crate::support::{ask, bank, compile, decide};
use bartizan_core::Denial;

const POLICIES: &str = "
@id(\"closed\") @expected(\"the old till asks until it is replaced\")
forbid (principal == Workload::\"payment\", action, resource in Service::\"accounts\") when { context.path like \"/till/*\" };
@id(\"no-writes\")
forbid (principal, action == Action::\"write\", resource in Service::\"accounts\");
@id(\"nobody-in\") @reason(\"never\") @expected(\"scanners look here\")
forbid (principal, action, resource in Service::\"accounts\") when { context.path == \"/till/in\" };
";

#[test]
fn one_that_does_not_expect_it_makes_it_unexpected() {
    let engine = compile(&bank(), POLICIES).unwrap();
    for (call, policies, denial) in [
        ("payment GET accounts /till/1", &["closed"][..], Denial::Expected),
        ("payment GET accounts /till/in", &["closed", "nobody-in"], Denial::Expected),
        ("payment POST accounts /till/1", &["closed", "no-writes"], Denial::Unexpected),
        ("payment POST accounts /", &["no-writes"], Denial::Unexpected),
        ("users GET accounts /", &[], Denial::Unexpected),
        ("stranger GET accounts /", &[], Denial::Unexpected),
    ] {
        let decision = ask(call, |ask| decide(&engine, ask));
        assert!(!decision.is_allow(), "{call}: {decision:?}");
        let by: Vec<&str> = decision.policies.iter().map(|id| &**id).collect();
        assert_eq!((by.as_slice(), decision.denial), (policies, denial), "{call}: {decision:?}");
    }
}

#[test]
fn it_has_to_say_why_and_stand_where_something_is_denied() {
    let refused = |text: &str| compile(&bank(), text).map(|_| ()).expect_err(text).to_string();
    insta::assert_snapshot!(refused("@expected(\"x\") permit (principal, action, resource);"), @"own.cedar:1:1: `@expected` stands at a `permit`, which denies nothing; put it at the `forbid` whose denials surprise nobody, or delete it");
    insta::assert_snapshot!(refused("@expected forbid (principal, action, resource);"), @r#"own.cedar:1:1: `@expected` has to say why, in one line of at most 512 bytes; such as `@expected("the shop asks for more than it may, until its release 7")`"#);
}
