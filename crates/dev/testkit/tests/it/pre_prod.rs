//! Whether a fleet may go into production: every service is asked, and found in events and ledger, or named.

use bartizan_testkit::{Bank, binary};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A program that asks `users` for each request that it gets, and forgets whose request that was.
const FORGETFUL: &str = "import http.server, os, sys, urllib.request\n\
    class Relay(http.server.BaseHTTPRequestHandler):\n\
    \x20   def do_GET(self):\n\
    \x20       try:\n\
    \x20           urllib.request.urlopen(os.environ['USERS_URL'] + '/users/nobody', timeout=5).read()\n\
    \x20       except OSError:\n\
    \x20           pass\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', '0')\n\
    \x20       self.end_headers()\n\
    \x20   def log_message(self, *args):\n\
    \x20       pass\n\
    host, port = sys.argv[1].rsplit(':', 1)\n\
    http.server.ThreadingHTTPServer((host, int(port)), Relay).serve_forever()\n";

fn check(bank: &Bank, args: &[&str]) -> (Output, Value) {
    let mut check = Command::new(binary("bartizan"));
    check.args(["check", "pre-prod", "--json"]).args(args).arg(bank.folder().join("fleet.yaml"));
    let done = check.arg("--data").arg(bank.up.ca().parent().unwrap()).output().unwrap();
    let said = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (done, said)
}

fn service<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["services"].as_array().unwrap_or_else(|| panic!("{report}"));
    all.iter().find(|it| it["service"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn checks<'a>(report: &'a Value, name: &str, check: &str) -> Vec<&'a Value> {
    service(report, name)["checks"].as_array().unwrap().iter().filter(|it| it["check"] == check).collect()
}

fn evidence(check: &Value) -> &str {
    check["evidence"][0].as_str().unwrap_or_else(|| panic!("no evidence: {check}"))
}

fn edit(folder: &Path, old: &str, new: &str) {
    let file = folder.join("fleet.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(old), "{text}");
    std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
}

#[test]
fn a_fleet_that_tells_of_everything_passes_with_evidence_for_each_service() {
    let bank = Bank::start(&[]);
    // Nobody has called yet: what cannot be seen does not pass, and the way out is named.
    let (done, report) = check(&bank, &["--service", "payment"]);
    assert_eq!(done.status.code(), Some(1), "{report}");
    let unseen = checks(&report, "payment", "trace");
    assert_eq!(unseen.len(), 2, "one for each callee: {report}");
    assert!(unseen.iter().all(|it| it["standing"] == "unseen" && it["detail"].as_str().unwrap().contains("--ask")));

    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "20", "--concurrency", "2"]);
    assert!(load.status.success(), "{load:?}");
    let user = bank.call("POST", "/users", &["content-type: application/json"], Some("{\"name\":\"Ada\"}"));
    let owner = user.json()["id"].as_str().unwrap_or_else(|| panic!("{user:?}")).to_owned();
    let ask = format!("accounts: POST /accounts {{\"owner\":\"{owner}\",\"opening_cents\":100}}");
    let (done, report) = check(&bank, &["--ask", &ask]);
    assert_eq!(done.status.code(), Some(0), "{report:#}\n{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!((&report["passed"], report["services"].as_array().unwrap().len()), (&Value::Bool(true), 5));

    // Evidence is there for whoever looks: the way of each request, and the entries of the ledger.
    let entries = bank.up.say(&["audit", "show", "--json", "--limit", "1000"]);
    for it in report["services"].as_array().unwrap() {
        let name = it["service"].as_str().unwrap();
        let way: Value =
            serde_json::from_str(&bank.up.say(&["trace", it["request"].as_str().unwrap(), "--json"])).unwrap();
        let span = checks(&report, name, "span");
        let span = evidence(span.last().unwrap());
        assert!(way["steps"].as_array().unwrap().iter().any(|step| step["event"]["metadata"]["uid"] == span), "{way}");
        let denied = evidence(checks(&report, name, "denied")[0]);
        let leaf: usize = evidence(checks(&report, name, "ledger")[0]).parse().unwrap();
        let entry: Value = serde_json::from_str(entries.lines().nth(leaf).unwrap()).unwrap();
        assert_eq!(entry["metadata"]["uid"], denied, "entry {leaf} of the ledger is that refusal");
        assert_eq!(entry["unmapped"]["bartizan"]["service"], name);
        assert_eq!(checks(&report, name, "identities")[0]["standing"], "pass");
    }
    // The one that was asked for made its program call another within the same request.
    let asked = service(&report, "accounts")["request"].as_str().unwrap();
    let way = bank.up.say(&["trace", asked]);
    assert!(way.contains("users"), "{way}");
    let said = Command::new(binary("bartizan"))
        .args(["check", "pre-prod", "--service", "users"])
        .arg(bank.folder().join("fleet.yaml"))
        .arg("--data")
        .arg(bank.up.ca().parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("every service passed (1)"), "{text}");
}

