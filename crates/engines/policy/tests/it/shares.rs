//! A guard that gets what concerns its service decides as one that gets everything, and gets no more in a larger fleet.

use crate::support::{ask, decide, files, fleet, name, plain_bank, service};
use bartizan_core::ServiceName;
use bartizan_core::fleet::{Fleet, Protocol};
use bartizan_core::snapshot::{Directory, Epoch, GatewaySide, Inbound, Mode, Own, Peer, Policies};
use bartizan_core::{Role, SpiffeId};
use bartizan_policy::{CALLS_FILE, Engine, Shares, from_fleet};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn directory(fleet: &Fleet, own: &str) -> Directory {
    let id = |name: &ServiceName| SpiffeId::of(&fleet.trust_domain, &Role::Service(name.clone()));
    let at = "127.0.0.1:1".parse().unwrap();
    let peer = |to: &ServiceName| (to.clone(), Peer::alone(id(to), at, Protocol::Http));
    let gateway = fleet.gateway.as_ref().filter(|_| own == "gateway");
    let peers = gateway.iter().flat_map(|it| &it.routes).map(|route| peer(&route.to)).collect();
    let gateway = gateway.map(|it| GatewaySide::new(at, it.routes.clone()));
    let inbound = gateway.is_none().then(|| Inbound {
        mesh: at,
        program: at,
        protocol: Protocol::Http,
        routes: Vec::new(),
        callers: BTreeMap::new(),
        ext_authz: None,
        mtls: Default::default(),
        limits: Vec::new(),
        slow_down: None,
        api: None,
    });
    let own = Own {
        id: id(&name(own)),
        name: name(own),
        inbound,
        outbound: BTreeMap::new(),
        gateway,
        egress: None,
        captured: None,
        zone: None,
    };
    let (fleet, mode, trust, tls) = (fleet.name.to_string(), Mode::Full, Default::default(), Default::default());
    Directory { fleet, mode, trust, tls, tuning: Default::default(), drain_ms: None, counts: None, own, peers }
}

fn share(fleet: &Fleet, files: BTreeMap<String, String>, own: &str) -> Policies {
    Shares::of(Arc::new(from_fleet(fleet, files))).share(&directory(fleet, own))
}

/// Every question that the guard of `own` may be asked.
fn questions(own: &str) -> Vec<String> {
    let callees: &[&str] = if own == "gateway" { &["accounts", "users"] } else { &[own] };
    let callers: &[&str] = match own {
        "gateway" => &["gateway"],
        _ => &["gateway", "payment", "accounts", "users", "stranger"],
    };
    let mut all = Vec::new();
    for (callee, caller) in callees.iter().flat_map(|callee| callers.iter().map(move |caller| (callee, caller))) {
        for (method, route, path) in
            [("GET", "", "/"), ("POST", "", "/a/x"), ("DELETE", "/close", "/b"), ("connect", "", "")]
        {
            all.push(format!("{caller} {method} {callee}{route} {path}").trim_end().to_owned());
        }
    }
    all
}

const BY_NAME: &[&str] = &[
    "@id(\"c\") forbid (principal == Workload::\"payment\", action, resource == Service::\"accounts\") when { context.path == \"/b\" };",
    "permit (principal is Workload, action, resource in Service::\"users\");",
    "forbid (principal, action, resource == Route::\"accounts/close\");",
    "forbid (principal == Workload::\"gateway\", action, resource is Service) when { resource == Service::\"users\" && context.path like \"/a*\" };",
    "permit (principal == Workload::\"users\", action == Action::\"write\", resource);",
    "@reason(\"no\") forbid (principal, action == Action::\"other\", resource in Service::\"legacy\") unless { principal == Workload::\"payment\" };",
];

proptest! {
    // Each one compiles seven sets of policies.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn decides_as_the_whole_does(chosen in proptest::sample::subsequence(BY_NAME, 0..=BY_NAME.len())) {
        let fleet = plain_bank();
        let whole = Engine::compile(&from_fleet(&fleet, files(&chosen.join("\n"))), Epoch(7)).unwrap();
        for own in ["accounts", "payment", "users", "legacy", "postgres", "gateway"] {
            let part = share(&fleet, files(&chosen.join("\n")), own);
            let part = Engine::compile(&part, Epoch(7)).unwrap();
            for question in questions(own) {
                let decided = |engine: &Engine| ask(&question, |ask| decide(engine, ask));
                prop_assert_eq!(decided(&part), decided(&whole), "{}: {}", own, question);
            }
        }
    }
}

const BY_OWNER: &str = "@id(\"b\") forbid (principal is Workload, action, resource in Service::\"accounts\") unless { principal.owner == \"pay\" };";

