//! A guard that keeps only what concerns its service decides as one that keeps everything.

use crate::support::{ask, decide, files, name, plain_bank};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{CALLS_FILE, Engine, from_fleet, scoped};

const OWN: &str = "@id(\"a\") forbid (principal, action == Action::\"write\", resource in Service::\"accounts\") when { context.path like \"/a*\" };\n\
                   @id(\"b\") permit (principal is Workload, action, resource in Service::\"users\") when { principal.owner == \"pay\" };";

#[test]
fn decides_as_the_whole_does() {
    let by_name = "@id(\"c\") forbid (principal == Workload::\"payment\", action, resource == Service::\"accounts\") when { context.path == \"/b\" };\n\
                   @id(\"d\") permit (principal is Workload, action, resource in Service::\"users\");";
    for text in [OWN, by_name] {
        decides_as_the_whole_does_by(text);
    }
}

fn decides_as_the_whole_does_by(text: &str) {
    let whole = from_fleet(&plain_bank(), files(text));
    let everything = Engine::compile(&whole, Epoch(7)).unwrap();
    let mut differ_elsewhere = false;
    for own in ["accounts", "payment", "users", "legacy", "postgres"] {
        let part = Engine::compile(&scoped(whole.clone(), &name(own)), Epoch(7)).unwrap();
        for caller in ["gateway", "payment", "accounts", "users", "stranger"] {
            for (method, route, path) in
                [("GET", "", "/"), ("POST", "", "/a/x"), ("DELETE", "/close", "/b"), ("connect", "", "")]
            {
                let question = |callee: &str| format!("{caller} {method} {callee}{route} {path}").trim_end().to_owned();
                let decided = |engine: &Engine, callee: &str| ask(&question(callee), |ask| decide(engine, ask));
                assert_eq!(decided(&part, own), decided(&everything, own), "{}", question(own));
                differ_elsewhere |= decided(&part, "accounts") != decided(&everything, "accounts");
            }
        }
    }
    assert!(differ_elsewhere, "something was left out");
}

#[test]
fn keeps_the_calls_to_one_service_and_all_policies_of_the_user() {
    let part = scoped(from_fleet(&plain_bank(), files(OWN)), &name("accounts"));
    let calls = &part.files[CALLS_FILE];
    assert!(calls.contains("gateway->accounts") && calls.contains("payment->accounts"), "{calls}");
    assert_eq!(calls.matches("permit (").count(), 2, "{calls}");
    assert_eq!(part.files["own.cedar"], OWN);
}

#[test]
fn only_those_that_a_policy_may_mean_are_known_where_none_looks_into_callers() {
    let kept = |text: &str| {
        let policies = scoped(from_fleet(&plain_bank(), files(text)), &name("accounts"));
        policies.services.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<_> = from_fleet(&plain_bank(), files("")).services.keys().map(|it| it.as_str().to_owned()).collect();
    let few = kept("");
    assert!(few.contains(&"accounts".to_owned()) && few.len() < all.len(), "{few:?} of {all:?}");
    let other = all.iter().find(|name| !few.contains(name)).unwrap();
    let by_name = kept(&format!("forbid (principal == Workload::\"{other}\", action, resource);"));
    assert!(by_name.contains(other), "{by_name:?}");
    for inner in [
        "principal.data.contains(\"pii\")",
        "principal == Workload::\"\\u{61}ccounts\"",
        "(principal)[\"owner\"] == \"x\"",
        "((principal)) has owner",
    ] {
        assert_eq!(kept(&format!("permit (principal, action, resource) when {{ {inner} }};")), all, "{inner}");
    }
    let context = kept("forbid (principal, action, resource) when { context.path == \"/x\" };");
    assert_eq!(context, few);
}
