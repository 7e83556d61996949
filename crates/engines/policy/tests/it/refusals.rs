//! What is refused, where, and with which way out.

use crate::support::{bank, compile, files, plain_bank};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Engine, check, from_fleet};

fn refusal(text: &str) -> String {
    compile(&bank(), text).map(|_| ()).expect_err(text).to_string()
}

/// What only `check` refuses: it knows what programs speak.
fn objection(text: &str) -> String {
    assert!(compile(&bank(), text).is_ok(), "{text}");
    check(&bank(), &files(text)).expect_err(text).to_string()
}

#[test]
fn text_that_is_not_cedar() {
    insta::assert_snapshot!(refusal("permit (principal, action, resource)\n"), @"own.cedar:1:37: unexpected end of input; expected `;` or identifier");
    insta::assert_snapshot!(refusal("// fine\npermit (principal, action, resource) when { context.path = \"/\" };"), @"own.cedar:2:45: '=' is not a valid operator in Cedar; try using '==' instead");
    insta::assert_snapshot!(refusal("allow (principal, action, resource);"), @"own.cedar:1:1: invalid policy effect: allow; effect must be either `permit` or `forbid`");
    insta::assert_snapshot!(refusal("permit (principal, action, resource) when { \"open };"), @"own.cedar:1:45: invalid token; try checking that all strings are closed properly");
    insta::assert_snapshot!(refusal("permit (principal == ?principal, action, resource);"), @"own.cedar:1:22: policy templates are not supported; nothing would ever fill the slot; name the workload or service, or leave the scope open");
}

