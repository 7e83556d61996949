//! Reports of weeks: control writes them by its clock, and whoever asks later reads what was written then.

use bartizan_testkit::{Bank, Deadline, wait_for};
use serde_json::Value;
use std::time::Duration;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn report(bank: &Bank, week: &str) -> Option<Value> {
    let out = bank.up.cli(&["report", "--week", week, "--json"]);
    out.status.success().then(|| serde_json::from_slice(&out.stdout).unwrap())
}

/// How often the policy of the bank that forbids it denied, in a report: that week and the one before.
fn denied(report: &Value) -> (u64, u64) {
    let rows = report["policies"].as_array().unwrap();
    let row = rows.iter().find(|it| it["policy"].as_str().is_some_and(|it| it.contains("no-direct-transfers")));
    row.map_or((0, 0), |it| (it["denied"]["now"].as_u64().unwrap(), it["denied"]["before"].as_u64().unwrap()))
}

fn attempts(report: &Value, key: &str) -> u64 {
    let rows = report["denials"].as_array().unwrap();
    rows.iter().filter(|it| it["service"] == "gateway").map(|it| it["attempts"][key].as_u64().unwrap()).sum()
}

/// The report of `week` once it is among the archived ones.
fn archived(bank: &Bank, week: &str) -> Value {
    wait_for(&format!("the report of {week}"), Deadline(Duration::from_secs(120)), || {
        report(bank, week).filter(|it| it["archived"].as_array().unwrap().iter().any(|it| it == week))
    })
}

#[test]
fn a_week_that_is_over_is_reported_beside_the_one_before() {
    let (bank, clock) = Bank::start_by_clock();
    for wrong in ["2026-48", "next", "1999-W01"] {
        let refused = bank.up.cli(&["report", "--week", wrong]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && (said.contains("expected a week") || said.contains("no report")),
            "{said}"
        );
    }
    for _ in 0..3 {
        assert_eq!(bank.call("POST", "/accounts/transfers", &[], Some("{}")).status, 403);
    }
    let running = wait_for("the denials of the running week", Deadline::default(), || {
        report(&bank, "current").filter(|it| denied(it).0 >= 3 && attempts(it, "now") >= 3)
    });
    assert_eq!((running["is_whole"].as_bool(), denied(&running).1), (Some(false), 0), "{running:#}");
    assert_eq!(running["archived"], serde_json::json!([]), "nothing is over yet");
    let first = running["week"].as_str().unwrap().to_owned();
    let no_source = running["no_source"].as_array().unwrap();
    assert!(no_source.iter().any(|it| it.as_str().unwrap().starts_with("M5")), "{no_source:?}");

    clock.set_ahead(WEEK);
    let over = archived(&bank, &first);
    assert_eq!(over["is_whole"], true, "{over:#}");
    assert_eq!((denied(&over), attempts(&over, "now")), ((3, 0), attempts(&running, "now")), "{over:#}");
    let m8 =
        over["indicators"].as_array().unwrap().iter().find(|it| it["id"] == "M8" && it["place"] == "fleet").unwrap();
    assert!(m8["bad"]["now"].as_u64().unwrap() >= 3, "{m8}");
    let file = bank.up.data.join(format!("weekly/{first}.json"));
    let written = std::fs::read(&file).unwrap();

    clock.set_ahead(2 * WEEK);
    let second = wait_for("the week behind it", Deadline(Duration::from_secs(120)), || {
        report(&bank, "last").filter(|it| it["week"] != first.as_str() && it["archived"].as_array().unwrap().len() == 2)
    });
    assert_eq!((denied(&second), attempts(&second, "now")), ((0, 3), 0), "nothing was denied in it: {second:#}");
    assert_eq!(std::fs::read(&file).unwrap(), written, "what was archived stays as it was written");
    let told = bank.up.say(&["report", "--week", &first]);
    assert!(told.contains("Denials by policy") && told.contains("no-direct-transfers"), "{told}");
    assert!(told.contains("3 (+3)"), "{told}");
}
