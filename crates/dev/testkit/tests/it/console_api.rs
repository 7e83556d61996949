//! The console's API answers as its description says: every endpoint of a whole fleet, judged by a validator that others wrote.

use bartizan_testkit::{Bank, Deadline, free_ports, wait_for};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Asks, and judges.
const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/console_api.py");

const OBJECTIVES: &str = "version: 1\nwhen_nothing: unknown\nobjectives:\n  - { indicator: M1, service: accounts, target: at least 99.95 %, window: 30d, owner: core-banking, why: money moves here, expires: 2099-03-31 }\n";
const RULES: &str = "version: 1\nrules:\n  - name: Denied\n    summary: \"{value} calls of {service} were denied\"\n    owner: core-banking\n    severity: high\n    urgency: ticket\n    runbook: https://wiki.bank.example/denied\n    when: { events: { class: request, outcome: denied }, at_least: 1, within: 1h }\n    labels: { team: core }\n";

fn from_root(path: &str) -> PathBuf {
    std::path::absolute(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(path)).unwrap()
}

/// A bank that has something to say at every endpoint: people, apps, rules, objectives, another trust domain, ways out. Nobody is at
/// `away`.
fn rich(folder: &Path, server: u16, away: u16) {
    let file = folder.join("fleet.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let users = "    owner: customer-care\n    data: [pii]\n";
    let egress = "    egress:\n      - { host: \"*.files.example\", ports: [443, 8443] }\n      - { host: updates.example, protocol: http, paths: [/v1/**] }\n      - { protocol: tcp, addresses: [203.0.113.7], ports: [5432] }\n";
    assert!(text.contains(users), "the bank's fleet file is another one");
    let more = format!(
        "objectives: slo.yaml\nalerts: alerts/\nauthorization:\n  listen: 127.0.0.1:{server}\n  issuer: https://localhost:{server}\n  people: {{}}\n  registration: {{ token_sha256: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef, scopes: [openid] }}\n\
         federation:\n  domains:\n    partner.test: {{ url: \"https://127.0.0.1:{away}/\", profile: https_web, roots: partner.pem, paths: [/svc/**] }}\n"
    );
    std::fs::write(&file, text.replacen(users, &format!("{users}{egress}"), 1) + &more).unwrap();
    std::fs::write(folder.join("slo.yaml"), OBJECTIVES).unwrap();
    std::fs::create_dir(folder.join("alerts")).unwrap();
    std::fs::write(folder.join("alerts/denied.yaml"), RULES).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=partner",
            "-days",
            "30",
        ])
        .args(["-keyout", "/dev/null", "-out"])
        .arg(folder.join("partner.pem"))
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn every_endpoint_answers_as_it_is_described() {
    let python = from_root("target/judges/bin/python");
    assert!(python.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", python.display());
    let ports = free_ports(2);
    let bank = Bank::start_with(&[], |folder| rich(folder, ports[0], ports[1]));
    let said = |args: &[&str]| -> Value {
        let output = bank.up.cli(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {output:?}"))
    };
    // Something allowed and something denied, so that there is an event, a request, an alert and a number of each.
    bank.call("GET", "/users/nobody", &[], None);
    let denied = wait_for("a denied call", Deadline::default(), || {
        let answer = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
        (answer.status == 403).then(|| answer.header("x-request-id").expect("it has a name").to_owned())
    });
    wait_for("it to be on record", Deadline::default(), || {
        bank.up.cli(&["explain", &denied, "--json"]).status.success().then_some(())
    });
    let link = said(&["console", "link", "--role", "administrator", "--name", "ana", "--json"])["link"].clone();
    let url = said(&["console", "status", "--json"])["url"].clone();
    let told = json!({
        "console": url, "link": link, "people": format!("https://localhost:{}", ports[0]), "ca": bank.up.ca(), "request": denied,
        "events": ["request", "config", "process", "identity", "person", "handshake"], "golden": from_root("crates/planes/control/openapi.json"),
    });
    let mut judge = Command::new(python)
        .arg(JUDGE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    let last: Value =
        serde_json::from_slice(output.stdout.trim_ascii().rsplit(|it| *it == b'\n').next().unwrap()).unwrap();
    assert!(last["judged"].as_u64() > Some(60) && last["judged"] == last["described"], "{last}");
}
