//! Alerts from the fault to whoever has to know: a webhook, a real Alertmanager, a mail server; and back, by amtool.

use crate::support::{Place, Proxy, Running, service, wait_for};
use bartizan_core::alerts::{
    Acknowledge, Acknowledged, Alert, AlertsStatus, Rehearsal, Silence, Standing, Urgency, Window,
};
use bartizan_core::event::{Egress, Event, EventId, Judged, Outcome, Request, SeenBy, What};
use bartizan_core::snapshot::Epoch;
use bartizan_core::stats::{EdgeStats, ProxyStats};
use bartizan_core::{Action, Secret, Timestamp, Verdict};
use bartizan_runtime::ports::claim_loopback_ports;
use bartizan_tokens::signed::{Form, Message, Sender};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const RULES: &str = "version: 1
rules:
  - { name: Burst, summary: '{value} calls of {service} were denied', owner: security, severity: high, urgency: page,
      runbook: runbooks.md#burst, when: { events: { class: request, outcome: denied }, at_least: 5, within: 2s }, keep: 1s }
  - { name: PolicyViolations, summary: 'calls of {service} are denied', owner: security, severity: low, urgency: ticket,
      runbook: runbooks.md#few, when: { events: { class: request, outcome: denied }, at_least: 1, within: 2s }, keep: 1s }
";

/// Ends a program that this test started.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn port() -> u16 {
    claim_loopback_ports(1).unwrap().ports[0]
}

fn denied(n: u64) -> Event {
    let what = What::Request(Request {
        peer: Some("spiffe://bank.test/svc/payment".parse().unwrap()),
        to: service("accounts"),
        method: "GET".into(),
        path: "/accounts/7".into(),
        route: None,
        action: Action::Read,
        decision: Some(Judged { verdict: Verdict::Deny, policies: Vec::new(), reason: None, epoch: Epoch(1) }),
        status: 403,
        error: None,
        took_us: 700,
        added_us: 70,
        client: None,
        user: None,
        span: n + 1,
        parent_span: 0,
    });
    let at = Timestamp::from(SystemTime::now());
    Event { id: EventId(77, n), at, service: Some(service("accounts")), seen_by: SeenBy::Inbound, request: None, what }
}

/// A place with the rules above, and this beside the folder of rules under `alerts`.
pub(crate) fn place(more: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("alerts")).unwrap();
    place.write("alerts/own.yaml", RULES);
    place.write("hook", SECRET);
    place.edit_fleet("services:", &format!("alerts: {{ rules: alerts/{more} }}\nservices:"));
    place
}

pub(crate) async fn status(control: &Running) -> AlertsStatus {
    control.get("/v1/alerts").await
}

pub(crate) async fn firing(control: &Running, rule: &str) -> Option<Alert> {
    status(control).await.alerts.into_iter().find(|it| it.rule == rule && it.state == Standing::Firing)
}

pub(crate) async fn breach(proxy: &mut Proxy, batch: u64) -> Instant {
    let events: Vec<Event> = (0..10).map(|n| denied(batch * 1000 + n)).collect();
    let breached = Instant::now();
    proxy.deliver(batch, &events).await;
    breached
}

/// What a webhook got: fields and body, and when.
pub(crate) type Got = Arc<Mutex<Vec<(BTreeMap<String, String>, Vec<u8>, Instant)>>>;

/// A webhook that answers 503 to the first `failing` requests.
pub(crate) async fn hook(failing: usize) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, got) = (listener.local_addr().unwrap().port(), Got::default());
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            count += 1;
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.unwrap_or(0);
                bytes.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                    if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                        break (head.to_owned(), body.as_bytes().to_vec());
                    }
                }
                assert!(read > 0, "the request broke off: {text}");
            };
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            let status = if count <= failing { "503 Service Unavailable" } else { "204 No Content" };
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
                .await;
            seen.lock().unwrap().push((fields, body, Instant::now()));
        }
    });
    (port, got)
}

