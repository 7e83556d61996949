//! What `bartizan policy check` says about policies without errors.

use crate::support::{files, plain_bank};
use bartizan_policy::check;
use std::collections::BTreeMap;

fn warnings(text: &str) -> String {
    let summary = check(&plain_bank(), &files(text)).map_err(|errors| errors.to_string()).unwrap();
    summary.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn counts() {
    let text = "permit (principal == Workload::\"payment\", action, resource in Service::\"accounts\") when { context.path == \"/\" };\nforbid (principal, action, resource) when { context.path == \"/x\" };";
    let summary = check(&plain_bank(), &files(text)).unwrap();
    assert_eq!((summary.files, summary.permits, summary.forbids, summary.declared), (1, 1, 1, 5));
    assert_eq!(summary.warnings, []);
    assert_eq!(check(&plain_bank(), &BTreeMap::new()).unwrap().files, 0);
}

#[test]
fn policies_that_say_it_again_or_say_too_much() {
    insta::assert_snapshot!(warnings("permit (principal == Workload::\"payment\", action == Action::\"read\", resource in Service::\"accounts\");"), @"own.cedar:1:1: the fleet's declared calls permit this already, by `fleet:calls/payment->accounts`; remove the policy");
    insta::assert_snapshot!(warnings("permit (principal, action, resource);"), @"own.cedar:1:1: permits this to everybody on every service, so that the declared calls limit nothing; name the principal or the resource, or add a condition");
    insta::assert_snapshot!(warnings("forbid (principal, action, resource == Service::\"accounts\") when { context.path like \"/a*\" };"), @r#"own.cedar:1:1: `resource == Service::"accounts"` leaves out its named routes, such as `accounts/balance`; write `resource in Service::"accounts"` for all of the service"#);
    insta::assert_snapshot!(warnings("@raeson(\"x\") @owner(\"ann\") forbid (principal, action, resource) when { context.path == \"/x\" };"), @"own.cedar:1:1: `@raeson` means nothing here; did you mean `@reason`?");
}

#[test]
fn forbids_that_kill_declared_calls() {
    insta::assert_snapshot!(warnings("forbid (principal == Workload::\"payment\", action, resource in Service::\"accounts\");"), @"own.cedar:1:1: forbids every call that the fleet declares from `payment` to `accounts`; remove the call from the fleet file, or narrow the forbid");
    insta::assert_snapshot!(warnings("forbid (principal, action, resource);"), @"own.cedar:1:1: forbids every call that the fleet declares from `accounts` to `postgres`, `gateway` to `accounts`, `gateway` to `users` and 2 more; remove the call from the fleet file, or narrow the forbid");
    // Together they leave nothing; alone, each leaves something.
    insta::assert_snapshot!(warnings("forbid (principal, action == Action::\"read\", resource in Service::\"users\");\nforbid (principal, action in [Action::\"write\", Action::\"other\"], resource in Service::\"users\");"), @"own.cedar:1:1: forbids every call that the fleet declares from `gateway` to `users`; remove the call from the fleet file, or narrow the forbid");
    assert_eq!(warnings("forbid (principal, action == Action::\"read\", resource in Service::\"users\");"), "");
    assert_eq!(
        warnings("forbid (principal, action, resource in Service::\"users\") unless { context.path == \"/\" };"),
        ""
    );
    assert_eq!(
        warnings("forbid (principal, action, resource is Service in Service::\"accounts\");"),
        "",
        "its routes stay open"
    );
}