#[test]
fn who_drops_the_trace_is_named_and_nobody_else() {
    let bank = Bank::start_with(&[], |folder| {
        std::fs::write(folder.join("relay.py"), FORGETFUL).unwrap();
        let port = bartizan_testkit::free_ports(1)[0];
        let relay = format!(
            "services:\n  relay:\n    run: [python3, relay.py, \"${{listen}}\"]\n    listen: 127.0.0.1:{port}\n    protocol: http\n    \
             owner: relays\n    data: [pii]\n    calls: [users]\n"
        );
        edit(folder, "services:\n", &relay);
        edit(folder, "\n  routes:\n", "\n  routes:\n    - { path: /relay/**, to: relay }\n");
    });
    let (done, report) = check(&bank, &["--service", "relay", "--service", "users"]);
    assert_eq!(done.status.code(), Some(1), "{report:#}");
    assert_eq!(service(&report, "users")["passed"], true, "{report:#}");
    let trace = checks(&report, "relay", "trace");
    assert_eq!(trace[0]["standing"], "fail", "{report:#}");
    assert!(trace[0]["detail"].as_str().unwrap().contains("`relay` drops `traceparent`"), "{report:#}");
    // Its call is there to be looked at, as the beginning of a trace of its own.
    let other = trace[0]["evidence"][1].as_str().unwrap();
    assert_ne!(other, service(&report, "relay")["request"].as_str().unwrap());
    assert!(bank.up.say(&["trace", other]).contains("users"));
    let others = service(&report, "relay")["checks"].as_array().unwrap().iter().filter(|it| it["check"] != "trace");
    assert!(others.clone().count() >= 5 && others.into_iter().all(|it| it["standing"] != "fail"), "{report:#}");
}

#[test]
fn who_cannot_be_seen_does_not_pass_and_says_why() {
    let bank = Bank::start_with(&[], |folder| {
        edit(folder, "\nservices:\n", "\nguards: [users, accounts, payment, transactions]\n\nservices:\n");
    });
    let (done, report) = check(&bank, &["--service", "notifications", "--service", "users"]);
    assert_eq!(done.status.code(), Some(1), "{report:#}");
    assert_eq!(service(&report, "users")["passed"], true, "{report:#}");
    let bare = service(&report, "notifications");
    assert_eq!((&bare["passed"], &bare["request"]), (&Value::Bool(false), &Value::Null));
    assert!(bare["checks"][0]["detail"].as_str().unwrap().contains("it has no guard"), "{report:#}");
    let (done, _) = check(&bank, &["--service", "nobody"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");

    let data = bank.up.ca().parent().unwrap().to_owned();
    let fleet = bank.folder().join("fleet.yaml");
    let mut bank = bank;
    assert!(bank.up.interrupt().success());
    let done = Command::new(binary("bartizan"))
        .args(["check", "pre-prod"])
        .arg(fleet)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2), "nobody could look: {done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("is not running"), "{done:?}");
}

#[test]
fn guards_that_tell_of_nothing_are_found() {
    let bank = Bank::start(&["--mode", "mtls"]);
    let (done, report) = check(&bank, &[]);
    assert_eq!((done.status.code(), &report["passed"]), (Some(1), &Value::Bool(false)), "{report:#}");
    for it in report["services"].as_array().unwrap() {
        assert!(it["checks"][0]["detail"].as_str().unwrap().contains("does not run in mode `full`"), "{it}");
    }
}
