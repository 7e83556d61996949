//! A small bank, and words to ask about it.

use bartizan_core::fleet::{Call, Fleet, Gateway, GatewayRoute, NamedRoute, Program, Protocol, Service};
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, Decision, ServiceName, TrustDomain};
use bartizan_policy::{Ask, Engine, PolicyErrors, from_fleet};
use std::collections::BTreeMap;

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

pub(crate) fn service(protocol: Protocol, owner: &str, data: &[&str], calls: &[&str], routes: &[&str]) -> Service {
    Service {
        program: Program::Already,
        mesh: None,
        isolate: Default::default(),
        capture: Default::default(),
        guarded: true,
        listen: "127.0.0.1:7000".parse().unwrap(),
        protocol,
        owner: (!owner.is_empty()).then(|| owner.to_owned()),
        data: data.iter().map(|class| (*class).to_owned()).collect(),
        software: Default::default(),
        calls: calls
            .iter()
            .map(|to| Call { to: name(to), via: None, edge: Default::default(), narrow: None })
            .collect(),
        routes: routes
            .iter()
            .map(|route| NamedRoute { name: name(route), method: None, path: PathPattern::parse("/**").unwrap() })
            .collect(),
        ext_authz: None,
        egress: None,
        instances: Default::default(),
        versions: Default::default(),
        mtls: Default::default(),
        limits: Vec::new(),
        slow_down: None,
        api: None,
    }
}

pub(crate) fn fleet(services: Vec<(&str, Service)>, gateway_to: &[&str]) -> Fleet {
    let route = |to: &&str| GatewayRoute::new(PathPattern::parse(&format!("/{to}/**")).unwrap(), name(to));
    Fleet {
        name: name("bank"),
        trust_domain: TrustDomain::parse("bank.test").unwrap(),
        services: services.into_iter().map(|(of, service)| (name(of), service)).collect(),
        gateway: (!gateway_to.is_empty())
            .then(|| Gateway::new("127.0.0.1:8443".parse().unwrap(), gateway_to.iter().map(route).collect())),
        users: None,
        authorization: None,
        policies: None,
        trust: Default::default(),
        tls: Default::default(),
        tuning: Default::default(),
        drain_ms: None,
        guard_p99_us: None,
        events: Default::default(),
        ledger: None,
        objectives: None,
        alerts: Default::default(),
        intake: None,
        outputs: Default::default(),
        counts: None,
        console: Default::default(),
        control: Default::default(),
        profile: Default::default(),
        synthetic: Default::default(),
        workloads: Default::default(),
        others: Default::default(),
        federation: Default::default(),
        warnings: Vec::new(),
    }
}

pub(crate) fn bank() -> Fleet {
    fleet(
        vec![
            ("accounts", service(Protocol::Http, "core", &["pii", "money"], &["postgres"], &["balance", "close"])),
            ("payment", service(Protocol::Http, "pay", &["money"], &["accounts", "legacy"], &[])),
            ("users", service(Protocol::Grpc, "core", &["pii"], &[], &[])),
            ("legacy", service(Protocol::Auto, "", &[], &[], &[])),
            ("postgres", service(Protocol::Tcp, "core", &["pii"], &[], &[])),
        ],
        &["accounts", "users"],
    )
}

/// The bank without the service of which nobody knows what it speaks.
pub(crate) fn plain_bank() -> Fleet {
    let mut fleet = bank();
    fleet.services.get_mut(&name("legacy")).unwrap().protocol = Protocol::Http;
    fleet
}

pub(crate) fn files(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("own.cedar".to_owned(), text.to_owned())])
}

pub(crate) fn compile(fleet: &Fleet, text: &str) -> Result<Engine, PolicyErrors> {
    Engine::compile(&from_fleet(fleet, files(text)), Epoch(7))
}

/// Decides twice, by index and plainly, and insists that both agree.
pub(crate) fn decide(engine: &Engine, ask: &Ask<'_>) -> Decision {
    let decision = engine.decide(ask);
    assert_eq!(decision, engine.decide_plainly(ask), "{ask:?}");
    assert_eq!(decision, engine.decide(ask), "the second time: {ask:?}");
    decision
}

/// `caller METHOD callee[/route] path`, or `caller connect callee`.
pub(crate) fn ask<T>(text: &str, then: impl FnOnce(&Ask<'_>) -> T) -> T {
    let words: Vec<&str> = text.split(' ').collect();
    let (to, route) = words[2].split_once('/').map_or((words[2], None), |(to, route)| (to, Some(route)));
    let connect = words[1] == "connect";
    then(&Ask {
        user: None,
        id: None,
        principal: &name(words[0]),
        action: if connect { Action::Connect } else { Action::of_method(words[1]) },
        resource: &name(to),
        route,
        method: if connect { "" } else { words[1] },
        path: words.get(3).copied().unwrap_or(if connect { "" } else { "/" }),
    })
}

pub(crate) fn allows(engine: &Engine, text: &str) -> bool {
    ask(text, |ask| decide(engine, ask)).is_allow()
}
