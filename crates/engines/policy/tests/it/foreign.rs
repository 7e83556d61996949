//! Callers that are no services: workloads of the own trust domain, and those of others.

use crate::support::{bank, compile, name};
use bartizan_core::fleet::{Fleet, Other};
use bartizan_core::{Action, Decision, SpiffeId};
use bartizan_policy::{Ask, Engine, check, matrix};
use std::collections::BTreeMap;

/// The bank, with a workload of its own and one of a partner whose path is that of a service of the bank.
fn federated() -> Fleet {
    let mut fleet = bank();
    fleet.services.remove(&name("legacy"));
    fleet.services.get_mut(&name("payment")).unwrap().calls.retain(|call| call.to.as_str() != "legacy");
    for (caller, id) in
        [("report", "spiffe://bank.test/workload/report"), ("partner", "spiffe://partner.test/svc/payment")]
    {
        let other = Other { id: SpiffeId::parse(id).unwrap(), calls: vec![name("accounts")], at: None };
        fleet.others.insert(name(caller), other);
    }
    fleet
}

const REPORT: Option<&str> = Some("spiffe://bank.test/workload/report");
const PARTNER: Option<&str> = Some("spiffe://partner.test/svc/payment");

fn decide(engine: &Engine, caller: &str, id: Option<&str>, callee: &str) -> Decision {
    let (principal, resource) = (name(caller), name(callee));
    let id = id.map(|id| SpiffeId::parse(id).unwrap());
    let ask = Ask {
        user: None,
        principal: &principal,
        id: id.as_ref(),
        action: Action::Read,
        resource: &resource,
        route: None,
        method: "GET",
        path: "/",
    };
    let decision = engine.decide(&ask);
    assert_eq!(decision, engine.decide_plainly(&ask));
    decision
}

#[test]
fn a_declared_call_permits_one_caller_and_one_callee() {
    let engine = compile(&federated(), "").unwrap();
    for (caller, id) in [("report", REPORT), ("partner", PARTNER)] {
        assert!(decide(&engine, caller, id, "accounts").is_allow(), "{caller}");
        assert!(!decide(&engine, caller, id, "users").is_allow(), "{caller}");
    }
    let allowed = matrix(&engine, &federated());
    assert!(allowed.allows(&name("partner"), &name("accounts"), Action::Write));
    assert!(!allowed.allows(&name("partner"), &name("users"), Action::Read));
}

#[test]
fn a_rule_for_our_own_never_matches_a_foreign_caller() {
    let rules = "permit(principal is Workload, action, resource); permit(principal == Workload::\"payment\", action, resource);";
    let engine = compile(&federated(), rules).unwrap();
    assert!(decide(&engine, "payment", None, "users").is_allow());
    assert!(!decide(&engine, "partner", PARTNER, "users").is_allow());
    // As the name of a local caller, or as a local caller's name: whoever mixes the two up is denied.
    assert!(!decide(&engine, "payment", PARTNER, "users").is_allow());
    assert!(!decide(&engine, "partner", None, "users").is_allow());
    assert!(!decide(&engine, "nobody", PARTNER, "users").is_allow());
    // Another one of the same name, as after the name was given to somebody else.
    assert!(!decide(&engine, "partner", Some("spiffe://partner.test/svc/other"), "accounts").is_allow());
    assert!(!decide(&engine, "report", Some("spiffe://bank.test/workload/other"), "accounts").is_allow());
    assert!(!decide(&engine, "report", None, "accounts").is_allow(), "a service that was called so");
    // Policies of a moment ago, which know of no other trust domain.
    let before = compile(&bank(), "permit(principal, action, resource);").unwrap();
    assert!(decide(&before, "payment", None, "users").is_allow());
    assert!(!decide(&before, "partner", PARTNER, "users").is_allow());
}

#[test]
fn a_permit_that_says_not_whom_it_means_is_refused_once_there_are_foreign_callers() {
    let files = |text: &str| BTreeMap::from([("own.cedar".to_owned(), text.to_owned())]);
    let open = "permit(principal, action == Action::\"read\", resource in Service::\"users\");";
    let mut plain = federated();
    plain.others.clear();
    check(&plain, &files(open)).unwrap();
    let refused = check(&federated(), &files(open)).unwrap_err().to_string();
    assert!(refused.contains("callers of other trust domains too"), "{refused}");
    assert!(refused.contains("principal is Workload"), "{refused}");
    check(&federated(), &files("forbid(principal, action == Action::\"write\", resource in Service::\"users\");"))
        .unwrap();
}

#[test]
fn a_forbid_for_everybody_holds_for_foreign_callers_too() {
    let engine =
        compile(&federated(), "@id(\"shut\") forbid(principal, action, resource in Service::\"accounts\");").unwrap();
    assert!(!decide(&engine, "partner", PARTNER, "accounts").is_allow());
}

#[test]
fn policies_may_ask_where_a_caller_comes_from() {
    let rules = "permit(principal is ForeignWorkload, action, resource == Service::\"users\") when { principal.domain == \"partner.test\" && principal.path == \"/svc/payment\" };";
    let engine = compile(&federated(), rules).unwrap();
    assert!(decide(&engine, "partner", PARTNER, "users").is_allow());
    let other = rules.replace("partner.test", "bank.test");
    assert!(!decide(&compile(&federated(), &other).unwrap(), "partner", PARTNER, "users").is_allow());
}

#[test]
fn names_of_the_other_kind_are_refused() {
    for (text, near) in [
        ("permit(principal == Workload::\"partner\", action, resource);", "no workload `partner`"),
        ("permit(principal == ForeignWorkload::\"payment\", action, resource);", "no foreign workload `payment`"),
        ("permit(principal == ForeignWorkload::\"partnre\", action, resource);", "did you mean `partner`"),
        ("permit(principal is Workload, action, resource == Service::\"report\");", "no service `report`"),
    ] {
        let refused = compile(&federated(), text).unwrap_err().to_string();
        assert!(refused.contains(near), "{refused}");
    }
    let refused = compile(&bank(), "permit(principal is ForeignWorkload, action, resource);").unwrap_err().to_string();
    assert!(refused.contains("where another trust domain calls"), "{refused}");
}
