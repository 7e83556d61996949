//! What is allowed, what is not, and who is named for it.

use crate::support::{allows, ask, bank, compile, decide};
use bartizan_core::Verdict;
use bartizan_core::snapshot::Epoch;

#[test]
fn only_declared_calls_are_open_without_policies() {
    let engine = compile(&bank(), "").unwrap();
    for (call, allowed) in [
        ("payment GET accounts /accounts/1", true),
        ("payment POST accounts /accounts", true),
        ("payment PROPFIND accounts /accounts", true),
        ("payment GET accounts/balance /accounts/1/balance", true),
        ("payment connect accounts", false),
        ("accounts connect postgres", true),
        ("accounts GET postgres /", false),
        ("payment GET legacy /", true),
        ("payment connect legacy", true),
        ("gateway GET users /", true),
        ("gateway GET payment /", false),
        ("accounts GET payment /", false),
        ("payment GET users /", false),
        ("payment GET payment /", false),
        ("stranger GET accounts /", false),
        ("payment GET nowhere /", false),
        ("payment GET gateway /", false),
    ] {
        assert_eq!(allows(&engine, call), allowed, "{call}");
    }
}

#[test]
fn a_decision_names_its_policies_and_reasons() {
    let engine = compile(
        &bank(),
        r#"
        @id("night") @reason("closed at night")
        forbid (principal, action == Action::"write", resource in Service::"accounts") when { context.path like "/night*" };
        @id("also") @reason("closed for all")
        forbid (principal, action, resource) when { context.path == "/night/all" };
        @id("again") @reason("closed for all")
        forbid (principal, action, resource) when { context.path == "/night/all" };
        permit (principal == Workload::"users", action, resource in Service::"accounts");
        "#,
    )
    .unwrap();
    for (call, verdict, policies, reason) in [
        ("payment POST accounts /", Verdict::Allow, vec!["fleet:calls/payment->accounts"], None),
        ("users GET accounts /", Verdict::Allow, vec!["own.cedar#3"], None),
        ("payment POST accounts /night/1", Verdict::Deny, vec!["night"], Some("closed at night")),
        (
            "payment POST accounts /night/all",
            Verdict::Deny,
            vec!["again", "also", "night"],
            Some("closed for all; closed at night"),
        ),
        ("payment POST users /", Verdict::Deny, vec![], Some("no policy permits `payment` to `write` on `users`")),
        ("users GET accounts/close /", Verdict::Allow, vec!["own.cedar#3"], None),
        ("users GET postgres/x /", Verdict::Deny, vec![], Some("no policy permits `users` to `read` on `postgres`")),
        (
            "legacy GET accounts/close /",
            Verdict::Deny,
            vec![],
            Some("no policy permits `legacy` to `read` on `accounts/close`"),
        ),
    ] {
        let decision = ask(call, |ask| decide(&engine, ask));
        assert_eq!(decision.verdict, verdict, "{call}");
        assert_eq!(decision.policies.iter().map(|id| &**id).collect::<Vec<_>>(), policies, "{call}");
        assert_eq!(decision.reason.as_deref(), reason, "{call}");
        assert_eq!(decision.epoch, Epoch(7));
    }
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let engine = compile(
        &bank(),
        r#"
        @id("overflow")
        forbid (principal, action == Action::"read", resource in Service::"accounts")
        when { context.path like "/deep*" && 9223372036854775807 + 1 > 0 };
        @id("open")
        permit (principal, action, resource in Service::"users");
        @id("owned") @reason("never read")
        forbid (principal, action, resource in Service::"users") when { principal.owner == "evil" };
        "#,
    )
    .unwrap();
    assert!(allows(&engine, "payment GET accounts /"));
    let decision = ask("payment GET accounts /deep", |ask| decide(&engine, ask));
    assert_eq!(decision.verdict, Verdict::Deny, "Cedar alone would skip the forbid and allow");
    assert_eq!(decision.policies, ["overflow".into()]);
    let reason = decision.reason.unwrap();
    assert!(reason.starts_with("policy `overflow` cannot be evaluated: integer overflow"), "{reason}");

    assert!(allows(&engine, "payment GET users /"));
    let decision = ask("stranger GET users /", |ask| decide(&engine, ask));
    assert_eq!(decision.verdict, Verdict::Deny, "a caller that the fleet does not know has no owner to compare");
    assert_eq!(decision.policies, ["owned".into()]);
}

#[test]
fn policies_see_attributes_of_both_ends_and_of_routes() {
    let engine = compile(
        &bank(),
        r#"
        permit (principal, action == Action::"read", resource) when { principal.owner == resource.owner && principal.owner != "" };
        forbid (principal, action, resource is Route) when { resource.data.contains("pii") && !principal.data.contains("money") };
        forbid (principal, action, resource == Route::"accounts/close");
        "#,
    )
    .unwrap();
    for (call, allowed) in [
        ("users GET accounts /", true),              // both of `core`
        ("users GET accounts/balance /", false),     // a route has the data of its service
        ("payment GET accounts/balance /", true),    // declared, and handles money
        ("payment GET accounts/close /", false),     // named in a forbid
        ("payment GET accounts/unheard-of /", true), // to these policies a part of the service like any other
        ("legacy GET legacy /", false),              // nobody owns either
    ] {
        assert_eq!(allows(&engine, call), allowed, "{call}");
    }
}

#[test]
fn every_form_of_scope_is_found_by_the_index() {
    for (scope, fits, misses) in [
        ("principal, action, resource", "users GET payment /", None),
        ("principal == Workload::\"users\", action, resource", "users GET payment /", Some("legacy GET payment /")),
        ("principal in Workload::\"users\", action, resource", "users GET payment /", Some("legacy GET payment /")),
        ("principal is Workload, action, resource", "users GET payment /", None),
        (
            "principal is Workload in Workload::\"users\", action, resource",
            "users GET payment /",
            Some("legacy GET payment /"),
        ),
        ("principal, action == Action::\"read\", resource", "users GET payment /", Some("users POST payment /")),
        ("principal, action in Action::\"call\", resource", "users connect legacy", None),
        ("principal, action in [Action::\"read\", Action::\"call\"], resource", "users POST payment /", None),
        (
            "principal, action in [Action::\"read\", Action::\"other\"], resource",
            "users TRACE payment /",
            Some("users POST payment /"),
        ),
        (
            "principal, action, resource == Service::\"accounts\"",
            "users GET accounts /",
            Some("users GET accounts/balance /"),
        ),
        (
            "principal, action, resource in Service::\"accounts\"",
            "users GET accounts/balance /",
            Some("users GET payment /"),
        ),
        ("principal, action, resource is Service", "users GET accounts /", Some("users GET accounts/balance /")),
        ("principal, action, resource is Route", "users GET accounts/balance /", Some("users GET accounts /")),
        (
            "principal, action, resource is Route in Service::\"accounts\"",
            "users GET accounts/balance /",
            Some("users GET accounts /"),
        ),
        (
            "principal, action, resource == Route::\"accounts/balance\"",
            "users GET accounts/balance /",
            Some("users GET accounts/close /"),
        ),
        (
            "principal, action, resource in Route::\"accounts/balance\"",
            "users GET accounts/balance /",
            Some("users GET accounts /"),
        ),
    ] {
        let engine = compile(&bank(), &format!("permit ({scope});")).unwrap();
        assert!(allows(&engine, fits), "{scope} on {fits}");
        if let Some(call) = misses {
            assert!(!allows(&engine, call), "{scope} on {call}");
        }
    }
}
