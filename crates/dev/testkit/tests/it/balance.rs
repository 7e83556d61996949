//! What became of every event, also while guards and control are killed under load.

use bartizan_testkit::{Bank, Deadline, kill_hard, wait_for};
use serde_json::Value;
use std::process::Output;

/// Events of guards that either load makes more of, a count.
const TOLD: u64 = 100;

fn load(bank: &Bank, count: &str) -> Output {
    bank.load(&["--users", "2", "--accounts", "4", "--count", count, "--concurrency", "8"])
}

/// Every arrow, once guards told of what they sent, which they do once a second, the sums of all are equal and nothing is under way.
fn settled(bank: &Bank) -> Vec<Value> {
    wait_for("sums that are equal, and nothing under way", Deadline::default(), || {
        let said = bank.up.cli(&["balance", "--json"]);
        let balance: Value = serde_json::from_slice(&said.stdout).ok()?;
        let arrows = balance["arrows"].as_array()?.clone();
        let at_rest = |it: &Value| !it["arrow"].as_str().unwrap().starts_with("guard.") || it["waiting"] == 0;
        let told = stored(&arrows, "guard.") > TOLD;
        (said.status.success() && told && arrows.iter().all(at_rest)).then_some(arrows)
    })
}

fn stored(arrows: &[Value], begins: &str) -> u64 {
    let of = arrows.iter().filter(|it| it["arrow"].as_str().unwrap().starts_with(begins));
    of.map(|it| it["stored"].as_u64().unwrap()).sum()
}

#[test]
fn the_sums_stay_equal_while_guards_and_control_are_killed_under_load() {
    let bank = Bank::start(&[]);
    assert!(load(&bank, "100").status.success());
    let before = settled(&bank);
    // What guards say to be delivered is what control took in, beside its own and the supervisor's.
    let store = before.iter().find(|it| it["arrow"] == "control.store").unwrap();
    assert!(store["received"].as_u64().unwrap() >= stored(&before, "guard."), "{before:?}");

    std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&bank, "300"));
        let guard = bank.up.find_one(&["bartizan-proxy", "--service accounts"]);
        kill_hard(guard);
        let control = bank.up.find_one(&["bartizan control "]);
        kill_hard(control);
        wait_for("control to come back", Deadline::default(), || {
            let now = bank.up.find(&["bartizan control "]);
            (!now.contains(&control) && bank.up.status().is_some()).then_some(())
        });
        // Some of its calls failed with the guard; that is not what is counted here.
        let _ = loading.join();
    });
    bank.wait_attached("accounts");
    bank.wait_attached("gateway");
    settled(&bank);
    let metrics = bank.up.say(&["metrics"]);
    let missing: Vec<&str> = metrics.lines().filter(|line| line.starts_with("bartizan_arrow_missing{")).collect();
    assert!(missing.len() > 5 && missing.iter().all(|line| line.ends_with(" 0")), "{missing:?}");
}
