//! Nothing that guards see is left out, however much there is, and what fails is on the board for whoever is on call at once.

use bartizan_testkit::{Bank, Connection, Deadline, Kind, Target, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Calls whose traces are followed, a count, and connections that make them.
const CALLS: u64 = 1_200;
const LANES: u64 = 6;
/// Handshakes without a certificate within a moment, a count.
const BURST: u64 = 20;
/// How late the board may be.
const BOARD_WITHIN: Duration = Duration::from_secs(15);

fn trace(n: u64) -> String {
    format!("{:032x}", (0x5eed_u128 << 64) + u128::from(n))
}

/// Who told of each request.
fn told(bank: &Bank) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in bank.up.say(&["events", "--all", "--json", "--class", "request"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let own = &event["unmapped"]["bartizan"];
        let (Some(request), Some(service)) = (own["request"].as_str(), own["service"].as_str()) else { continue };
        told.entry(request.to_owned()).or_default().insert(service.to_owned());
    }
    told
}

/// Half of the callers ask for their traces not to be sampled: that is a word for others.
#[test]
fn every_hop_of_every_call_under_load_is_told_of() {
    let bank = Bank::start(&[]);
    let edge: SocketAddr = bank.gateway.trim_start_matches("https://").parse().unwrap();
    let target = &Target::new(edge, &bank.up.ca(), "/");
    std::thread::scope(|scope| {
        let loading =
            scope.spawn(|| bank.load(&["--users", "2", "--accounts", "4", "--count", "200", "--concurrency", "4"]));
        for lane in 0..LANES {
            scope.spawn(move || {
                let mut connection = Connection::open(target, Kind::Kept).unwrap();
                for n in (lane..CALLS).step_by(LANES as usize) {
                    let parent = format!("00-{}-{:016x}-0{}", trace(n), n + 1, n % 2);
                    // Nobody has it: the program behind the guard says so.
                    let answered = connection.get("/accounts/acc-none", &[("traceparent", &parent)]);
                    assert_eq!(answered, Ok(404), "call {n}");
                }
            });
        }
        let load = loading.join().unwrap();
        assert!(load.status.success(), "{load:?}");
    });
    let hops: BTreeSet<String> = ["gateway", "accounts"].map(str::to_owned).into();
    let missing = |told: &BTreeMap<String, BTreeSet<String>>| {
        (0..CALLS).map(trace).filter(|it| told.get(it) != Some(&hops)).collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(60);
    let told = loop {
        let told = told(&bank);
        if missing(&told).is_empty() || Instant::now() > end {
            break told;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    let missing = missing(&told);
    assert!(missing.is_empty(), "{} of {CALLS} are not told of by both: {:?}", missing.len(), missing.first());
    // A payment of the load goes from the gateway by the payment to accounts: each hop told of it.
    let whole = told.values().filter(|it| ["gateway", "payment", "accounts"].iter().all(|hop| it.contains(*hop)));
    assert!(whole.count() >= 100, "payments with all their hops");

    let metrics = bank.up.say(&["metrics"]);
    let dropped: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("bartizan_security_spans_dropped_total{")).collect();
    assert!(dropped.len() > 5 && dropped.iter().all(|line| line.ends_with(" 0")), "{dropped:?}");
    // Whoever brings how much is told, and the gateway told of each of these calls.
    let balance: Value = serde_json::from_str(&bank.up.say(&["balance", "--json"])).unwrap();
    let sources = balance["ingest"].as_array().unwrap();
    let of = |name: &str| {
        sources.iter().filter(|it| it["source"] == name).map(|it| it["events"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(of("gateway") >= CALLS && of("accounts") >= CALLS && of("-control") > 0, "{sources:?}");
}

/// Failed authentication of the last hour at a service, as the panel "Authentication failures by service" asks for it.
fn failures(bank: &Bank, service: &str) -> u64 {
    let slo: Value = serde_json::from_str(&bank.up.say(&["slo", "--all", "--json"])).unwrap();
    let m1 = slo["indicators"].as_array().unwrap().iter().find(|it| it["id"] == "M1").unwrap().clone();
    let place = m1["places"].as_array().unwrap().iter().find(|it| it["place"] == service).cloned();
    place.and_then(|it| it.pointer("/windows/0/bad").and_then(Value::as_u64)).unwrap_or_default()
}

#[test]
fn a_burst_of_failed_authentication_is_on_the_board_of_its_service_at_once() {
    let bank = Bank::start(&[]);
    let mesh = bank.up.plan()["mesh"]["accounts"].as_str().unwrap().to_owned();
    assert_eq!(failures(&bank, "accounts"), 0, "nothing failed yet");
    let began = Instant::now();
    (0..BURST).for_each(|_| drop(bartizan_testkit::get(&format!("https://{mesh}/"), None)));
    let planted = began.elapsed();
    let (mut counted, mut live) = (None, None);
    wait_for("the burst to be on the board", Deadline::default(), || {
        let events = || {
            let lines =
                bank.up.say(&["events", "--all", "--deny", "--json", "--class", "handshake", "--service", "accounts"]);
            lines.lines().count() as u64 >= BURST
        };
        counted = counted.or_else(|| (failures(&bank, "accounts") >= BURST).then(|| began.elapsed()));
        live = live.or_else(|| events().then(|| began.elapsed()));
        counted.zip(live)
    });
    let (counted, live) = (counted.unwrap(), live.unwrap());
    println!("planted in {planted:?}; counted after {counted:?}, each of them an event after {live:?}");
    assert!(counted < BOARD_WITHIN + planted && live < BOARD_WITHIN + planted, "{counted:?}, {live:?}");
    for other in ["payment", "users", "transactions", "notifications"] {
        assert_eq!(failures(&bank, other), 0, "under the service that it was at, and no other: {other}");
    }
}
