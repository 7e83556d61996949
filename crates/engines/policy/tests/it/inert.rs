//! None accepted but inert: a policy that no guard would ever act by is refused, with its place, the reason and a way out.

use crate::support::{bank, files, fleet, name, plain_bank, service};
use bartizan_core::edge::Mtls;
use bartizan_core::fleet::{Fleet, Protocol};
use bartizan_policy::{check, from_fleet, reach};
use proptest::prelude::*;

fn refused(fleet: &Fleet, text: &str) -> String {
    check(fleet, &files(text)).map(|_| ()).expect_err(text).to_string()
}

#[test]
fn policies_that_never_match() {
    let refused = |text| refused(&plain_bank(), text);
    insta::assert_snapshot!(refused("permit (principal == Service::\"users\", action, resource);"), @"own.cedar:1:1: the policy can never match; its scope and conditions contradict each other or the schema");
    insta::assert_snapshot!(refused("forbid (principal, action, resource) when { resource is Workload };"), @"own.cedar:1:1: the policy can never match; its scope and conditions contradict each other or the schema");
    insta::assert_snapshot!(refused("forbid (principal == Workload::\"users\", action, resource == Service::\"users\");"), @"own.cedar:1:1: the policy can never match: a service does not call itself through its proxy; name another caller");
    insta::assert_snapshot!(refused("permit (principal == Workload::\"users\", action, resource == Service::\"payment\");"), @"own.cedar:1:1: `users` is permitted to call `payment`, but the fleet declares no such call, so no proxy offers the way; add `payment` to the calls of `users` in the fleet file");
}

#[test]
fn callers_without_a_name_are_permitted_only_where_they_are_taken() {
    let text = "permit (principal == Workload::\"unauthenticated\", action, resource == Service::\"users\");";
    let mut fleet = plain_bank();
    insta::assert_snapshot!(refused(&fleet, text), @"own.cedar:1:22: the fleet has no workload `unauthenticated`; add it to the fleet file or correct the name");
    fleet.services.get_mut(&name("users")).unwrap().mtls = Mtls::Permissive;
    assert!(check(&fleet, &files(text)).is_ok());
    let text = text.replace("users", "accounts");
    let refused = refused(&fleet, &text);
    assert!(refused.contains("`unauthenticated` is permitted to call `accounts`"), "{refused}");
}

#[test]
fn an_action_that_nobody_is_asked_for() {
    let users = fleet(vec![("users", service(Protocol::Grpc, "core", &[], &[], &[]))], &[]);
    insta::assert_snapshot!(refused(&users, "forbid (principal, action == Action::\"connect\", resource);"), @"own.cedar:1:1: the policy can never match: no guard of the fleet is asked about such a call; HTTP services are asked to `read`, `write` or `other`, TCP services to `connect`, by the callers that the fleet file names");
}

