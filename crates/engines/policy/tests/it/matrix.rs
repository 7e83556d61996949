//! Default deny over a whole fleet: what is open is what was declared, no more and no less.

use crate::support::{fleet, name, service};
use bartizan_core::Action;
use bartizan_core::fleet::{Fleet, Protocol};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Engine, from_fleet, matrix};
use std::collections::{BTreeMap, BTreeSet};

/// Fifty services of every protocol, each calling a few others.
fn fifty() -> Fleet {
    let names: Vec<String> = (0..50).map(|number| format!("s{number}")).collect();
    let protocols = [Protocol::Http, Protocol::Grpc, Protocol::Tcp, Protocol::Auto];
    let services = names.iter().enumerate().map(|(number, of)| {
        let steps = [1, 7, 19].into_iter().take(number % 4);
        let calls: Vec<&str> = steps.map(|step| names[(number + step) % 50].as_str()).collect();
        (of.as_str(), service(protocols[number % 4], "team", &[], &calls, &[]))
    });
    fleet(services.collect(), &["s0", "s2", "s3"])
}

#[test]
fn the_matrix_is_the_declared_graph() {
    let fleet = fifty();
    let engine = Engine::compile(&from_fleet(&fleet, BTreeMap::new()), Epoch(1)).unwrap();
    let mut declared = BTreeSet::new();
    for (from, to) in fleet.edges() {
        let actions: &[Action] = match fleet.services[&to].protocol {
            Protocol::Http | Protocol::Grpc => &[Action::Read, Action::Write, Action::Other],
            Protocol::Tcp => &[Action::Connect],
            Protocol::Auto => &Action::ALL,
        };
        declared.extend(actions.iter().map(|action| (from.clone(), to.clone(), *action)));
    }
    let found = matrix(&engine, &fleet);
    assert_eq!((found.callers.len(), found.callees.len()), (51, 50));
    assert!(declared.len() > 150, "{}", declared.len());
    assert_eq!(found.allowed, declared);
    assert!(found.allows(&name("gateway"), &name("s2"), Action::Connect));
    assert!(!found.allows(&name("gateway"), &name("s1"), Action::Read));
}

#[test]
fn a_forbid_takes_away_exactly_its_part() {
    let fleet = fifty();
    let files = BTreeMap::from([(
        "f.cedar".to_owned(),
        "forbid (principal, action == Action::\"write\", resource in Service::\"s0\");".to_owned(),
    )]);
    let open = matrix(&Engine::compile(&from_fleet(&fleet, BTreeMap::new()), Epoch(1)).unwrap(), &fleet);
    let less = matrix(&Engine::compile(&from_fleet(&fleet, files), Epoch(2)).unwrap(), &fleet);
    let gone: Vec<_> = open.allowed.difference(&less.allowed).collect();
    assert!(
        !gone.is_empty() && gone.iter().all(|(_, to, action)| (to.as_str(), *action) == ("s0", Action::Write)),
        "{gone:?}"
    );
    assert!(less.allowed.is_subset(&open.allowed));
}
