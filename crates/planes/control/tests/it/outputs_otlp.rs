//! What the output to OTLP sends, read by the types that the OpenTelemetry project itself generates: nothing unknown, nothing missing.

use crate::support::{Background, Place, Running, judge, wait_for};
use bartizan_runtime::ports::claim_loopback_ports;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// One log of an error in a span, with values of every kind, and one that says next to nothing.
fn logs() -> String {
    let attributes = json!([
        { "key": "no", "value": { "boolValue": false } },
        { "key": "below", "value": { "intValue": "-7" } },
        { "key": "nothing", "value": { "intValue": "0" } },
        { "key": "quarter", "value": { "doubleValue": 0.25 } },
        { "key": "list", "value": { "arrayValue": { "values": [{ "stringValue": "a" }, { "intValue": "3" }, { "stringValue": "" }] } } },
        { "key": "deep", "value": { "kvlistValue": { "values": [{ "key": "er", "value": { "stringValue": "\u{fc}" } }] } } },
        { "key": "db.password", "value": { "stringValue": "Planted7f3a9c51e2" } },
    ]);
    let loud = json!({
        "severityNumber": 18, "body": { "stringValue": "it broke" }, "traceId": TRACE, "spanId": SPAN, "attributes": attributes,
    });
    let service = json!([{ "key": "service.name", "value": { "stringValue": "accounts" } }]);
    json!({ "resourceLogs": [{ "resource": { "attributes": service }, "scopeLogs": [{ "logRecords": [loud, {}] }] }] })
        .to_string()
}

fn post(port: u16, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: intake\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Every record in the bodies that lie in `dir`, as the judge reads it. It fails where a field is unknown to it.
fn read_by_others(dir: &Path) -> Vec<Value> {
    let bodies: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect();
    let done = judge("otlp_read.py")
        .args(bodies.iter().filter(|it| it.extension().is_some_and(|it| it == "body")))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What belongs to a map by its dotted key; nothing of what is null.
fn flat(key: &str, value: &Value, all: &mut Map<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flat(&format!("{key}.{name}"), value, all)),
        other => drop(all.insert(key.to_owned(), other.clone())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_whole_to_the_types_of_the_project() {
    let claimed = claim_loopback_ports(2).unwrap();
    let [door, receiver] = claimed.ports[..] else { panic!("two ports") };
    let place = Place::new();
    let got = place.path("got");
    std::fs::create_dir_all(&got).unwrap();
    place.edit_fleet(
        "gateway:",
        &format!(
            "intake: {{ otlp_http: \"127.0.0.1:{door}\" }}\noutputs:\n  otel: {{ otlp: \"http://127.0.0.1:{receiver}/v1/logs\" }}\ngateway:"
        ),
    );
    let servers = json!([{ "name": "otel", "port": receiver, "plain": true }]).to_string();
    let _python = Background::start(judge("receiver.py").arg(&got).env("RECEIVERS", servers));
    let control = Running::start(&place).await;
    wait_for("the output", async || control.output("otel").await).await;
    wait_for("the door", async || TcpStream::connect(("127.0.0.1", door)).ok()).await;
    control.happen(0..40).await;
    let _proxy = control.proxy_of("accounts").await; // with handshakes, certificates and snapshots
    post(door, &logs());
    let records = wait_for("everything", async || {
        let records = read_by_others(&got);
        let of = |class: &str| records.iter().filter(|it| it["event"] == class).count();
        (of("bartizan.telemetry") == 2 && of("bartizan.process") >= 40).then_some(records)
    })
    .await;
    let ours = control.events("?limit=1000").await;
    let ours: BTreeMap<&str, &Value> = ours.iter().map(|it| (it["metadata"]["uid"].as_str().unwrap(), it)).collect();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &records {
        let attributes = record["attributes"].as_object().unwrap();
        let uid = attributes["event.id"].as_str().unwrap();
        let ocsf = ours.get(uid).unwrap_or_else(|| panic!("no event of ours is {record}"));
        let own = &ocsf["unmapped"]["bartizan"];
        let mut expected = Map::new();
        flat("bartizan", own, &mut expected);
        for key in ["class_uid", "activity_id", "status_id"] {
            expected.insert(format!("ocsf.{key}"), ocsf[key].clone());
        }
        expected.insert("event.id".to_owned(), uid.into());
        assert_eq!(attributes, &expected, "{ocsf}");
        let service = own["service"].as_str().unwrap_or("bartizan");
        assert_eq!(record["resource"], json!({ "service.name": service, "service.namespace": "bank" }), "{record}");
        assert_eq!(record["scope"], json!(["bartizan", env!("CARGO_PKG_VERSION")]));
        assert_eq!(record["body"], ocsf["message"], "{record}");
        assert_eq!(record["time"].as_u64(), ocsf["time"].as_u64().map(|ms| ms * 1_000_000), "{record} {ocsf}");
        assert!(record["observed"].as_u64() >= record["time"].as_u64(), "{record}");
        assert_eq!(record["trace"], own["request"].as_str().unwrap_or_default(), "{record}");
        let (number, text) = (record["severity"][0].as_u64().unwrap(), record["severity"][1].as_str().unwrap());
        assert_eq!(text, ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"][(number as usize - 1) / 4], "{record}");
        let class = record["event"].as_str().unwrap();
        assert_eq!(
            class,
            format!("bartizan.{}", own["kind"].as_str().map_or("", |_| class.trim_start_matches("bartizan.")))
        );
        *classes.entry(class).or_default() += 1;
    }
    assert!(classes.len() >= 4, "several classes: {classes:?}");
    let loud = records.iter().find(|it| it["span"] == SPAN).expect("the one with a span");
    assert_eq!((&loud["trace"], &loud["severity"][0]), (&TRACE.into(), &18.into()), "{loud}");
    assert_eq!(loud["resource"]["service.name"], "accounts", "{loud}");
    assert_eq!(loud["attributes"]["bartizan.attributes.db.password"], "[redacted]", "{loud}");
    for (key, value) in [("no", "false"), ("below", "-7"), ("nothing", "0"), ("quarter", "0.25")] {
        assert_eq!(loud["attributes"][format!("bartizan.attributes.{key}")], value, "{loud}");
    }
    control.stop().await;
}
