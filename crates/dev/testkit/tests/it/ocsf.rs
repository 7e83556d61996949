//! Every record that a fleet writes is good by the published schema.

#[path = "../../../../base/core/tests/it/ocsf_schema.rs"]
mod ocsf_schema;

use bartizan_testkit::{Bank, Deadline, wait_for};
use ocsf_schema::Schema;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// Kinds that what is done here leads to. The others are held against the schema one by one, in the tests of `bartizan-core`.
const KINDS: [&str; 8] = ["request", "handshake", "refused", "config", "process", "identity", "person", "ended"];

#[test]
fn every_record_of_a_fleet_is_good_by_the_schema() {
    let bank = Bank::start(&[]);
    assert!(bank.load(&["--users", "2", "--accounts", "4", "--count", "50", "--concurrency", "4"]).status.success());
    bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    bank.call("PROPFIND", "/accounts/1", &[], None);
    bank.call("GET", "/accounts/../users", &[], None);
    // Over HTTP/2, which curl prefers, there is no such thing.
    let mut curl = Command::new("curl");
    curl.args(["--http1.1", "--silent", "--cacert"]).arg(bank.up.ca());
    curl.args(["--header", "content-length: 1", "--header", "transfer-encoding: chunked"]);
    let refused = curl.arg(format!("{}/accounts/1", bank.gateway)).output().unwrap();
    assert!(refused.status.success(), "{refused:?}");
    let mesh = bank.up.plan()["mesh"]["accounts"].as_str().unwrap().to_owned();
    bartizan_testkit::get(&format!("https://{mesh}/"), None);
    // A policy that is none, a service that is taken back, and somebody at the console.
    std::fs::write(bank.folder().join("policies/broken.cedar"), "forbid (").unwrap();
    assert!(!bank.up.cli(&["reload"]).status.success());
    std::fs::remove_file(bank.folder().join("policies/broken.cedar")).unwrap();
    bank.up.say(&["console", "link"]);
    bank.up.say(&["revoke", "transactions", "--reason", "a test"]);

    let schema = Schema::published();
    let records = wait_for("events of all these kinds", Deadline::default(), || {
        let lines = bank.up.say(&["events", "--all", "--json"]);
        let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seen: BTreeSet<&str> =
            records.iter().filter_map(|it| it["unmapped"]["bartizan"]["kind"].as_str()).collect();
        KINDS.iter().all(|kind| seen.contains(kind)).then_some(records)
    });
    for record in &records {
        assert_eq!(record["metadata"]["version"], schema.version());
        assert_eq!(schema.faults(record), Vec::<String>::new(), "{record:#}");
        let own = &record["unmapped"]["bartizan"];
        let decision_id = if own["decision"].is_null() { &Value::Null } else { &record["metadata"]["uid"] };
        assert_eq!(&own["decision_id"], decision_id, "{record:#}");
    }
    assert!(records.len() > 200, "{} records", records.len());
}
