//! What a decision costs at 10 to 10,000 policies: by index, plainly, and repeated on one connection.
//!
//! `cargo run --release -p bartizan-policy --example decide_cost`. The fleet grows with the policies: half of them are
//! declared calls, a quarter look at the path, a few are about everybody. Each row is a fresh question per sample.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_core::fleet::{Call, Fleet, Program, Protocol, Service};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, ServiceName, TrustDomain};
use bartizan_policy::{Ask, Engine, Memo, from_fleet};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Calls that each service declares, a count.
const CALLS: usize = 4;
/// Questions timed for each figure.
const SAMPLES: usize = 20_000;

fn main() {
    println!(
        "{:>9} {:>11} {:>20} {:>20} {:>20} {:>20}",
        "policies", "compile ms", "decide us p50/p99", "first us p50/p99", "plain us p50/p99", "repeat us p50/p99"
    );
    for wanted in [10, 100, 1_000, 10_000] {
        row(wanted);
    }
}

fn row(wanted: usize) {
    let names: Vec<ServiceName> =
        (0..(wanted / 2 / CALLS).max(CALLS + 1)).map(|n| ServiceName::parse(&format!("s{n}")).unwrap()).collect();
    let declared = (wanted / 2 / CALLS).max(1) * CALLS;
    let fleet = fleet(&names, declared);
    let policies = from_fleet(&fleet, BTreeMap::from([("own.cedar".to_owned(), own(&names, wanted - declared))]));
    let began = Instant::now();
    let engine = Arc::new(Engine::compile(&policies, Epoch(1)).unwrap());
    let compiled = began.elapsed();

    // One sidecar: everybody it hears is a caller of one service, with a path never seen before.
    let callee = &names[CALLS];
    let paths: Vec<String> = (0..SAMPLES).map(|n| format!("/accounts/{n}/balance")).collect();
    let ask = |n: usize| Ask {
        user: None,
        principal: &names[CALLS - 1 - n % CALLS],
        id: None,
        action: Action::Read,
        resource: callee,
        route: None,
        method: "GET",
        path: &paths[n % SAMPLES],
    };
    let first = figures(names.len().min(500), |n| {
        let ask = Ask { principal: &names[n % names.len()], resource: &names[(n + 1) % names.len()], ..ask(n) };
        black_box(engine.decide(&ask));
    });
    let decide = figures(SAMPLES, |n| drop(black_box(engine.decide(&ask(n)))));
    let plain = figures((2_000_000 / wanted).clamp(200, 2_000), |n| drop(black_box(engine.decide_plainly(&ask(n)))));
    let mut memo = Memo::default();
    let repeat = figures(SAMPLES, |n| drop(black_box(memo.decide(&engine, &ask(n % CALLS)))));
    println!(
        "{:>9} {:>11.1} {decide:>20} {first:>20} {plain:>20} {repeat:>20}",
        engine.len(),
        compiled.as_secs_f64() * 1e3
    );
}

fn figures(samples: usize, mut once: impl FnMut(usize)) -> String {
    let mut took: Vec<u64> = (0..samples)
        .map(|n| {
            let began = Instant::now();
            once(n);
            began.elapsed().as_nanos() as u64
        })
        .collect();
    took.sort_unstable();
    let at = |share: f64| took[((samples - 1) as f64 * share) as usize] as f64 / 1e3;
    format!("{:.2} / {:.2}", at(0.5), at(0.99))
}

/// Each service calls the next few.
fn fleet(names: &[ServiceName], declared: usize) -> Fleet {
    let call = |n: usize, step: usize| Call {
        to: names[(n + step) % names.len()].clone(),
        via: None,
        edge: Default::default(),
        narrow: None,
    };
    let services = names.iter().enumerate().map(|(n, name)| {
        let calls = (1..=CALLS).filter(|step| n * CALLS + step <= declared).map(|step| call(n, step)).collect();
        let service = Service {
            program: Program::Already,
            mesh: None,
            isolate: Default::default(),
            capture: Default::default(),
            guarded: true,
            listen: "127.0.0.1:7000".parse().unwrap(),
            protocol: Protocol::Http,
            owner: Some("team".to_owned()),
            data: vec!["pii".to_owned()],
            software: Default::default(),
            calls,
            routes: Vec::new(),
            ext_authz: None,
            egress: None,
            instances: Default::default(),
            versions: Default::default(),
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        };
        (name.clone(), service)
    });
    Fleet {
        name: ServiceName::parse("fleet").unwrap(),
        trust_domain: TrustDomain::parse("fleet.test").unwrap(),
        services: services.collect(),
        gateway: None,
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

/// Three rules about everybody, the rest about one service each, half of them looking at the path.
fn own(names: &[ServiceName], count: usize) -> String {
    let mut text = String::from(
        "@id(\"admin\") @reason(\"closed\") forbid (principal, action, resource) when { context.path like \"/admin*\" };\n\
         @id(\"pii\") forbid (principal, action == Action::\"other\", resource) when { resource.data.contains(\"pii\") };\n\
         @id(\"trace\") forbid (principal, action, resource) when { context.method == \"TRACE\" };\n",
    );
    for n in 3..count {
        let to = &names[n % names.len()];
        let when = if n % 2 == 0 { "context.path like \"/internal*\"" } else { "principal.owner == \"nobody\"" };
        writeln!(text, "forbid (principal, action in [Action::\"read\", Action::\"write\"], resource in Service::\"{to}\") when {{ {when} }};").unwrap();
    }
    text
}