pub(crate) fn kinds(got: &Got) -> Vec<String> {
    let all = got.lock().unwrap();
    all.iter()
        .map(|(_, body, _)| serde_json::from_slice::<Value>(body).unwrap()["type"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_denials_reaches_a_webhook_signed_within_a_moment() {
    let (port, got) = hook(1).await;
    let place = place(&format!(
        ", routes: {{ pager: {{ webhook: 'http://127.0.0.1:{port}/hook', secret: hook, takes: page }} }}"
    ));
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let breached = breach(&mut proxy, 1).await;
    let alert = wait_for("the alert", async || firing(&control, "Burst").await).await;
    assert!(alert.count >= 5 && alert.title.contains("calls of accounts were denied"), "{alert:?}");
    assert_eq!((alert.service.as_deref(), alert.owner.as_str()), (Some("accounts"), "security"));
    assert!(alert.changes.iter().any(|it| it.what.contains("published")), "what was changed before: {alert:?}");
    wait_for("the page, at the second try", async || (kinds(&got).len() >= 2).then_some(())).await;
    let (fields, body, at) = got.lock().unwrap()[1].clone();
    println!(
        "alert out {} ms after the breach, the first try at {} ms",
        at.duration_since(breached).as_millis(),
        got.lock().unwrap()[0].2.duration_since(breached).as_millis()
    );
    assert!(
        got.lock().unwrap()[0].2.duration_since(breached) < Duration::from_secs(10),
        "{:?}",
        got.lock().unwrap()[0].2.duration_since(breached)
    );
    let first = got.lock().unwrap()[0].0["webhook-id"].clone();
    assert_eq!(first, fields["webhook-id"], "the same name at each try");

    // As a receiver does it.
    let sender = Sender::read(Form::parse("standard"), &Secret::new(SECRET.to_owned())).unwrap();
    let field = |name: &str| fields.get(name).map(|it| vec![it.as_bytes()]).unwrap_or_default();
    let message =
        Message { method: "POST", scheme: "http", authority: "x", target: "/hook", field: &field, body: &body };
    let now = Timestamp::from(SystemTime::now());
    sender.verify(&message, now, Duration::from_secs(60)).unwrap();
    let text: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&text["type"], &text["data"]["alerts"][0]["rule"]), (&"alert.page".into(), &"Burst".into()), "{text}");

    // It is over once nobody is denied any more, and that is told too; tickets are for others.
    wait_for("the end", async || kinds(&got).contains(&"alert.resolved".to_owned()).then_some(())).await;
    assert!(!kinds(&got).contains(&"alert.ticket".to_owned()));
    // Every step is an event, and in the ledger.
    let events =
        wait_for("the steps of both", async || Some(control.events("?class=alert").await).filter(|it| it.len() >= 4))
            .await;
    let steps: Vec<&str> = events.iter().filter_map(|it| it["unmapped"]["bartizan"]["step"].as_str()).collect();
    assert!(steps.contains(&"started") && steps.contains(&"ended"), "{steps:?}");
    assert!(events.iter().all(|it| it["class_uid"] == 2004), "{events:?}");
    let ledger = place.data().join("ledger");
    let mut entries = 0;
    bartizan_ledger::read(&ledger, |_, piece| {
        if let bartizan_ledger::Piece::Entry(entry) = piece
            && matches!(bartizan_events::record::read_bytes(entry).unwrap().event.what, What::Alert(_))
        {
            entries += 1;
        }
    })
    .unwrap();
    assert!(entries >= 4, "{entries} entries of alerts in the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escalation_says_how_far_why_and_after_which_changes() {
    let (port, got) = hook(0).await;
    let place = place(&format!(
        ", escalate_after: 8s, routes: {{ pager: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook, takes: page }} }}"
    ));
    place.write("alerts/own.yaml", &RULES.replace("within: 2s", "within: 10m"));
    let control = Running::start(&place).await;
    place.write("policies/night.cedar", "forbid (principal == Workload::\"payment\", action, resource);");
    control.reload().await.unwrap();
    let mut proxy = control.proxy_of("accounts").await;
    let edge = EdgeStats { calls: 1000, denied: 100, ..EdgeStats::default() };
    proxy.send_stats(&ProxyStats { inbound: [("payment".to_owned(), edge)].into(), ..ProxyStats::default() }).await;
    wait_for("what was counted", async || control.text("/v1/indicators").await.contains("\"bad\":100").then_some(()))
        .await;
    breach(&mut proxy, 1).await;
    wait_for("the escalation", async || kinds(&got).contains(&"alert.escalation".to_owned()).then_some(())).await;
    let all = got.lock().unwrap().clone();
    let mut bodies = all.iter().map(|(_, body, _)| serde_json::from_slice::<Value>(body).unwrap());
    let escalation = bodies.rfind(|it| it["type"] == "alert.escalation").unwrap();
    let evidence = &escalation["data"]["evidence"];
    let sli = evidence["slis"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["indicator"] == "M3" && it["place"] == "accounts")
        .unwrap();
    assert_eq!(
        (&sli["place"], &sli["target"], &sli["is_success"]),
        (&"accounts".into(), &"below 0.1 %".into(), &false.into())
    );
    assert!((sli["windows"][0]["share"].as_f64().unwrap() - 0.1).abs() < 1e-9, "{sli}");
    assert!(sli["budget"]["left"].as_f64().unwrap() < -90.0 && sli["burns"][0]["alight"] == true, "{sli}");
    assert!((sli["burns"][0]["rate"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{sli}");
    let cause = &evidence["causes"][0];
    assert_eq!(
        (cause["count"].as_u64(), &cause["class"], &cause["reason"], &cause["from"], &cause["service"]),
        (Some(10), &"request".into(), &"no policy permits it".into(), &"payment".into(), &"accounts".into()),
        "{evidence}"
    );
    let changes = evidence["changes"].as_array().unwrap();
    assert!((1..=5).contains(&changes.len()), "{changes:?}");
    assert!(
        changes[0]["what"].as_str().unwrap().starts_with("policies epoch 2 published"),
        "the newest first: {changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_took_notice_and_who_was_told_outlives_control() {
    let (port, got) = hook(0).await;
    let place = place(&format!(", routes: {{ pager: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook }} }}"));
    place.write("alerts/own.yaml", &RULES.replace("within: 2s", "within: 10m"));
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;
    wait_for("page and ticket", async || (kinds(&got).len() == 2).then_some(())).await;
    let unknown: Result<Acknowledged, _> =
        control.post("/v1/alerts/acknowledge", &Acknowledge { id: "a99".into(), note: None }).await;
    assert!(unknown.unwrap_err().to_string().contains("a99"));
    let group = firing(&control, "Burst").await.unwrap().group;
    let done: Acknowledged =
        control.post("/v1/alerts/acknowledge", &Acknowledge { id: group, note: Some("on it".into()) }).await.unwrap();
    assert_eq!(done.ids.len(), 2, "{done:?}");
    let silence = Silence { services: vec![service("accounts")], rule: None, for_s: 600, why: "disk".into() };
    let window: Window = control.post("/v1/alerts/silence", &silence).await.unwrap();
    let nobody = Silence { services: vec![service("nobody")], ..silence.clone() };
    let refused: Result<Window, _> = control.post("/v1/alerts/silence", &nobody).await;
    assert!(refused.unwrap_err().to_string().contains("no service `nobody`"));
    wait_for("the silence", async || firing(&control, "Burst").await.filter(|it| it.silenced_by.is_some())).await;
    assert!(firing(&control, "PolicyViolations").await.unwrap().silenced_by.is_none(), "tickets go on");
    control.stop().await;

    let control = Running::start(&place).await;
    let again = firing(&control, "Burst").await.expect("it is there before anything is measured");
    assert_eq!(again.note.as_deref(), Some("on it"));
    assert!(again.silenced_by.is_some() && again.acknowledged_by.is_some(), "{again:?}");
    assert!(status(&control).await.windows.iter().any(|it| it.id == window.id && it.active));
    let mut proxy = proxy.come_back(&control).await;
    breach(&mut proxy, 2).await;
    let more = wait_for("what came after", async || firing(&control, "Burst").await.filter(|it| it.count >= 20)).await;
    assert_eq!((more.id, kinds(&got).len()), (again.id, 2), "nobody is told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_rule_changes_nothing_and_another_one_counts_at_once() {
    let place = place("");
    let control = Running::start(&place).await;
    let rules = async || status(&control).await.rules.len();
    let before = rules().await;
    place.write("alerts/own.yaml", &RULES.replace("owner: security, severity: low", "severity: low"));
    let (_, why) = control.reload().await.unwrap_err();
    assert!(why.contains("alerts/own.yaml:5:") && why.contains("owner: is missing"), "{why}");
    assert_eq!(rules().await, before);
    place.write("alerts/own.yaml", &RULES.replace("name: PolicyViolations", "name: GuardMissing"));
    control.reload().await.unwrap();
    assert_eq!(rules().await, before, "in the place of one of the product's, of which another is back");
    let own = status(&control).await.rules.into_iter().find(|it| it.name == "GuardMissing").unwrap();
    assert!(own.place.contains("own.yaml"), "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_rules_were_rehearsed_is_remembered_until_they_say_something_else() {
    let place = place("");
    let control = Running::start(&place).await;
    let before = status(&control).await.rehearsals;
    assert!(before.len() > 20 && before.iter().all(|it| it.at.is_none() && it.overdue), "{before:?}");
    let done: Vec<Rehearsal> = control.post("/v1/alerts/rehearse", &serde_json::json!({})).await.unwrap();
    assert_eq!(done.len(), before.len());
    assert!(done.iter().all(|it| it.wrong.is_none() && !it.overdue && it.told_after_s.is_some()), "{done:?}");
    assert!(status(&control).await.alerts.is_empty(), "nobody is told");
    control.stop().await;
    let control = Running::start(&place).await;
    assert_eq!(status(&control).await.rehearsals, done, "it outlives control");
    place.write("alerts/own.yaml", &RULES.replace("at_least: 5", "at_least: 6"));
    control.reload().await.unwrap();
    let after = status(&control).await.rehearsals;
    let overdue: Vec<&str> = after.iter().filter(|it| it.overdue).map(|it| it.rule.as_str()).collect();
    assert_eq!(overdue, ["Burst"]);
}

fn alertmanager(dir: &Path, port: u16) -> Ended {
    std::fs::write(dir.join("am.yml"), "route: { receiver: none }\nreceivers: [{ name: none }]\n").unwrap();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", dir.join("am.yml").display()))
        .arg(format!("--storage.path={}", dir.join("am").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(child.expect("prometheus-alertmanager is installed; see xtask/needs.sh"))
}

async fn amtool(port: u16, args: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::new("amtool");
    command
        .arg(format!("--alertmanager.url=http://127.0.0.1:{port}"))
        .arg("--no-version-check")
        .args(args)
        .env("HOME", "/nonexistent");
    let output = command.output().await.expect("amtool is installed; see xtask/needs.sh");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_has_what_is_there_and_loses_what_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let at = port();
    let _alertmanager = alertmanager(dir.path(), at);
    wait_for("the alertmanager", async || amtool(at, &["alert", "query"]).await.0.then_some(())).await;
    let place = place(&format!(", routes: {{ am: {{ alertmanager: 'http://127.0.0.1:{at}' }} }}"));
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;
    let query = async |filter: &str| amtool(at, &["alert", "query", filter, "-o", "json"]).await.1;
    let text = wait_for("the alert there", async || {
        let text = query("alertname=Burst").await;
        text.contains("accounts").then_some(text)
    })
    .await;
    let alerts: Value = serde_json::from_str(&text).unwrap();
    let labels = &alerts[0]["labels"];
    for (name, value) in [("service", "accounts"), ("severity", "high"), ("urgency", "page"), ("owner", "security")] {
        assert_eq!(labels[name], value, "{text}");
    }
    assert_eq!(alerts[0]["annotations"]["runbook"], "runbooks.md#burst");
    wait_for("its end there", async || (query("alertname=Burst").await.trim() == "[]").then_some(())).await;
    let routes = status(&control).await.routes;
    assert!(routes[0].sent > 0 && routes[0].failed == 0, "{routes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn amtool_and_a_prometheus_find_here_what_they_expect() {
    let at = port();
    let place = place(&format!(", listen: '127.0.0.1:{at}'"));
    let control = Running::start(&place).await;
    wait_for("the door", async || amtool(at, &["alert", "query"]).await.0.then_some(())).await;
    let (done, text) = amtool(
        at,
        &["alert", "add", "DiskFull", "service=ledger", "severity=critical", "--annotation=summary=it is full"],
    )
    .await;
    assert!(done, "{text}");
    let alert = wait_for("the alert from outside", async || firing(&control, "DiskFull").await).await;
    assert_eq!((alert.summary.as_str(), alert.service.as_deref()), ("it is full", Some("ledger")), "{alert:?}");
    let (done, text) = amtool(at, &["alert", "query", "service=ledger"]).await;
    assert!(done && text.contains("DiskFull"), "{text}");
    let (_, text) = amtool(at, &["alert", "query", "service=accounts"]).await;
    assert!(!text.contains("DiskFull"), "{text}");

    let (done, id) =
        amtool(at, &["silence", "add", "service=~led.*", "--comment=disk", "--duration=1h", "--author=me"]).await;
    assert!(done, "{id}");
    let id = id.trim();
    wait_for("the silence", async || {
        firing(&control, "DiskFull")
            .await
            .and_then(|it| it.silenced_by)
            .filter(|why| why.contains("as they say"))
            .map(drop)
    })
    .await;
    let (_, text) = amtool(at, &["alert", "query"]).await;
    assert!(!text.contains("DiskFull"), "silenced: {text}");
    let (_, text) = amtool(at, &["alert", "query", "--silenced"]).await;
    assert!(text.contains("DiskFull"), "{text}");
    let (_, text) = amtool(at, &["silence", "query"]).await;
    assert!(text.contains(id), "{text}");
    let (done, text) = amtool(at, &["silence", "expire", id]).await;
    assert!(done, "{text}");
    wait_for("its end", async || firing(&control, "DiskFull").await.filter(|it| it.silenced_by.is_none())).await;
    // What cannot be read is refused whole, and a page of a browser cannot act.
    let json = ["host: 127.0.0.1", "content-type: application/json"];
    for (matchers, ends) in [
        (r#"[{"name":"service","value":"(","isRegex":true}]"#, "2099-01-01T00:00:00Z"),
        (r#"[{"name":"service","value":".*","isRegex":true}]"#, "2026-01-02T00:00:00Z"),
        ("[]", "2026-01-02T00:00:00Z"),
    ] {
        let body = format!(
            r#"{{"matchers":{matchers},"startsAt":"2026-01-01T00:00:00Z","endsAt":"{ends}","createdBy":"me","comment":"c"}}"#
        );
        assert_eq!(posted(at, "/api/v2/silences", &json, &body).await, 400, "{body}");
    }
    for (fields, body, expected) in [
        (vec!["host: 127.0.0.1", "content-type: application/json"], "[{}]", 400),
        (vec!["host: 127.0.0.1", "content-type: application/json"], "[{\"labels\":{}}]", 400),
        (vec!["host: 127.0.0.1", "content-type: text/plain"], "[]", 415),
        (vec!["host: rebound.example", "content-type: application/json"], "[]", 403),
    ] {
        assert_eq!(posted(at, "/api/v2/alerts", &fields, body).await, expected, "{fields:?} {body}");
    }
    let events = control.events("?class=alert").await;
    let steps: Vec<&str> = events.iter().filter_map(|it| it["unmapped"]["bartizan"]["step"].as_str()).collect();
    assert!(steps.contains(&"silenced") && steps.contains(&"unsilenced"), "{steps:?}");
}

async fn posted(port: u16, path: &str, fields: &[&str], body: &str) -> u16 {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let fields: String = fields.iter().map(|it| format!("{it}\r\n")).collect();
    let head =
        format!("POST {path} HTTP/1.1\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_nobody_else_sees_or_silences_anything() {
    let at = port();
    let place = place(&format!(", listen: '127.0.0.1:{at}', token: am.token"));
    place.write("am.token", "0123456789abcdef0123456789abcdef\n");
    let _control = Running::start(&place).await;
    let json = "content-type: application/json";
    wait_for("the door", async || tokio::net::TcpStream::connect(("127.0.0.1", at)).await.ok()).await;
    for (field, expected) in [
        ("authorization: Bearer 0123456789abcdef0123456789abcdef", 200),
        ("authorization: Bearer 0123456789abcdef0123456789abcdee", 401),
        ("x-none: 1", 401),
    ] {
        assert_eq!(posted(at, "/api/v2/alerts", &["host: am.bank.test", json, field], "[]").await, expected, "{field}");
    }
    place.write("am.token", "short\n");
    let short = posted(at, "/api/v2/alerts", &["host: am.bank.test", json, "authorization: Bearer short"], "[]").await;
    assert_eq!(short, 401, "a token that can be guessed is none");
}

/// The end of a connection from `accounts` to `to`, over which so much went out.
fn sent(n: u64, to: &str, bytes_up: u64) -> Event {
    let what = What::Egress(Egress {
        host: Some(to.into()),
        address: None,
        port: 443,
        protocol: "https".into(),
        outcome: Outcome::Closed,
        first: true,
        learned: false,
        bytes_up,
        bytes_down: 10,
        took_us: 9,
        error: None,
    });
    let at = Timestamp::from(SystemTime::now());
    Event { id: EventId(78, n), at, service: Some(service("accounts")), seen_by: SeenBy::Outbound, request: None, what }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_to_a_new_place_page_somebody_with_its_name() {
    let (port, got) = hook(0).await;
    let place =
        place(&format!(", routes: {{ pager: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook, takes: page }} }}"));
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    proxy.deliver(1, &[sent(1, "api.bank.example", 2_000_000)]).await;
    wait_for("the first of it", async || control.text("/v1/egress").await.contains("api.bank.example").then_some(()))
        .await;
    assert!(firing(&control, "ExfiltrationBurst").await.is_none(), "two megabytes are no attack");
    let planted = Instant::now();
    let pieces: Vec<Event> = (2..22).map(|n| sent(n, "evil.example", 5_000_000)).collect();
    proxy.deliver(2, &pieces).await;
    let alert = wait_for("the alert", async || firing(&control, "ExfiltrationBurst").await).await;
    assert!(alert.summary.contains("most of it to evil.example:443") && alert.value > 5e7, "{alert:?}");
    wait_for("the page", async || kinds(&got).contains(&"alert.page".to_owned()).then_some(())).await;
    let after = got.lock().unwrap()[0].2.duration_since(planted);
    println!("100 MB to a new place: paged after {} ms", after.as_millis());
    assert!(after < Duration::from_secs(120), "{after:?}");
    control.stop().await;
    let control = Running::start(&place).await;
    assert!(firing(&control, "ExfiltrationBurst").await.is_some());
    let mut proxy = proxy.come_back(&control).await;
    // What was sent before counts with what is sent after: ten minutes are not over.
    proxy.deliver(3, &[sent(30, "evil.example", 1_000_000)]).await;
    let more =
        wait_for("both", async || firing(&control, "ExfiltrationBurst").await.filter(|it| it.value >= 1.03e8)).await;
    assert_eq!(more.id, alert.id);
}

/// A Prometheus that looks at `target` every second, tells `alerts` that it is down, and nothing else.
fn prometheus(dir: &Path, web: u16, target: u16, alerts: u16) -> Ended {
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
         rule_files: [rules.yml]\n\
         alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{alerts}'] }}] }}] }}\n\
         scrape_configs: [{{ job_name: it, static_configs: [{{ targets: ['127.0.0.1:{target}'] }}] }}]\n"
    );
    let rules = "groups:\n  - name: g\n    rules:\n      - alert: TargetDown\n        expr: up{job='it'} == 0\n\
        \x20       labels: { severity: critical, service: accounts, owner: platform, team: core }\n\
        \x20       annotations: { summary: 'target {{ $labels.instance }} is down', runbook_url: 'https://wiki.bank.example/down' }\n";
    std::fs::write(dir.join("prometheus.yml"), config).unwrap();
    std::fs::write(dir.join("rules.yml"), rules).unwrap();
    let child = Command::new("prometheus")
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=tsdb")
        .arg(format!("--web.listen-address=127.0.0.1:{web}"))
        .arg("--rules.alert.resend-delay=1s")
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(child.expect("prometheus is installed; see xtask/needs.sh"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_tells_of_its_alert_and_of_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let claimed = claim_loopback_ports(3).unwrap();
    let [at, web, target] = [claimed.ports[0], claimed.ports[1], claimed.ports[2]];
    let (hook, got) = hook(0).await;
    let place = place(&format!(
        ", listen: '127.0.0.1:{at}', routes: {{ pager: {{ webhook: 'http://127.0.0.1:{hook}/', secret: hook, takes: page }} }}"
    ));
    let control = Running::start(&place).await;
    let _prometheus = prometheus(dir.path(), web, target, at);
    let alert = wait_for("its alert", async || firing(&control, "TargetDown").await).await;
    assert_eq!(
        (alert.service.as_deref(), alert.owner.as_str(), alert.severity.as_str(), alert.urgency),
        (Some("accounts"), "platform", "critical", Urgency::Page)
    );
    assert_eq!(
        (alert.title.as_str(), alert.runbook.as_str()),
        (format!("target 127.0.0.1:{target} is down").as_str(), "https://wiki.bank.example/down")
    );
    assert_eq!((alert.labels["team"].as_str(), alert.labels["job"].as_str()), ("core", "it"), "{:?}", alert.labels);
    // It says so again and again: that is one alert with a count, and one page.
    let again =
        wait_for("that it repeats it", async || firing(&control, "TargetDown").await.filter(|it| it.count >= 3)).await;
    assert_eq!(again.id, alert.id);
    wait_for("the page", async || kinds(&got).contains(&"alert.page".to_owned()).then_some(())).await;

    let listener = TcpListener::bind(("127.0.0.1", target)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: 5\r\nconnection: close\r\n\r\nit 1\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let ended = wait_for("its end", async || {
        status(&control).await.alerts.into_iter().find(|it| it.id == alert.id && it.state == Standing::Resolved)
    })
    .await;
    assert!(ended.ended.is_some_and(|end| end > alert.since), "{ended:?}");
    wait_for("that it is told", async || kinds(&got).contains(&"alert.resolved".to_owned()).then_some(())).await;
    assert_eq!(kinds(&got), ["alert.page", "alert.resolved"]);
}

/// A mail server that nobody here wrote.
const MAIL: &str = "import asyncio, sys\n\
    from aiosmtpd.controller import Controller\n\
    class It:\n\
    \x20   async def handle_DATA(self, server, session, envelope):\n\
    \x20       open(sys.argv[2], 'ab').write(repr(envelope.rcpt_tos).encode() + b'\\n' + envelope.content + b'\\n=====\\n')\n\
    \x20       return '250 OK'\n\
    Controller(It(), hostname='127.0.0.1', port=int(sys.argv[1])).start()\n\
    asyncio.new_event_loop().run_forever()\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_comes_by_mail() {
    let (at, dir) = (port(), tempfile::tempdir().unwrap());
    let (script, mails) = (dir.path().join("mail.py"), dir.path().join("mails"));
    std::fs::write(&script, MAIL).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin/python");
    let child = Command::new(&python).arg(&script).arg(at.to_string()).arg(&mails).stdout(Stdio::null()).spawn();
    let _server =
        Ended(child.unwrap_or_else(|error| panic!("{}: {error}; run `sh xtask/judges.sh`", python.display())));
    wait_for("the mail server", async || tokio::net::TcpStream::connect(("127.0.0.1", at)).await.ok()).await;
    let route = format!(
        ", routes: {{ desk: {{ email: [a@bank.example, b@bank.example], from: bartizan@bank.example, relay: '127.0.0.1:{at}', takes: ticket }} }}"
    );
    let place = place(&route);
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;
    let text =
        wait_for("the mail", async || std::fs::read_to_string(&mails).ok().filter(|text| text.contains("====="))).await;
    assert!(
        text.contains("['a@bank.example', 'b@bank.example']") && text.contains("From: bartizan@bank.example"),
        "{text}"
    );
    let body = text.split("\r\n\r\n").nth(1).unwrap().split("\n=====").next().unwrap();
    let body: String = body.split_whitespace().collect();
    let body = String::from_utf8(bartizan_crypto::base64::decode(&body).unwrap()).unwrap();
    assert!(body.contains("PolicyViolations (low, ticket)") && body.contains("runbook  runbooks.md#few"), "{body}");
    assert!(!body.contains("Burst"), "pages go elsewhere: {body}");
    let routes = status(&control).await.routes;
    assert_eq!((routes[0].name.as_str(), routes[0].failed), ("desk", 0), "{routes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_goes_is_told_of_and_what_follows_from_it_is_not() {
    let place = place("");
    let rules = "version: 1\nrules:\n\
        \x20 - { name: Gone, summary: '{service} is gone', owner: o, severity: high, urgency: page, runbook: r.md#gone, keep: 1s,\n\
        \x20     when: { measure: guard_silent_s, above: 1 }, services: [accounts], away: true }\n\
        \x20 - { name: Fails, summary: '{service} fails', owner: o, severity: high, urgency: page, runbook: r.md#fails, keep: 1s,\n\
        \x20     when: { ratio: M3, above: 10 %, at_least: 10, within: 1h }, services: [payment, ledger], symptom: true }\n";
    place.write("alerts/own.yaml", rules);
    let control = Running::start(&place).await;
    let accounts = control.proxy_of("accounts").await;
    let mut callers = Vec::new();
    for name in ["payment", "ledger"] {
        let caller = control.proxy_of(name).await;
        let edge = EdgeStats { calls: 100, denied: 50, ..EdgeStats::default() };
        caller.send_stats(&ProxyStats { inbound: [("x".to_owned(), edge)].into(), ..ProxyStats::default() }).await;
        callers.push(caller);
    }
    drop(accounts);
    wait_for("the guard that went", async || firing(&control, "Gone").await).await;
    // `payment` calls accounts; `ledger` does not.
    let muted = wait_for("both of the others", async || {
        let all = status(&control).await;
        let fails: Vec<Alert> =
            all.alerts.into_iter().filter(|it| it.rule == "Fails" && it.silenced_by.is_some()).collect();
        let told = firing(&control, "Fails").await.is_some();
        (told && !fails.is_empty()).then_some(fails)
    })
    .await;
    let muted: Vec<_> = muted.into_iter().map(|it| (it.place, it.silenced_by.unwrap_or_default())).collect();
    assert!(
        muted.iter().all(|(place, why)| place.contains("payment") && why.starts_with("accounts is away")),
        "{muted:?}"
    );
    let ledger = status(&control).await.alerts.into_iter().find(|it| it.rule == "Fails" && it.place == "ledger");
    assert!(ledger.as_ref().is_some_and(|it| it.silenced_by.is_none()), "{ledger:?}");
    let _back = control.proxy_of("accounts").await;
    wait_for("its end", async || firing(&control, "Gone").await.is_none().then_some(())).await;
    wait_for("what is no consequence any more", async || {
        let all = status(&control).await;
        all.muted.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_snapshot_is_an_alert_of_the_product_until_it_is_taken_up() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    place.write("policies/night.cedar", "forbid (principal == Workload::\"payment\", action, resource);");
    control.reload().await.unwrap();
    let (kind, epoch, _) = proxy.snapshot(&control).await;
    proxy.ack(kind, epoch, "cannot be read").await;
    let alert = wait_for("the alert", async || firing(&control, "SnapshotRefused").await).await;
    assert_eq!(
        (alert.service.as_deref(), alert.runbook.as_str()),
        (Some("accounts"), "docs/manual/runbooks.md#snapshotrefused")
    );
    proxy.ack(kind, epoch, "").await;
    wait_for("its end", async || firing(&control, "SnapshotRefused").await.is_none().then_some(())).await;
}
