//! A policy that is tried out on the bank: it stops nothing, and everywhere it is told what it would have stopped.

use bartizan_testkit::{Bank, Deadline, wait_for};
use serde_json::Value;

const TRIED: &str = "@id(\"no-new-people\") @mode(\"shadow\") @reason(\"nobody may join\")\n\
    forbid (principal == Workload::\"gateway\", action == Action::\"write\", resource in Service::\"users\");\n";

fn json(bank: &Bank, args: &[&str]) -> Value {
    serde_json::from_str(&bank.up.say(args)).unwrap()
}

fn tried(bank: &Bank) -> Value {
    let status = json(bank, &["policies", "--json"]);
    let policies = status["policies"].as_array().unwrap();
    policies.iter().find(|it| it["id"] == "no-new-people").unwrap_or_else(|| panic!("{status}")).clone()
}

fn join(bank: &Bank) -> bartizan_testkit::Answer {
    bank.call("POST", "/users", &[], Some(r#"{"name":"Ada"}"#))
}

fn predicted_in_metrics(bank: &Bank) -> Vec<String> {
    let metrics = bank.up.say(&["metrics"]);
    metrics.lines().filter(|line| line.starts_with("bartizan_policy_predicted_total{")).map(str::to_owned).collect()
}

/// Writes the policy and waits until the guard of `users` has it.
fn put(bank: &Bank, text: &str) {
    let epoch = bank.up.status().unwrap()["epochs"]["policies"].as_u64().unwrap();
    std::fs::write(bank.folder().join("policies/tried.cedar"), text).unwrap();
    bank.up.say(&["reload"]);
    wait_for("the guard of users to have the policies", Deadline::default(), || {
        (bank.up.proxy("users")?["held"]["policies"].as_u64()? > epoch).then_some(())
    });
}

#[test]
fn a_policy_in_shadow_stops_nothing_at_the_bank_and_what_it_would_stop_is_seen() {
    let bank = Bank::start(&[]);
    // Without one, nobody predicts anything.
    assert_eq!(join(&bank).status, 201);
    assert_eq!(predicted_in_metrics(&bank), [""; 0]);

    // What may have been meant for a mode and is none stops the reload, since it would be enforced.
    std::fs::write(bank.folder().join("policies/tried.cedar"), TRIED.replace("shadow", "audit")).unwrap();
    let refused = bank.up.cli(&["reload"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("`@mode(\"audit\")` is unknown"), "{said}");
    assert_eq!(join(&bank).status, 201, "and nothing came of it");

    put(&bank, TRIED);
    let mut first = String::new();
    for _ in 0..3 {
        let answer = join(&bank);
        assert_eq!(answer.status, 201, "0 enforcement: {answer:?}");
        if first.is_empty() {
            first = answer.header("x-request-id").unwrap().to_owned();
        }
    }
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "20", "--concurrency", "2"]);
    assert!(load.status.success(), "all of the bank works as before: {load:?}");
    let calls = wait_for("the guard to have told its counts", Deadline::default(), || {
        let it = tried(&bank);
        // Three of ours, and two users whom the load makes.
        it["predicted"][0]["calls"].as_u64().filter(|calls| *calls >= 5)
    });

    // `bartizan policies`, and the API below it.
    let it = tried(&bank);
    let row = &it["predicted"][0];
    assert_eq!(it["shadow"], true, "{it}");
    assert!(row["from"] == "gateway" && row["to"] == "users" && row["verdict"] == "deny", "{it}");
    assert_eq!(it["predicted"].as_array().unwrap().len(), 1, "one edge, one row: {it}");
    let table = bank.up.say(&["policies"]);
    let line = "no-new-people would have denied ";
    assert!(table.contains("forbid (shadow)") && table.contains(line), "{table}");

    // Metrics, and no denial in them.
    let metrics = wait_for("both guards to have told", Deadline::default(), || {
        let metrics = predicted_in_metrics(&bank);
        let whole = |line: &String| line.ends_with(&format!("}} {calls}"));
        (metrics.iter().filter(|line| whole(line)).count() == 2).then_some(metrics)
    });
    // The gateway judges them first, and the guard of the service again; they are the same calls.
    for guard in ["gateway", "users"] {
        let labels = format!(
            "{{service=\"{guard}\",policy=\"no-new-people\",from=\"gateway\",to=\"users\",decision=\"deny\"}} {calls}"
        );
        assert!(metrics.iter().any(|line| line.ends_with(&labels)), "{labels}: {metrics:?}");
    }
    assert_eq!(metrics.len(), 2, "{metrics:?}");

    // Events: the prediction is one, and nothing was denied.
    let event = wait_for("the event", Deadline::default(), || {
        let text = bank.up.say(&["events", "--class", "predicted", "--json"]);
        text.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap())
    });
    let own = &event["unmapped"]["bartizan"];
    assert!(own["policy"] == "no-new-people" && own["predicted"] == "deny", "{event}");
    assert!(own["denial"] == false && own["from"] == "gateway" && own["to"] == "users", "{event}");
    let denied = bank.up.say(&["events", "--deny"]);
    assert!(!denied.contains("no-new-people"), "{denied}");
    let explained = bank.up.say(&["explain", &first]);
    assert!(explained.contains("policy no-new-people in shadow would have denied"), "{explained}");
    assert!(explained.contains("(in shadow, not enforced) at tried.cedar:1:1"), "{explained}");

    // Enforced, it does what was predicted.
    assert_eq!(calls, 5);
    put(&bank, &TRIED.replace("shadow", "enforce"));
    let answer = join(&bank);
    assert!(answer.status == 403 && answer.json()["reason"].to_string().contains("nobody may join"), "{answer:?}");
}
