//! Deciding by index is deciding: for random fleets, policies and requests the answer is that of plain evaluation.

use crate::support::{fleet, name, service};
use bartizan_core::Action;
use bartizan_core::fleet::{Fleet, Protocol};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Ask, Engine, Memo, from_fleet};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::sync::Arc;

const SERVICES: [&str; 5] = ["a", "b", "c", "d", "e"];
const ROUTES: [&str; 2] = ["r", "s"];
/// The first has no owner; a caller that the fleet does not have comes last.
const CALLERS: [&str; 7] = ["a", "b", "c", "d", "e", "gateway", "stranger"];

fn fleets() -> impl Strategy<Value = Fleet> {
    let protocol = select(vec![Protocol::Http, Protocol::Grpc, Protocol::Tcp, Protocol::Auto]);
    let owner = select(vec!["", "core", "pay"]);
    let data = proptest::sample::subsequence(vec!["pii", "money"], 0..=2);
    let calls = proptest::sample::subsequence(SERVICES.to_vec(), 0..=3);
    let one = (protocol, owner, data, calls);
    proptest::collection::vec(one, SERVICES.len()).prop_map(|all| {
        let services = SERVICES.iter().zip(all).map(|(of, (protocol, owner, data, mut calls))| {
            calls.retain(|to| to != of);
            (*of, service(protocol, owner, &data, &calls, &ROUTES))
        });
        fleet(services.collect(), &["a", "c"])
    })
}

fn principals() -> impl Strategy<Value = String> {
    let known = || select(CALLERS[..6].to_vec());
    prop_oneof![
        Just("principal".to_owned()),
        Just("principal is Workload".to_owned()),
        known().prop_map(|who| format!("principal == Workload::\"{who}\"")),
        known().prop_map(|who| format!("principal in Workload::\"{who}\"")),
        known().prop_map(|who| format!("principal is Workload in Workload::\"{who}\"")),
    ]
}

fn actions() -> impl Strategy<Value = String> {
    let action = || select(vec!["read", "write", "other", "connect"]);
    prop_oneof![
        Just("action".to_owned()),
        Just("action in Action::\"call\"".to_owned()),
        action().prop_map(|action| format!("action == Action::\"{action}\"")),
        (action(), action()).prop_map(|(one, two)| format!("action in [Action::\"{one}\", Action::\"{two}\"]")),
    ]
}

fn resources() -> impl Strategy<Value = String> {
    let service = || select(SERVICES.to_vec());
    let route = || (service(), select(ROUTES.to_vec()));
    prop_oneof![
        Just("resource".to_owned()),
        select(vec!["Service", "Route"]).prop_map(|kind| format!("resource is {kind}")),
        service().prop_map(|to| format!("resource == Service::\"{to}\"")),
        service().prop_map(|to| format!("resource in Service::\"{to}\"")),
        service().prop_map(|to| format!("resource is Route in Service::\"{to}\"")),
        service().prop_map(|to| format!("resource is Service in Service::\"{to}\"")),
        route().prop_map(|(to, route)| format!("resource == Route::\"{to}/{route}\"")),
        route().prop_map(|(to, route)| format!("resource in Route::\"{to}/{route}\"")),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        select(vec![
            "context.path like \"/x*\"",
            "context.path == \"/\"",
            "context.method == \"GET\"",
            "principal.owner == \"core\"",
            "principal.owner == resource.owner",
            "resource.data.contains(\"pii\")",
            "principal.data.containsAny(resource.data)",
            "principal == Workload::\"b\"",
            "resource in Service::\"a\"",
            "Workload::\"c\".owner == \"pay\"",
            "action == Action::\"read\"",
            // Errors: always, for some paths, and for callers without attributes (above).
            "9223372036854775807 + 1 > 0",
            "(context.path like \"/x*\" && 9223372036854775807 * 2 > 0)",
            "(resource.owner == \"pay\" && -9223372036854775807 - 2 < 0)",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec((select(vec!["when", "unless"]), one), 0..=2)
        .prop_map(|all| all.into_iter().map(|(word, one)| format!(" {word} {{ {one} }}")).collect())
}

fn policies() -> impl Strategy<Value = String> {
    let effect = prop_oneof![3 => Just("permit"), 2 => Just("forbid")];
    let reason = select(vec!["", "@reason(\"first\") ", "@reason(\"second\") "]);
    let one = (reason, effect, principals(), actions(), resources(), conditions());
    let text = one.prop_map(|(reason, effect, p, a, r, when)| format!("{reason}{effect} ({p}, {a}, {r}){when};\n"));
    proptest::collection::vec(text, 0..12).prop_map(|all| all.concat())
}

#[derive(Clone, Debug)]
struct Question {
    caller: &'static str,
    action: Action,
    callee: &'static str,
    route: Option<&'static str>,
    method: &'static str,
    path: &'static str,
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let callee = select(vec!["a", "b", "c", "d", "e", "nowhere"]);
    let route = select(vec![None, None, Some("r"), Some("s"), Some("unheard-of")]);
    let method = select(vec!["GET", "HEAD", "POST", "TRACE", ""]);
    let one = (
        select(CALLERS.to_vec()),
        select(Action::ALL.to_vec()),
        callee,
        route,
        method,
        select(vec!["/", "/x/1", "/y", ""]),
    );
    let one = one.prop_map(|(caller, action, callee, route, method, path)| Question {
        caller,
        action,
        callee,
        route,
        method,
        path,
    });
    proptest::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn index_memory_and_memo_decide_as_plain_evaluation_does(fleet in fleets(), text in policies(), questions in questions()) {
        let files = BTreeMap::from([("p.cedar".to_owned(), text)]);
        let engine = Engine::compile(&from_fleet(&fleet, files), Epoch(9));
        let engine = Arc::new(engine.map_err(|errors| TestCaseError::fail(errors.to_string()))?);
        let mut memo = Memo::default();
        for Question { caller, action, callee, route, method, path } in questions {
            let (principal, resource) = (name(caller), name(callee));
            let ask = Ask { user: None, id: None, principal: &principal, action, resource: &resource, route, method, path };
            let plain = engine.decide_plainly(&ask);
            prop_assert_eq!(&engine.decide(&ask), &plain, "index: {:?}", ask);
            prop_assert_eq!(&engine.decide(&ask), &plain, "prepared: {:?}", ask);
            prop_assert_eq!(&*memo.decide(&engine, &ask), &plain, "memo: {:?}", ask);
            prop_assert_eq!(&*memo.decide(&engine, &ask), &plain, "memo again: {:?}", ask);
        }
    }

    #[test]
    fn a_forbid_more_allows_nothing_new(fleet in fleets(), text in policies(), scope in (principals(), actions(), resources(), conditions()), questions in questions()) {
        let compile = |text: String| Engine::compile(&from_fleet(&fleet, BTreeMap::from([("p.cedar".to_owned(), text)])), Epoch(9)).unwrap();
        let before = compile(text.clone());
        let after = compile(format!("{text}forbid ({}, {}, {}){};", scope.0, scope.1, scope.2, scope.3));
        for Question { caller, action, callee, route, method, path } in questions {
            let (principal, resource) = (name(caller), name(callee));
            let ask = Ask { user: None, id: None, principal: &principal, action, resource: &resource, route, method, path };
            prop_assert!(before.decide(&ask).is_allow() || !after.decide(&ask).is_allow(), "{:?}", ask);
        }
    }
}
