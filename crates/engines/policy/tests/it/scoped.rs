//! A guard that keeps only what concerns its service decides as one that keeps everything.

use crate::support::{ask, decide, files, name, plain_bank};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{CALLS_FILE, Engine, from_fleet, scoped};

const OWN: &str = "@id(\"a\") forbid (principal, action == Action::\"write\", resource in Service::\"accounts\") when { context.path like \"/a*\" };\n\
                   @id(\"b\") permit (principal is Workload, action, resource in Service::\"users\") when { principal.owner == \"pay\" };";

#[test]
fn decides_as_the_whole_does() {
    let whole = from_fleet(&plain_bank(), files(OWN));
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
