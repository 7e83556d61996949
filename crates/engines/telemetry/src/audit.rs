//! Audit records as a Kubernetes API server posts them (`audit.k8s.io/v1`, `EventList`).
//!
//! What was sent and answered (`requestObject`, `responseObject`) is left behind, since there are secrets in it; but for the name of the role
//! that a binding gives.

use crate::draft::Draft;
use crate::handed::{Handed, Malformed, Scene, Taken};
use crate::moment::rfc3339;
use bartizan_core::event::Signal;
use serde_json::Value;

/// Addresses and groups that are kept of each record, a count.
const LISTED_MAX: usize = 4;

/// A list of records.
///
/// # Errors
/// [`Malformed`] where it is none.
pub fn read(message: &[u8], scene: &Scene) -> Result<Taken, Malformed> {
    let message: Value = serde_json::from_slice(message).map_err(|_| Malformed("not JSON"))?;
    if message.get("kind").and_then(Value::as_str) != Some("EventList") {
        return Err(Malformed("not an EventList of audit.k8s.io"));
    }
    let items = message.get("items").and_then(Value::as_array).ok_or(Malformed("a list without items"))?;
    let mut taken = Taken::default();
    for item in items {
        match taken.is_full() {
            true => taken.refuse_surplus(),
            false => taken.take(record(item, scene)),
        }
    }
    Ok(taken)
}

fn record(item: &Value, scene: &Scene) -> Result<Handed, Malformed> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
    let verb = text("/verb").ok_or(Malformed("a record without verb"))?;
    let mut draft = Draft::new(Signal::Audit, scene, Some("kubernetes".into()));
    draft.name(verb);
    draft.it.said_at = text("/stageTimestamp").or_else(|| text("/requestReceivedTimestamp")).and_then(rfc3339);
    // A query may hold anything.
    let path = text("/requestURI").unwrap_or_default().split('?').next().unwrap_or_default();
    draft.body(&format!("{} {verb} {path}", text("/user/username").unwrap_or("somebody")));
    for (key, pointer) in [
        ("user.username", "/user/username"),
        ("user.uid", "/user/uid"),
        ("impersonatedUser.username", "/impersonatedUser/username"),
        ("objectRef.resource", "/objectRef/resource"),
        ("objectRef.subresource", "/objectRef/subresource"),
        ("objectRef.namespace", "/objectRef/namespace"),
        ("objectRef.name", "/objectRef/name"),
        ("objectRef.apiGroup", "/objectRef/apiGroup"),
        ("auditID", "/auditID"),
        ("stage", "/stage"),
        ("level", "/level"),
        ("userAgent", "/userAgent"),
        ("responseStatus.reason", "/responseStatus/reason"),
        ("responseStatus.message", "/responseStatus/message"),
        ("decision", "/annotations/authorization.k8s.io~1decision"),
        ("reason", "/annotations/authorization.k8s.io~1reason"),
        // The one thing of what was sent: which role is given to somebody.
        ("roleRef.name", "/requestObject/roleRef/name"),
    ] {
        if let Some(value) = text(pointer).filter(|value| !value.is_empty()) {
            draft.attribute(key, value);
        }
    }
    for (key, pointer) in [("sourceIPs", "/sourceIPs"), ("user.groups", "/user/groups")] {
        let all = item.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for (at, value) in all.take(LISTED_MAX).enumerate() {
            draft.attribute(&format!("{key}.{at}"), value);
        }
    }
    let code = item.pointer("/responseStatus/code").and_then(Value::as_u64);
    if let Some(code) = code {
        draft.attribute("http.response.status_code", &code.to_string());
    }
    draft.it.failed = code.is_some_and(|code| code >= 400);
    draft.it.severity = if draft.it.failed { 13 } else { 9 };
    Ok(draft.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use proptest::prelude::*;

    fn scene() -> Scene {
        Scene { source: "kubernetes".into(), from: "me".into(), now: Timestamp::from_secs(1_800_000_000) }
    }

    const LIST: &str = r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[
        {"level":"RequestResponse","auditID":"a1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/pay/secrets/db?watch=hunter2",
         "verb":"get","user":{"username":"eve","uid":"u1","groups":["system:authenticated"]},"sourceIPs":["192.0.2.7"],"userAgent":"kubectl",
         "objectRef":{"resource":"secrets","namespace":"pay","name":"db","apiVersion":"v1"},
         "responseStatus":{"metadata":{},"status":"Failure","reason":"Forbidden","code":403},
         "requestReceivedTimestamp":"2027-01-15T07:59:58.000000Z","stageTimestamp":"2027-01-15T07:59:59.000000Z",
         "responseObject":{"data":{"password":"aHVudGVyMg=="}},
         "annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}},
        {"level":"Metadata"}]}"#;

    #[test]
    fn refuses_what_is_no_list_of_records() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"kind":"Event","items":[]}"#,
            r#"{"kind":"EventList"}"#,
            r#"{"kind":"EventList","items":{}}"#,
        ] {
            assert!(read(text.as_bytes(), &scene()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_record_says_who_did_what_and_not_with_which_secret() {
        let taken = read(LIST.as_bytes(), &scene()).unwrap();
        assert_eq!((taken.records.len(), taken.malformed), (1, 1));
        let it = &taken.records[0].telemetry;
        assert_eq!((&*it.name, &*it.body), ("get", "eve get /api/v1/namespaces/pay/secrets/db"));
        assert_eq!((it.failed, it.security, it.attribute("decision")), (true, true, Some("forbid")));
        assert_eq!(
            (it.attribute("sourceIPs.0"), it.attribute("objectRef.resource")),
            (Some("192.0.2.7"), Some("secrets"))
        );
        let whole = format!("{it:?}");
        assert!(!whole.contains("aHVudGVyMg") && !whole.contains("hunter2"), "{whole}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
            let _ = read(text.as_bytes(), &scene());
            let _ = read(format!("{{\"kind\":\"EventList\",\"items\":[{text}]}}").as_bytes(), &scene());
        }
    }
}