/// What needs something that is checked nowhere, names somebody who is not there, or asks more than can be seen.
const CORPUS: &[(&str, &str)] = &[
    ("forbid (principal, action, resource) when { context.user == \"ann\" };", "`user`"),
    (
        "permit (principal == Workload::\"payment\", action, resource in Service::\"accounts\") when { context.user.role == \"teller\" };",
        "`user`",
    ),
    (
        "permit (principal == Workload::\"payment\", action, resource in Service::\"accounts\") when { context.headers has \"x\" };",
        "`headers`",
    ),
    ("forbid (principal, action, resource) unless { context.token.scope == \"write\" };", "`token`"),
    ("forbid (principal, action, resource) when { context.ip == \"10.0.0.1\" };", "`ip`"),
    ("forbid (principal, action, resource) when { context.hour > 18 };", "`hour`"),
    ("permit (principal == User::\"ann\", action, resource);", "entity type `User`"),
    ("permit (principal in Group::\"tellers\", action, resource);", "entity type `Group`"),
    ("forbid (principal == Workload::\"kafka\", action, resource);", "no workload `kafka`"),
    ("forbid (principal, action, resource in Service::\"ledger\");", "no service `ledger`"),
    ("forbid (principal, action, resource) when { resource in Service::\"ledger\" };", "no service `ledger`"),
    ("forbid (principal, action, resource == Route::\"accounts/open\");", "no route `accounts/open`"),
    ("forbid (principal, action == Action::\"delete\", resource);", "unrecognized action"),
    ("forbid (principal == ForeignWorkload::\"partner\", action, resource);", "ForeignWorkload"),
    ("forbid (principal, action, resource == Service::\"gateway\");", "not a service"),
    // Requests where a guard sees connections.
    ("forbid (principal, action == Action::\"write\", resource == Service::\"postgres\");", "speaks tcp"),
    (
        "forbid (principal, action, resource in Service::\"postgres\") when { context.path like \"/admin*\" };",
        "speaks tcp",
    ),
    (
        "forbid (principal, action, resource in Service::\"postgres\") when { context.method == \"DELETE\" };",
        "speaks tcp",
    ),
    (
        "permit (principal == Workload::\"accounts\", action, resource == Service::\"postgres\") when { context.path == \"/\" };",
        "speaks tcp",
    ),
    ("forbid (principal, action == Action::\"connect\", resource in Service::\"accounts\");", "speaks HTTP"),
    ("forbid (principal, action == Action::\"connect\", resource) when { context.path == \"/\" };", "no path"),
    // A guard that may be asked about the connection alone.
    ("forbid (principal, action == Action::\"write\", resource in Service::\"legacy\");", "`auto`"),
    // Nobody comes this way.
    ("permit (principal == Workload::\"gateway\", action, resource in Service::\"payment\");", "declares no such call"),
    (
        "permit (principal == Workload::\"postgres\", action, resource in Service::\"accounts\");",
        "declares no such call",
    ),
    (
        "forbid (principal == Workload::\"accounts\", action, resource in Service::\"accounts\");",
        "does not call itself",
    ),
    ("permit (principal == Workload::\"accounts\", action == Action::\"connect\", resource is Route);", "no guard"),
    ("forbid (principal == Workload::\"gateway\", action, resource is Workload);", "never match"),
];

#[test]
fn none_is_accepted_and_does_nothing() {
    for (text, why) in CORPUS {
        // The third line, so that the place is seen to be right.
        let file = format!("// first\n\n{text}\n");
        let said = refused(&bank(), &file);
        assert!(said.contains(why), "{text}: {said}");
        assert!(said.starts_with("own.cedar:3:"), "it says where: {said}");
        assert!(said.contains("; ") || said.contains("did you mean"), "it says a way out: {said}");
    }
}

