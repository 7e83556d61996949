//! Both forms of OTLP: what is refused, what is bounded, and that they say the same.

use super::*;
use crate::limits::{DEPTH_MAX, RECORDS_MAX, VALUES_MAX};
use crate::wire::put_fixed64;
use bartizan_core::event::Signal;
use bartizan_core::{RequestId, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const TRACE: [u8; 16] =
    [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];

fn scene() -> Scene {
    Scene { source: "otlp".into(), from: "test".into(), now: NOW }
}

fn message(parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
    out
}

fn text(value: &str) -> Vec<u8> {
    message(&[(1, value.as_bytes().to_vec())])
}

fn entry(key: &str, value: Vec<u8>) -> Vec<u8> {
    message(&[(1, key.as_bytes().to_vec()), (2, value)])
}

/// A message of these records, of a service.
fn of_service(records: &[Vec<u8>]) -> Vec<u8> {
    let resource = message(&[(1, entry("service.name", text("accounts"))), (1, entry("host.name", text("h1")))]);
    let records: Vec<_> = records.iter().map(|record| (2, record.clone())).collect();
    // The resource last: that is allowed, and easily overlooked.
    message(&[(1, message(&[(2, message(&records)), (1, resource)]))])
}

fn log(body: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_fixed64(&mut out, 1, (NOW.as_millis() - 5) * 1_000_000);
    put_varint(&mut out, 2, 17);
    put_bytes(&mut out, 5, &text(body));
    put_bytes(&mut out, 6, &entry("enduser.id", text("ana")));
    put_bytes(&mut out, 9, &TRACE);
    put_bytes(&mut out, 10, &[0, 0, 0, 0, 0, 0, 0, 9]);
    out
}

fn span() -> Vec<u8> {
    let exception = message(&[
        (2, b"exception".to_vec()),
        (3, entry("exception.type", text("Oops"))),
        (3, entry("exception.message", text("it broke"))),
    ]);
    let mut status = Vec::new();
    put_bytes(&mut status, 2, b"broke");
    put_varint(&mut status, 3, 2);
    let mut out = message(&[
        (1, TRACE.to_vec()),
        (2, vec![0, 0, 0, 0, 0, 0, 0, 7]),
        (4, vec![0, 0, 0, 0, 0, 0, 0, 6]),
        (5, b"GET /accounts".to_vec()),
        (11, exception),
        (15, status),
    ]);
    put_varint(&mut out, 6, 2);
    put_fixed64(&mut out, 7, 1_799_999_999_000_000_000);
    put_fixed64(&mut out, 8, 1_799_999_999_002_500_000);
    out
}

fn metric(points: usize) -> Vec<u8> {
    let mut point = message(&[(7, entry("pool", text("main")))]);
    put_fixed64(&mut point, 3, NOW.as_millis() * 1_000_000);
    put_fixed64(&mut point, 4, 12.5_f64.to_bits());
    let points: Vec<_> = (0..points).map(|_| (1, point.clone())).collect();
    message(&[(1, b"db.latency".to_vec()), (3, b"ms".to_vec()), (5, message(&points))])
}

#[test]
fn what_is_no_message_is_refused_whole() {
    for kind in Kind::ALL {
        for bytes in [&b"\x0a\xff"[..], b"\x0b", b"{\"resourceLogs\":[]}"] {
            assert!(read_proto(kind, bytes, &scene()).is_err(), "{kind:?} {bytes:?}");
        }
        for json in [&b""[..], b"[]", b"{\"resourceLogs\":{},\"resourceSpans\":1,\"resourceMetrics\":\"\"}", b"{"] {
            assert!(read_json(kind, json, &scene()).is_err(), "{kind:?} {json:?}");
        }
        assert_eq!(read_proto(kind, b"", &scene()).unwrap().came(), 0, "an empty message is one");
        assert_eq!(read_json(kind, b"{}", &scene()).unwrap().came(), 0);
    }
}

#[test]
fn a_record_that_makes_no_sense_costs_itself_alone() {
    let mut bad_id = log("x");
    put_bytes(&mut bad_id, 9, &[1, 2, 3]);
    let mut bad_text = Vec::new();
    put_bytes(&mut bad_text, 5, &message(&[(1, vec![0xff, 0xfe])]));
    let deep = (0..DEPTH_MAX + 3).fold(text("x"), |inner, _| message(&[(5, message(&[(1, inner)]))]));
    let mut too_deep = Vec::new();
    put_bytes(&mut too_deep, 5, &deep);
    let mut too_many = Vec::new();
    let items: Vec<_> = (0..VALUES_MAX + 1).map(|_| (1, text("x"))).collect();
    put_bytes(&mut too_many, 5, &message(&[(5, message(&items))]));
    let records = [log("one"), bad_id, bad_text, too_deep, too_many, log("two")];
    let taken = read_proto(Kind::Logs, &of_service(&records), &scene()).unwrap();
    assert_eq!((taken.records.len(), taken.malformed), (2, 4), "{:?}", taken.why);

    let no_ids = message(&[(5, b"x".to_vec())]);
    let taken = read_proto(Kind::Traces, &of_service(&[no_ids, span()]), &scene()).unwrap();
    assert_eq!((taken.records.len(), taken.malformed), (1, 1));
}

#[test]
fn more_records_than_may_be_are_refused_and_counted() {
    let records = vec![Vec::new(); RECORDS_MAX + 7];
    let taken = read_proto(Kind::Logs, &of_service(&records), &scene()).unwrap();
    assert_eq!((taken.records.len(), taken.too_many, taken.came()), (RECORDS_MAX, 7, RECORDS_MAX as u64 + 7));
    let taken = read_proto(Kind::Metrics, &of_service(&[metric(RECORDS_MAX + 2)]), &scene()).unwrap();
    assert_eq!((taken.records.len(), taken.too_many), (RECORDS_MAX, 2), "points count, not metrics");
}

#[test]
fn logs_say_who_when_what_and_in_which_trace() {
    let taken = read_proto(Kind::Logs, &of_service(&[log("hello")]), &scene()).unwrap();
    let handed = &taken.records[0];
    let it = &handed.telemetry;
    assert_eq!((it.emitter.as_deref(), &*it.body, it.severity), (Some("accounts"), "hello", 17));
    assert_eq!((it.failed, it.security, it.parent_span), (true, true, 9));
    assert_eq!((it.attribute("enduser.id"), it.attribute("host.name")), (Some("ana"), Some("h1")));
    assert_eq!(handed.request, RequestId::from_bytes(TRACE));
    assert_eq!(it.said_at, Some(Timestamp::from_millis(NOW.as_millis() - 5)));
}

#[test]
fn spans_keep_their_place_and_their_exception() {
    let taken = read_proto(Kind::Traces, &of_service(&[span()]), &scene()).unwrap();
    let it = &taken.records[0].telemetry;
    assert_eq!((it.span, it.parent_span, it.took_us, it.failed), (7, 6, 2_500, true));
    assert_eq!((&*it.name, it.attribute("span.kind")), ("GET /accounts", Some("server")));
    assert_eq!((it.attribute("exception.message"), &*it.body), (Some("it broke"), "broke"));
}

#[test]
fn points_of_metrics_say_their_value() {
    let taken = read_proto(Kind::Metrics, &of_service(&[metric(1)]), &scene()).unwrap();
    let it = &taken.records[0].telemetry;
    assert_eq!((it.signal, &*it.name, &*it.body), (Signal::Metric, "db.latency", "12.5 ms"));
    assert_eq!(it.attribute("pool"), Some("main"));
}

/// What one form says, the other says as well.
#[test]
fn json_and_protobuf_become_the_same_record() {
    let json = |kind, records: &str| {
        let (resources, scopes, name) = match kind {
            Kind::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
            Kind::Traces => ("resourceSpans", "scopeSpans", "spans"),
            Kind::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        };
        let resource = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"accounts"}},{"key":"host.name","value":{"stringValue":"h1"}}]}"#;
        let text = format!(r#"{{"{resources}":[{{"resource":{resource},"{scopes}":[{{"{name}":[{records}]}}]}}]}}"#);
        read_json(kind, text.as_bytes(), &scene()).unwrap().records
    };
    let proto = |kind, record| read_proto(kind, &of_service(&[record]), &scene()).unwrap().records;
    assert_eq!(
        json(
            Kind::Logs,
            r#"{"timeUnixNano":"1799999999995000000","severityNumber":17,"body":{"stringValue":"hello"},
                "attributes":[{"key":"enduser.id","value":{"stringValue":"ana"}}],
                "traceId":"4BF92F3577B34DA6A3CE929D0E0E4736","spanId":"0000000000000009"}"#
        ),
        proto(Kind::Logs, log("hello"))
    );
    let span_json = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"0000000000000007","parentSpanId":"0000000000000006",
        "name":"GET /accounts","kind":"SPAN_KIND_SERVER","startTimeUnixNano":1799999999000000000,"endTimeUnixNano":"1799999999002500000",
        "events":[{"name":"exception","attributes":[{"key":"exception.type","value":{"stringValue":"Oops"}},
        {"key":"exception.message","value":{"stringValue":"it broke"}}]}],"status":{"message":"broke","code":2}}"#;
    let (mut one, mut other) = (json(Kind::Traces, span_json), proto(Kind::Traces, span()));
    // In which order attributes stand is nobody's promise.
    one[0].telemetry.attributes.sort();
    other[0].telemetry.attributes.sort();
    assert_eq!(one, other);
    assert_eq!(
        json(
            Kind::Metrics,
            r#"{"name":"db.latency","unit":"ms","gauge":{"dataPoints":[{"timeUnixNano":"1800000000000000000","asDouble":12.5,
                "attributes":[{"key":"pool","value":{"stringValue":"main"}}]}]}}"#
        ),
        proto(Kind::Metrics, metric(1))
    );
}