#[test]
fn names_that_the_fleet_does_not_have() {
    insta::assert_snapshot!(refusal("permit (\n  principal,\n  action,\n  resource in Service::\"acounts\"\n);"), @"own.cedar:4:15: the fleet has no service `acounts`; did you mean `accounts`?");
    insta::assert_snapshot!(refusal("forbid (principal == Workload::\"kafka\", action, resource);"), @"own.cedar:1:22: the fleet has no workload `kafka`; add it to the fleet file or correct the name");
    insta::assert_snapshot!(refusal("forbid (principal, action, resource == Route::\"accounts/balence\");"), @"own.cedar:1:40: the fleet has no route `accounts/balence`; did you mean `accounts/balance`?");
    insta::assert_snapshot!(refusal("forbid (principal, action, resource) unless { resource in [Service::\"users\", Service::\"payments\"] };"), @"own.cedar:1:78: the fleet has no service `payments`; did you mean `payment`?");
    insta::assert_snapshot!(refusal("forbid (principal, action, resource == Service::\"gateway\");"), @r#"own.cedar:1:40: the gateway is not a service; no service calls the gateway; as a caller it is `Workload::"gateway"`"#);
    insta::assert_snapshot!(refusal("forbid (principal, action == Action::\"raed\", resource);"), @r#"own.cedar:1:30: unrecognized action `Action::"raed"`; did you mean `Action::"read"`?"#);
    insta::assert_snapshot!(refusal("forbid (principal == User::\"ann\", action, resource);"), @"own.cedar:1:22: unrecognized entity type `User`; the types are `Workload`, `Service`, `Route` and `Action`, and `ForeignWorkload` where another trust domain calls");
}

#[test]
fn types_that_do_not_fit() {
    insta::assert_snapshot!(refusal("permit (principal, action, resource)\nwhen { context.pth like \"/x\" };"), @r#"own.cedar:2:8: attribute `pth` in context for Action::"connect" not found; did you mean `path`?"#);
    insta::assert_snapshot!(refusal("permit (principal, action, resource) when { principal.owner == 3 };"), @"own.cedar:1:45: the types Long and String are not compatible; both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible");
    insta::assert_snapshot!(refusal("permit (principal, action, resource) when { resource.data == \"pii\" };"), @"own.cedar:1:45: the types String and Set<String> are not compatible; both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible");
}

#[test]
fn identifiers_and_reasons() {
    insta::assert_snapshot!(refusal("@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);"), @"own.cedar:2:1: a policy at own.cedar:1:1 is called `a` too; give each policy an `@id` of its own");
    insta::assert_snapshot!(refusal("@id(\"own.cedar#1\") permit (principal, action, resource);\nforbid (principal, action, resource);"), @"own.cedar:2:1: a policy at own.cedar:1:1 is called `own.cedar#1` too; give each policy an `@id` of its own");
    insta::assert_snapshot!(refusal("@id(\"fleet:calls/x\") permit (principal, action, resource);"), @r#"own.cedar:1:1: `@id("fleet:calls/x")`: names that begin with `fleet:` are for policies compiled from the fleet file; such as `@id("no-writes-at-night")`"#);
    insta::assert_snapshot!(refusal("@id permit (principal, action, resource);"), @r#"own.cedar:1:1: `@id` has to be 1 to 160 bytes without control characters or backticks; such as `@id("no-writes-at-night")`"#);
    insta::assert_snapshot!(refusal("@id(\"a\\nb\") permit (principal, action, resource);"), @r#"own.cedar:1:1: `@id` has to be 1 to 160 bytes without control characters or backticks; such as `@id("no-writes-at-night")`"#);
    insta::assert_snapshot!(refusal("@reason(\"a\\u{7}b\") permit (principal, action, resource);"), @"own.cedar:1:1: `@reason` has to be one line of at most 512 bytes; it is shown to the caller; put the rest into a comment");
    insta::assert_snapshot!(refusal("permit (principal, action, resource) when { \"\u{202e}\" == \"\" };"), @"own.cedar:1:46: invisible character U+202E; remove it: the policy reads otherwise than it looks");
}

#[test]
fn everything_wrong_is_reported_at_once_in_order() {
    let mut all = files(
        "permit (principal, action, resource == Service::\"acounts\");\nnonsense;\nforbid (principal, action, resource == Service::\"usres\");",
    );
    all.insert("a.cedar".to_owned(), "permit (principal, action, resource) when { 1 };".to_owned());
    let errors = Engine::compile(&from_fleet(&bank(), all.clone()), Epoch(1)).map(|_| ()).unwrap_err();
    let places: Vec<_> = errors.as_slice().iter().map(|e| (e.file.as_str(), e.line)).collect();
    assert_eq!(places, [("a.cedar", 1), ("own.cedar", 1), ("own.cedar", 2), ("own.cedar", 3)], "{errors}");

    all.insert(
        "t.cedar".to_owned(),
        "permit (principal, action == Action::\"read\", resource == Service::\"postgres\");".to_owned(),
    );
    let errors = check(&bank(), &all).unwrap_err();
    assert_eq!(errors.as_slice().len(), 5, "what cannot be enforced comes with the rest: {errors}");
}

/// A caller that waits a moment before it speaks is taken for TCP, and asked for `connect` alone.
#[test]
fn policies_about_requests_where_a_caller_may_be_taken_for_tcp() {
    for text in [
        "forbid (principal, action == Action::\"write\", resource in Service::\"legacy\");",
        "forbid (principal, action, resource in Service::\"legacy\") when { context.path like \"/admin*\" };",
        "forbid (principal, action in [Action::\"read\", Action::\"write\"], resource);",
    ] {
        let said = objection(text);
        assert!(said.contains("`legacy`, whose protocol is `auto`") && said.contains("protocol: http"), "{said}");
        assert!(check(&plain_bank(), &files(text)).is_ok(), "once it is known what it speaks: {text}");
    }
    for text in [
        "forbid (principal, action, resource in Service::\"legacy\");",
        "forbid (principal, action in [Action::\"write\", Action::\"connect\"], resource in Service::\"legacy\");",
        "forbid (principal, action == Action::\"write\", resource in Service::\"accounts\");",
    ] {
        assert!(check(&bank(), &files(text)).is_ok(), "nothing can be stepped round here: {text}");
    }
}

#[test]
fn controls_that_cannot_be_enforced() {
    insta::assert_snapshot!(objection("forbid (principal, action == Action::\"write\", resource == Service::\"postgres\");"), @r#"own.cedar:1:1: `write` on `postgres` cannot be enforced: it speaks tcp, so its proxy sees connections, not requests; write `action == Action::"connect"`"#);
    insta::assert_snapshot!(objection("forbid (principal, action in [Action::\"read\", Action::\"connect\"], resource in Service::\"postgres\");"), @r#"own.cedar:1:1: `read` on `postgres` cannot be enforced: it speaks tcp, so its proxy sees connections, not requests; write `action == Action::"connect"`"#);
    insta::assert_snapshot!(objection("forbid (principal, action, resource in Service::\"postgres\") when { context.path like \"/admin*\" };"), @"own.cedar:1:1: method and path on `postgres` cannot be enforced: it speaks tcp, so its proxy sees connections, not requests; decide by principal and resource alone");
    insta::assert_snapshot!(objection("forbid (principal, action == Action::\"connect\", resource in Service::\"accounts\");"), @"own.cedar:1:1: `connect` on `accounts` cannot be enforced: it speaks HTTP, so its proxy decides on requests, not on connections; write `read`, `write` or `other`, or leave the action open");
    insta::assert_snapshot!(objection("permit (principal, action == Action::\"connect\", resource) unless { context.method == \"GET\" };"), @"own.cedar:1:1: this policy is about `connect` and looks at `context`: a connection has no method and no path; decide by principal and resource alone");
}

#[test]
fn controls_that_can_be_enforced() {
    for text in [
        "forbid (principal, action == Action::\"connect\", resource == Service::\"postgres\");",
        "forbid (principal, action, resource == Service::\"postgres\") when { principal.owner != \"core\" };",
        "forbid (principal, action in Action::\"call\", resource == Service::\"postgres\") // not by context\n;",
        "forbid (principal, action in [Action::\"read\", Action::\"connect\"], resource == Service::\"legacy\");",
    ] {
        check(&bank(), &files(text)).map_err(|errors| format!("{text}: {errors}")).unwrap();
    }
    check(&plain_bank(), &files("forbid (principal, action, resource) unless { context.path like \"/public/*\" };"))
        .unwrap();
}

#[test]
fn file_names_of_our_own_are_taken() {
    let files = std::collections::BTreeMap::from([("fleet:mine".to_owned(), String::new())]);
    insta::assert_snapshot!(check(&bank(), &files).unwrap_err(), @"fleet:mine: file names that begin with `fleet:` are for policies compiled from the fleet file; rename the file");
}

#[test]
fn a_snapshot_that_contradicts_itself() {
    let good = from_fleet(&bank(), files(""));
    let mut broken = good.clone();
    broken.schema = "entity Workload = {".to_owned();
    insta::assert_snapshot!(Engine::compile(&broken, Epoch(1)).map(|_| ()).unwrap_err(), @"fleet:schema:1:20: error parsing schema: unexpected end of input; expected `@`, `}`, identifier, or string literal");
    let mut misfit = good;
    misfit.schema = misfit.schema.replace("Set<String>", "Set<Long>");
    let errors = Engine::compile(&misfit, Epoch(1)).map(|_| ()).unwrap_err();
    let message = &errors.as_slice()[0].message;
    assert!(message.starts_with("the facts about services do not fit the schema: "), "{message}");
    assert!(message.contains("`data`"), "{message}");
}
