//! Guards are replaced by another binary while they serve.

use bartizan_testkit::{BANK_SERVICES, Bank, Deadline, alive, wait_for};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

fn guards() -> Vec<&'static str> {
    BANK_SERVICES.iter().copied().chain(["gateway"]).collect()
}

fn pids(bank: &Bank) -> BTreeMap<&'static str, u32> {
    let pid = |service: &'static str| u32::try_from(bank.up.proxy(service).unwrap()["pid"].as_u64().unwrap()).unwrap();
    guards().into_iter().map(|service| (service, pid(service))).collect()
}

/// Connects again and again, as clients do that keep nothing open; counts who was refused.
fn knock(addrs: &[SocketAddr], stop: &AtomicBool, knocked: &AtomicU64, refused: &AtomicU64) {
    while !stop.load(Relaxed) {
        for addr in addrs {
            knocked.fetch_add(1, Relaxed);
            if TcpStream::connect_timeout(addr, Duration::from_secs(5)).is_err() {
                refused.fetch_add(1, Relaxed);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn all_guards_are_replaced_under_load_and_no_call_fails() {
    let bank = Bank::start(&[]);
    let before = pids(&bank);
    let plan = bank.up.plan();
    let mut addrs: Vec<SocketAddr> =
        plan["mesh"].as_object().unwrap().values().map(|mesh| mesh.as_str().unwrap().parse().unwrap()).collect();
    addrs.push(SocketAddr::from(([127, 0, 0, 1], bank.gateway_port)));
    let (stop, knocked, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let (load, rounds) = std::thread::scope(|scope| {
        scope.spawn(|| knock(&addrs, &stop, &knocked, &refused));
        let load = scope.spawn(|| bank.load(&["--duration", "12", "--concurrency", "8"]));
        std::thread::sleep(Duration::from_secs(1));
        let mut rounds = 0;
        while !load.is_finished() && rounds < 3 {
            let told = bank.up.say(&["upgrade", "--json"]);
            let steps: serde_json::Value = serde_json::from_str(&told).unwrap();
            assert_eq!(steps.as_array().unwrap().len(), 6, "{steps}");
            assert_eq!(steps[5]["service"], "gateway", "the way to all others comes last: {steps}");
            rounds += 1;
        }
        let load = load.join().unwrap();
        stop.store(true, Relaxed);
        (load, rounds)
    });
    let report = String::from_utf8_lossy(&load.stdout).into_owned();
    let json: serde_json::Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{load:?}"));
    println!("{rounds} rounds, {} connections, {report}", knocked.load(Relaxed));
    assert!(load.status.success(), "{load:?}");
    assert_eq!(json["errors"], serde_json::json!({}), "{report}");
    for none in ["retries", "refused", "unresolved"] {
        assert_eq!(json[none], 0, "{none}: {report}");
    }
    assert!(json["done"].as_u64().unwrap() > 100, "{report}");
    assert_eq!(refused.load(Relaxed), 0, "of {}", knocked.load(Relaxed));
    assert!(knocked.load(Relaxed) > 1_000 && rounds >= 2);

    let after = pids(&bank);
    assert!(guards().iter().all(|service| before[service] != after[service]), "{before:?} {after:?}");
    // What is left of the old ones are connections that programs keep open without using them.
    wait_for("the old ones to end", Deadline(Duration::from_secs(90)), || {
        before.values().all(|pid| !alive(*pid)).then_some(())
    });
    assert!(after.values().all(|pid| alive(*pid)));
}

#[test]
fn a_binary_that_does_not_come_to_serve_changes_nothing() {
    let bank = Bank::start_by_copies();
    let before = pids(&bank);
    let proxy = bank.folder().join("bartizan-proxy");
    // On disk lies something else now; as an update does, it is another file.
    std::fs::remove_file(&proxy).unwrap();
    std::fs::write(&proxy, "#!/bin/sh\necho broken >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&proxy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let failed = bank.up.cli(&["upgrade"]);
    let told = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(!failed.status.success() && told.contains("accounts: NOT REPLACED: it ended"), "{failed:?}");
    assert_eq!(told.lines().filter(|line| line.contains("REPLACED")).count(), 1, "no further one is tried: {told}");
    assert_eq!(pids(&bank), before);
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "50", "--concurrency", "2"]);
    assert!(load.status.success(), "{load:?}");
    let unknown = bank.up.cli(&["upgrade", "nobody"]);
    assert!(String::from_utf8_lossy(&unknown.stdout).contains("`nobody` has no guard here"), "{unknown:?}");

    // Another good one: the node looks at it again, and all are replaced, one by name first.
    std::fs::remove_file(&proxy).unwrap();
    std::fs::copy(bartizan_testkit::binary("bartizan-proxy"), &proxy).unwrap();
    bank.up.say(&["upgrade", "accounts"]);
    wait_for("control to know", Deadline::default(), || (pids(&bank)["accounts"] != before["accounts"]).then_some(()));
    let after = pids(&bank);
    assert_eq!(guards().into_iter().filter(|it| before[it] != after[it]).collect::<Vec<_>>(), ["accounts"]);
    let runs = std::fs::read_link(format!("/proc/{}/exe", after["accounts"])).unwrap();
    assert_eq!(runs, proxy);
    bank.up.say(&["upgrade"]);
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "50", "--concurrency", "2"]);
    assert!(load.status.success(), "{load:?}");
}

#[test]
fn a_guard_is_replaced_also_while_control_is_away() {
    let bank = Bank::start(&[]);
    let before = pids(&bank);
    // Control is away, so the successor serves what is on disk: that is enough.
    let control = bank.up.find_one(&["control", "--fleet"]);
    bartizan_testkit::kill_hard(control);
    bank.up.say(&["upgrade", "users"]);
    bank.wait_attached("users");
    wait_for("another process", Deadline::default(), || {
        (bank.up.proxy("users")?["pid"].as_u64()? != u64::from(before["users"])).then_some(())
    });
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "50", "--concurrency", "2"]);
    assert!(load.status.success(), "{load:?}");
}