#[test]
fn each_policy_says_which_guards_ask_it() {
    let text = "@id(\"a\") forbid (principal, action, resource in Service::\"accounts\") when { context.path == \"/x\" };\n\
                @id(\"b\") forbid (principal == Workload::\"payment\", action, resource in Service::\"accounts\") when { context.path == \"/x\" };\n\
                @id(\"c\") forbid (principal, action == Action::\"connect\", resource == Service::\"postgres\") when { principal.owner == \"x\" };\n\
                @id(\"d\") forbid (principal == Workload::\"gateway\", action == Action::\"write\", resource) unless { resource.owner == \"core\" };\n";
    let fleet = plain_bank();
    let all = reach(&fleet, &from_fleet(&fleet, files(text))).unwrap();
    let of = |id: &str| {
        let it = all.iter().find(|it| &*it.id == id).unwrap();
        (it.line, it.guards.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of("a"), (1, "accounts gateway".to_owned()), "the gateway asks before it passes on");
    assert_eq!(of("b"), (2, "accounts".to_owned()), "the gateway is never `payment`");
    assert_eq!(of("c"), (3, "postgres".to_owned()));
    assert_eq!(of("d"), (4, "accounts gateway legacy payment users".to_owned()), "postgres sees connections alone");
    let declared = all.iter().find(|it| it.id.ends_with("calls/payment->accounts")).unwrap();
    assert!(declared.declared && declared.permit && declared.guards.len() == 1, "{declared:?}");
    assert_eq!(all.iter().filter(|it| it.declared).count(), 5);
}

proptest! {
    /// Whatever is accepted is asked by some guard.
    #[test]
    fn what_is_accepted_is_asked_somewhere(
        permit in any::<bool>(),
        principal in prop::sample::select(vec!["principal", "principal is Workload", "principal == Workload::\"payment\"", "principal == Workload::\"gateway\"", "principal == Workload::\"postgres\""]),
        action in prop::sample::select(vec!["action", "action == Action::\"read\"", "action == Action::\"connect\"", "action in [Action::\"write\", Action::\"connect\"]"]),
        resource in prop::sample::select(vec!["resource", "resource is Service", "resource is Route", "resource in Service::\"accounts\"", "resource == Service::\"postgres\"", "resource == Route::\"accounts/close\"", "resource in Service::\"legacy\"", "resource == Service::\"users\""]),
        condition in prop::sample::select(vec!["", "when { context.path like \"/a*\" }", "unless { principal.owner == \"core\" }"]),
    ) {
        let effect = if permit { "permit" } else { "forbid" };
        let text = format!("@id(\"it\") {effect} ({principal}, {action}, {resource}) {condition};");
        for fleet in [bank(), plain_bank()] {
            if check(&fleet, &files(&text)).is_ok() {
                let all = reach(&fleet, &from_fleet(&fleet, files(&text))).unwrap();
                prop_assert!(all.iter().any(|it| &*it.id == "it" && !it.guards.is_empty()), "{}", text);
            }
        }
    }
}

#[test]
fn where_no_guard_stands_nobody_is_asked() {
    let without = |bare: &[&str]| {
        let mut fleet = plain_bank();
        bare.iter().for_each(|it| fleet.services.get_mut(&name(it)).unwrap().guarded = false);
        fleet
    };
    let text = r#"forbid (principal == Workload::"payment", action, resource in Service::"accounts");"#;
    assert!(check(&without(&[]), &files(text)).is_ok());
    insta::assert_snapshot!(refused(&without(&["accounts"]), text), @"own.cedar:1:1: `accounts` has no guard (`guards` in the fleet file), so nobody asks this about calls to it; name it under `guards`; what its gateway route brings is asked as `Workload::\"gateway\"`");
    insta::assert_snapshot!(refused(&without(&["payment"]), text), @"own.cedar:1:1: `payment` has no guard (`guards` in the fleet file), so nobody knows when it is `payment` that calls; name it under `guards`; at a permissive callee it is `Workload::\"unauthenticated\"`");
    let text = r#"forbid (principal, action, resource == Service::"postgres");"#;
    assert!(
        refused(&without(&["postgres"]), text).contains("`postgres` has no guard"),
        "no route of the gateway leads there"
    );

    // The gateway is asked, and others are not: that is allowed, and said.
    let bare = without(&["accounts"]);
    let text = r#"forbid (principal, action == Action::"write", resource in Service::"accounts");"#;
    let summary = check(&bare, &files(text)).unwrap();
    let warnings: Vec<_> = summary.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|it| it.contains("is asked at the gateway alone, since `accounts` has no guard (`guards` in the fleet file): calls of `payment` go past it")),
        "{warnings:?}"
    );
    let text =
        r#"forbid (principal == Workload::"gateway", action == Action::"write", resource in Service::"accounts");"#;
    assert_eq!(check(&bare, &files(text)).unwrap().warnings, [], "that is what it says itself");
    let reached = reach(&bare, &from_fleet(&bare, files(text))).unwrap();
    let own = reached.iter().find(|it| !it.declared).unwrap();
    assert_eq!(own.guards.iter().collect::<Vec<_>>(), [&name("gateway")]);
    // What nobody is asked about is not permitted either.
    assert!(reached.iter().all(|it| !it.guards.is_empty()), "{reached:?}");
    assert!(!reached.iter().any(|it| it.id.contains("payment->accounts")));
    assert!(reached.iter().any(|it| it.id.contains("gateway->accounts")));
}