#[test]
fn maps_become_dotted_keys_and_lists_texts() {
    let map = |key: &str, value| message(&[(6, message(&[(1, entry(key, value))]))]);
    let list = message(&[(5, message(&[(1, text("a\"b")), (1, message(&[(7, vec![0; 5])]))]))]);
    let mut record = Vec::new();
    put_bytes(&mut record, 6, &entry("http", map("header", map("authorization", text("Bearer x")))));
    put_bytes(&mut record, 6, &entry("tags", list));
    let taken = read_proto(Kind::Logs, &of_service(&[record]), &scene()).unwrap();
    let it = &taken.records[0].telemetry;
    assert_eq!(it.attribute("http.header.authorization"), Some("Bearer x"), "the key is there for redaction");
    assert_eq!(it.attribute("tags"), Some(r#"["a\"b","(5 bytes)"]"#));
}

#[test]
fn answers_say_what_was_not_taken() {
    assert_eq!(answer_proto(0, ""), b"");
    assert_eq!(answer_proto(3, "no"), [0x0a, 6, 0x08, 3, 0x12, 2, b'n', b'o']);
    assert_eq!(answer_json(Kind::Logs, 0, ""), "{}");
    let answer: serde_json::Value = serde_json::from_str(&answer_json(Kind::Traces, 3, "no")).unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedSpans"], "3");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        for kind in Kind::ALL {
            let _ = read_proto(kind, &bytes, &scene());
            let _ = read_json(kind, &bytes, &scene());
        }
    }

    #[test]
    fn a_message_that_is_cut_gives_no_more_than_the_whole(cut in 0_usize..400) {
        let whole = of_service(&[log("one"), log("two"), log("three")]);
        let cut = cut.min(whole.len());
        if let Ok(taken) = read_proto(Kind::Logs, &whole[..cut], &scene()) {
            prop_assert!(taken.came() <= 3);
        }
    }
}
