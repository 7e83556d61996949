//! Many times what a fleet can do comes to its gateway, in the ways that fill memory: nobody ends, nobody grows beyond a bound, and
//! whoever is left is served afterwards.

use bartizan_testkit::{BANK_SERVICES, Bank, Deadline, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Connections of each of the three kinds. One is enough to keep the gateway busy; there are far more than ten times as many.
const EACH: &str = "80";
const SECONDS: &str = "15";
/// What a guard may take, in KiB: six times what an idle one takes here, where it is not optimised.
const RSS_KB_MAX: u64 = 160 << 10;

/// The guards by what they guard: process and the most memory that it ever had, in KiB.
fn guards(bank: &Bank) -> Option<BTreeMap<String, (u32, u64)>> {
    let mut all = BTreeMap::new();
    for service in BANK_SERVICES.iter().copied().chain(["gateway"]) {
        let [pid] = bank.up.find(&[&format!("bartizan-proxy --service {service} ")])[..] else { return None };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        all.insert(service.to_owned(), (pid, line.trim().strip_suffix(" kB")?.trim().parse().ok()?));
    }
    Some(all)
}

#[test]
fn ten_times_too_much_ends_no_guard_and_fills_no_memory() {
    let bank = Bank::start(&[]);
    let before = wait_for("all guards", Deadline::default(), || guards(&bank));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/overload.py");
    let address = bank.gateway.strip_prefix("https://").unwrap();
    let flood = Command::new("python3")
        .args([script, address])
        .arg(bank.up.ca())
        .args([EACH, SECONDS])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said: Value = serde_json::from_slice(&flood.wait_with_output().unwrap().stdout).unwrap();
    let after = wait_for("all guards", Deadline::default(), || guards(&bank));
    println!("{said}; before {before:?}, after {after:?} KiB");
    for kind in ["deaf", "slow", "eager"] {
        assert!(said["opened"][kind].as_u64().is_some_and(|count| count >= 20), "{kind}: {said}");
    }
    assert!(said["answers"]["404"].as_u64().is_some_and(|count| count > 100), "nobody was served meanwhile: {said}");
    for (service, (_, kb)) in &after {
        assert!(*kb < RSS_KB_MAX, "the guard of {service} had {kb} KiB, {RSS_KB_MAX} at most: {after:?}");
    }
    let pids = |all: &BTreeMap<String, (u32, u64)>| all.values().map(|(pid, _)| *pid).collect::<Vec<_>>();
    assert_eq!(pids(&before), pids(&after), "a guard ended and was started again\n{}", bank.up.log());
    let load = bank.load(&["--users", "2", "--accounts", "6", "--concurrency", "2", "--duration", "2"]);
    assert!(load.status.success(), "{load:?}");
}