#[test]
fn of_who_declares_no_call_nothing_is_known_that_a_policy_could_ask_for() {
    let fleet = plain_bank();
    let whole = Engine::compile(&from_fleet(&fleet, files(BY_OWNER)), Epoch(7)).unwrap();
    let part = Engine::compile(&share(&fleet, files(BY_OWNER), "accounts"), Epoch(7)).unwrap();
    for question in questions("accounts") {
        let decided = |engine: &Engine| ask(&question, |ask| decide(engine, ask));
        if question.starts_with("payment") || question.starts_with("gateway") {
            assert_eq!(decided(&part), decided(&whole), "{question}");
        } else {
            assert!(!decided(&part).is_allow(), "{question}");
        }
    }
}

#[test]
fn says_whose_it_is() {
    for own in ["accounts", "gateway"] {
        assert_eq!(share(&plain_bank(), files(""), own).share_of, Some(name(own)));
    }
    assert_eq!(from_fleet(&plain_bank(), files("")).share_of, None);
}

#[test]
fn keeps_the_calls_to_one_service_and_what_can_mean_it() {
    let own = "// to all\npermit (principal == Workload::\"users\", action == Action::\"write\", resource);";
    let both = format!("// not here\n{}\n{}\n{own}", BY_NAME[5], BY_NAME[2]);
    let two = BTreeMap::from([("all.cedar".to_owned(), own.to_owned()), ("some.cedar".to_owned(), both)]);
    let part = share(&plain_bank(), two, "accounts");
    let calls = &part.files[CALLS_FILE];
    assert!(calls.contains("gateway->accounts") && calls.contains("payment->accounts"), "{calls}");
    assert_eq!(calls.matches("permit (").count(), 2, "{calls}");
    assert_eq!(part.files["all.cedar"], own, "as it was written");
    let some = &part.files["some.cedar"];
    assert!(!some.contains("legacy") && some.contains("@id(\"some.cedar#1\") forbid"), "{some}");
    assert!(some.contains("@id(\"some.cedar#2\") permit"), "by the number in the whole file: {some}");
}

#[test]
fn the_gateway_gets_what_its_routes_lead_to() {
    let part = share(&plain_bank(), files(&BY_NAME.join("\n")), "gateway");
    let calls = &part.files[CALLS_FILE];
    assert_eq!(calls.matches("permit (").count(), 2, "its own calls: {calls}");
    assert!(!part.files["own.cedar"].contains("legacy"), "{}", part.files["own.cedar"]);
    assert!(part.services.contains_key(&name("users")) && !part.services.contains_key(&name("postgres")));
}

#[test]
fn only_those_that_a_policy_may_mean_are_known() {
    let all: Vec<_> = from_fleet(&plain_bank(), files("")).services.into_keys().collect();
    let kept = |text: &str| share(&plain_bank(), files(text), "accounts").services.into_keys().collect::<Vec<_>>();
    let few = kept("");
    assert!(few.contains(&name("accounts")) && few.contains(&name("payment")) && few.len() < all.len(), "{few:?}");
    let other = all.iter().find(|name| !few.contains(name)).unwrap();
    assert!(kept(&format!("forbid (principal == Workload::\"{other}\", action, resource);")).contains(other));
    // A name that is not read here may be anybody's.
    assert_eq!(kept("forbid (principal == Workload::\"\\u{61}ccounts\", action, resource);"), all);
    for text in ["forbid (principal, action, resource) when { context.path like \"/x\\*\" };", BY_OWNER] {
        assert_eq!(kept(text), few, "{text}");
    }
}

/// A ring of services with a policy each.
fn large(services: usize) -> (Fleet, BTreeMap<String, String>) {
    let names: Vec<String> = (0..services).map(|n| format!("s{n:05}")).collect();
    let one = |calls: &[&str]| service(Protocol::Http, "x", &["pii"], calls, &["part"]);
    let next = names.iter().cycle().skip(1);
    let all = names.iter().zip(next).map(|(name, next)| (name.as_str(), one(&[next]))).collect();
    let policy = |name: &String| {
        format!("forbid (principal, action, resource in Service::\"{name}\") when {{ principal.owner == \"y\" }};\n")
    };
    let files = BTreeMap::from([("each.cedar".to_owned(), names.iter().map(policy).collect())]);
    (fleet(all, &["s00003"]), files)
}

#[test]
fn a_share_does_not_grow_with_the_fleet() {
    let size = |services: usize, own: &str| {
        let (fleet, files) = large(services);
        format!("{:?}", share(&fleet, files, own)).len()
    };
    for own in ["s00003", "gateway"] {
        assert_eq!(size(10, own), size(1_000, own), "{own}");
    }
}
