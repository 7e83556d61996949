//! What goes out is read by the readers of the other end.

use super::*;
use crate::handed::{Scene, Taken};
use crate::otlp::{Kind, read_proto};
use crate::syslog as syslog_in;
use bartizan_core::event::{Context, EventId, Request, SeenBy, to_ocsf};
use bartizan_core::{Action, RequestId, ServiceName, Timestamp, TrustDomain};
use serde_json::json;

const IMAGE: &str = "r.bank.test/accounts:1.4@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const AT: Timestamp = Timestamp::from_millis(1_795_787_009_123);

fn outgoing(n: u64, path: &str) -> Outgoing {
    let accounts = ServiceName::parse("accounts").unwrap();
    let request = Request {
        peer: "spiffe://bank.test/svc/payment".parse().ok(),
        to: accounts.clone(),
        method: "GET".into(),
        path: path.into(),
        route: None,
        action: Action::Read,
        decision: None,
        status: 502,
        error: None,
        took_us: 900,
        added_us: 90,
        client: Some("192.0.2.7:5000".parse().unwrap()),
        user: Some("ana".into()),
        span: 7,
        parent_span: 0,
    };
    let event = Event {
        id: EventId(1, n),
        at: AT,
        service: Some(accounts),
        seen_by: SeenBy::Inbound,
        request: RequestId::parse("4bf92f3577b34da6a3ce929d0e0e4736"),
        what: bartizan_core::event::What::Request(request),
    };
    let trust_domain = TrustDomain::parse("bank.test").unwrap();
    let context = Context {
        trust_domain: &trust_domain,
        fleet: "bank",
        host: Some("host-1"),
        product_version: "0.1.0",
        owner: Some("core"),
        data: &["pii".to_owned()],
        version: Some("1.4.2"),
        image: Some(IMAGE),
        unguarded: false,
    };
    let ocsf = to_ocsf(&event, &context);
    Outgoing { event, ocsf }
}

fn scene() -> Scene {
    Scene { source: "otlp".into(), from: "test".into(), now: AT }
}

/// What goes out by OTLP comes in by it, with everything that is about security.
#[test]
fn otlp_comes_back_as_it_went_out() {
    let all = [outgoing(1, "/a"), outgoing(2, "/b")];
    let Taken { records, malformed, .. } = read_proto(Kind::Logs, &otlp::message(&all), &scene()).unwrap();
    assert_eq!((records.len(), malformed), (2, 0));
    let back = &records[0];
    assert_eq!(back.request, all[0].event.request);
    let it = &back.telemetry;
    assert_eq!((it.said_at, it.emitter.as_deref(), &*it.body), (Some(AT), Some("accounts"), all[0].message()));
    for (key, value) in all[0].attributes() {
        let expected = text(value);
        assert_eq!(it.attribute(&key), Some(expected.as_str()), "{key}");
    }
    for (key, expected) in [
        ("service.version", "1.4.2"),
        ("container.image.name", "r.bank.test/accounts"),
        ("container.image.tags", r#"["1.4"]"#),
        (
            "container.image.repo_digests",
            r#"["r.bank.test/accounts@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]"#,
        ),
    ] {
        assert_eq!(it.attribute(key), Some(expected), "{key}");
    }
    assert_eq!((it.attribute("bartizan.denial"), it.attribute("ocsf.class_uid")), (Some("false"), Some("4002")));
}

#[test]
fn a_receivers_partial_success_is_read() {
    assert_eq!(otlp::rejected(&crate::otlp::answer_proto(3, "no")), 3);
    assert_eq!((otlp::rejected(b""), otlp::rejected(b"\x0a\xff")), (0, 0));
}

#[test]
fn documents_have_what_ecs_asks_for() {
    let it = document(&outgoing(1, "/a"));
    for (pointer, expected) in [
        ("/@timestamp", json!("2026-11-27T13:43:29.123Z")),
        ("/event/category", json!(["web"])),
        ("/event/outcome", json!("failure")),
        ("/event/duration", json!(900_000)),
        ("/http/response/status_code", json!(502)),
        ("/url/path", json!("/a")),
        ("/source/ip", json!("192.0.2.7")),
        ("/trace/id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("/service/name", json!("accounts")),
        ("/user/id", json!("ana")),
        ("/bartizan/owner", json!("core")),
        ("/service/version", json!("1.4.2")),
        ("/container/image/name", json!("r.bank.test/accounts")),
        ("/container/image/tag", json!(["1.4"])),
        (
            "/container/image/hash/all/0",
            json!("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ),
    ] {
        assert_eq!(it.pointer(pointer), Some(&expected), "{pointer} of {it:#}");
    }
}

#[test]
fn bulk_is_an_action_and_a_document_a_line() {
    let body = bulk::body("bartizan", &[outgoing(1, "/a\n"), outgoing(2, "/b")]);
    let lines: Vec<Value> =
        body.split(|b| *b == b'\n').filter(|it| !it.is_empty()).map(|it| serde_json::from_slice(it).unwrap()).collect();
    assert_eq!(lines.len(), 4, "a line feed in a path begins no line");
    assert_eq!(lines[0], json!({ "create": { "_index": "bartizan", "_id": "00000000000000010000000000000001" } }));
    assert!(body.ends_with(b"\n"));

    let of = |statuses: &[u64]| {
        let items: Vec<Value> = statuses.iter().map(|status| json!({ "create": { "status": status } })).collect();
        json!({ "errors": true, "items": items }).to_string().into_bytes()
    };
    let told = bulk::answer(&of(&[201, 409, 429, 400, 503]), 5).unwrap();
    assert_eq!((told.stored, told.later, told.rejected), (2, 2, 1));
    for (bytes, why) in [(of(&[201]), "one of two"), (b"{}".to_vec(), "no items"), (b"nothing".to_vec(), "no JSON")] {
        assert_eq!(bulk::answer(&bytes, 2), None, "{why}");
    }
}

#[test]
fn syslog_is_read_by_our_own_reader() {
    let frame = syslog::frame(&outgoing(1, "/a\"]\\ \nb"));
    let (length, message) = frame.split_at(frame.iter().position(|b| *b == b' ').unwrap());
    assert_eq!(std::str::from_utf8(length).unwrap().parse::<usize>().unwrap(), message.len() - 1);
    let it = syslog_in::read(&message[1..], &scene()).unwrap().telemetry;
    assert_eq!((it.emitter.as_deref(), it.said_at), (Some("bartizan"), Some(AT)));
    assert_eq!(it.attribute("bartizan@32473.to"), Some("accounts"));
    assert_eq!(
        (it.attribute("bartizan@32473.version"), it.attribute("bartizan@32473.image")),
        (Some("1.4.2"), Some(IMAGE))
    );
    assert_eq!(it.attribute("syslog.facility"), Some("audit"));
    assert!(it.body.contains("/a\"]\\  b"), "{}", it.body);
    assert!(!message.contains(&b'\n'));
}
