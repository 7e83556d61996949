//! Instances that come and go under load, and what a guard does about one that dies.

use bartizan_testkit::{Bank, Deadline, kill_hard, wait_for};
use serde_json::Value;
use std::path::Path;
use std::thread;

fn edit(fleet: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(fleet).unwrap();
    assert!(text.contains(from), "`{from}` is not in the fleet file");
    std::fs::write(fleet, text.replace(from, to)).unwrap();
}

/// Payment, which has no state but its journal, so many times.
fn bank(count: u32) -> Bank {
    Bank::start_with(&[], |folder| {
        let several = format!("  payment:\n    instances: {count}\n    zones: [a, b]\n");
        edit(&folder.join("fleet.yaml"), "  payment:\n", &several);
    })
}

/// The row of one instance in the status.
fn instance(bank: &Bank, number: u64) -> Option<Value> {
    let status = bank.up.status()?;
    let rows = status["proxies"].as_array()?;
    rows.iter().find(|row| row["service"] == "payment" && row["number"] == number).cloned()
}

fn calls(bank: &Bank, number: u64) -> u64 {
    instance(bank, number).map_or(0, |row| row["calls"].as_u64().unwrap_or(0))
}

fn nothing_failed(load: &std::process::Output) -> Value {
    let report: Value = serde_json::from_slice(&load.stdout).unwrap_or_else(|_| panic!("{load:?}"));
    assert!(load.status.success(), "{load:?}");
    for what in ["refused", "unresolved", "retries"] {
        assert_eq!(report[what], 0, "{report}");
    }
    assert_eq!(report["errors"].as_object().map(serde_json::Map::len), Some(0), "{report}");
    report
}

#[test]
fn instances_are_added_and_removed_under_load_and_no_request_fails() {
    let bank = bank(2);
    let load = thread::scope(|scope| {
        let load =
            scope.spawn(|| bank.load(&["--users", "4", "--accounts", "10", "--duration", "25", "--concurrency", "4"]));
        wait_for("both to get calls", Deadline::default(), || {
            (calls(&bank, 1) > 0 && calls(&bank, 2) > 0).then_some(())
        });
        edit(&bank.up.fleet, "instances: 2", "instances: 3");
        bank.up.say(&["reload"]);
        wait_for("the third to get calls", Deadline::default(), || (calls(&bank, 3) > 0).then_some(()));
        let third = bank.up.find_one(&["bartizan-proxy", "--service payment", "--instance 3"]);
        edit(&bank.up.fleet, "instances: 3", "instances: 1");
        bank.up.say(&["reload"]);
        wait_for("the others to be gone", Deadline::default(), || {
            let proxies = bank.up.find(&["bartizan-proxy", "--service payment"]);
            let programs = bank.up.find(&["bank payment"]);
            (proxies.len() == 1 && programs.len() == 1 && !proxies.contains(&third)).then_some(())
        });
        load.join().unwrap()
    });
    let report = nothing_failed(&load);
    println!("{} payments, none failed", report["done"]);
    assert!(instance(&bank, 2).is_none());
}

#[test]
fn a_killed_guard_of_one_instance_is_stepped_round() {
    let bank = bank(2);
    let answers =
        |count: usize| (0..count).filter(|_| bank.call("GET", "/payments/none", &[], None).status == 404).count();
    assert_eq!(answers(10), 10);
    let guard = bank.up.find_one(&["bartizan-proxy", "--service payment", "--instance 2"]);
    kill_hard(guard);
    assert_eq!(answers(30), 30, "{}", bank.up.log());
    wait_for("it to come back", Deadline::default(), || {
        instance(&bank, 2).filter(|row| row["attached"] == true).map(|_| ())
    });
}

#[test]
fn each_instance_has_a_network_of_its_own() {
    let bank = bank(2);
    let network = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    let mut networks: Vec<_> = bank.up.find(&["bank payment"]).into_iter().map(network).collect();
    networks.push(network(std::process::id()));
    networks.sort();
    networks.dedup();
    assert_eq!(networks.len(), 3, "two programs and this one: {networks:?}");
    let entered = bank.up.inside("payment.2", "true").output().unwrap();
    assert!(entered.status.success(), "{entered:?}");
    let stranger = bank.up.inside("payment.3", "true").output().unwrap();
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("`payment.3` has no network namespace"), "{stranger:?}");
}
