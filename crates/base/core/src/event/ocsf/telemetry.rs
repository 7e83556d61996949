//! What came in from outside, as records: 6003 API Activity for what was asked of an API server, 6008 Application Error for logs that tell of
//! an error, and the base event (0) for the rest, about which the schema has nothing to say.

use super::record::{API_ACTIVITY, APPLICATION_ERROR, AUTHENTICATION, BASE_EVENT, HTTP_ACTIVITY, Record, Severity};
use super::{Scene, http_activity};
use crate::event::telemetry::{SEVERITY_ERROR, SEVERITY_FATAL, SEVERITY_WARN};
use crate::event::{Signal, Telemetry};
use serde_json::{Map, Value, json};

impl Scene<'_> {
    pub(super) fn telemetry(&self, it: &Telemetry) -> Record {
        let Telemetry {
            signal,
            source,
            from,
            said_at,
            came_at,
            emitter,
            name,
            severity,
            body,
            attributes,
            cut,
            span,
            parent_span,
            took_us,
            failed,
            security,
        } = it;
        let record = match signal {
            Signal::Audit => audit(it),
            Signal::Access => access(it),
            Signal::Log if it.attribute("event.category") == Some("authentication") => sign_in(it),
            Signal::Log if *severity >= SEVERITY_ERROR => {
                Record::new(APPLICATION_ERROR, (1, "General Error"), text(it))
            }
            Signal::Log | Signal::Span | Signal::Metric => Record::new(BASE_EVENT, (99, signal.as_str()), text(it)),
        };
        let attributes: Map<String, Value> =
            attributes.iter().map(|(key, value)| (key.to_string(), Value::from(&**value))).collect();
        let mut record = record
            .own("signal", signal.as_str())
            .own("source", &**source)
            .own("from", &**from)
            .own("said_at", said_at.map(|at| at.as_millis()))
            .own("came_at", came_at.as_millis())
            .own_some("emitter", emitter.as_deref())
            .own("name", &**name)
            .own("severity_number", *severity)
            .own("body", &**body)
            .own("attributes", attributes)
            .own("cut", *cut)
            .own("security", *security);
        if *span != 0 {
            record = record.own("span", format!("{span:016x}")).own("took_us", *took_us);
        }
        if *parent_span != 0 {
            record = record.own("parent_span", format!("{parent_span:016x}"));
        }
        let severity = match *severity {
            SEVERITY_FATAL.. => Severity::High,
            SEVERITY_ERROR.. => Severity::Medium,
            SEVERITY_WARN.. => Severity::Low,
            _ => Severity::Informational,
        };
        if *failed {
            // What failed is worth a look also where nobody gave it a number.
            let severity = if matches!(severity, Severity::Informational) { Severity::Low } else { severity };
            return record.failed(severity, "failed", None);
        }
        Record { severity, ..record }
    }
}

/// The line for people.
fn text(it: &Telemetry) -> String {
    let who = it.emitter.as_deref().unwrap_or(&it.from);
    match it.signal {
        Signal::Span => format!("{who}: {} took {} us", it.name, it.took_us),
        _ if it.name.is_empty() => format!("{who}: {}", it.body),
        _ if it.body.is_empty() => format!("{who}: {}", it.name),
        _ => format!("{who}: {}: {}", it.name, it.body),
    }
}

/// Both ends and the request, as far as the log said.
fn access(it: &Telemetry) -> Record {
    let method = it.attribute("http.request.method").unwrap_or_default();
    let activity = http_activity(method);
    let mut request = json!({ "url": { "path": it.attribute("url.path").unwrap_or_default() } });
    if activity.0 != 99 {
        request["http_method"] = method.into();
    }
    if let Some(agent) = it.attribute("user_agent.original") {
        request["user_agent"] = agent.into();
    }
    let code: u16 = it.attribute("http.response.status_code").and_then(|code| code.parse().ok()).unwrap_or_default();
    let mut source = endpoint(it, "source.service", it.attribute("client.address"));
    if let Some(user) = it.attribute("user.name") {
        source["owner"] = json!({ "name": user });
    }
    Record::new(HTTP_ACTIVITY, activity, text(it))
        .with("http_request", request)
        .with("http_response", json!({ "code": code }))
        .with("http_status", code)
        .with("src_endpoint", source)
        .with("dst_endpoint", endpoint(it, "destination.service", None))
}

/// Somebody was let in, or was not.
fn sign_in(it: &Telemetry) -> Record {
    let user = it.attribute("user.name").unwrap_or("unknown");
    Record::new(AUTHENTICATION, (1, "Logon"), text(it))
        .with("user", json!({ "name": user }))
        .with("service", json!({ "name": it.emitter.as_deref().unwrap_or("unknown") }))
        .with("src_endpoint", endpoint(it, "source.service", it.attribute("client.address")))
}

/// An end of which at least something is known.
fn endpoint(it: &Telemetry, service: &str, ip: Option<&str>) -> Value {
    let mut end = Map::new();
    if let Some(name) = it.attribute(service).or(it.emitter.as_deref().filter(|_| ip.is_none())) {
        end.insert("svc_name".to_owned(), name.into());
    }
    if let Some(ip) = ip {
        end.insert("ip".to_owned(), ip.into());
    }
    if end.is_empty() {
        end.insert("name".to_owned(), "unknown".into());
    }
    Value::Object(end)
}

fn audit(it: &Telemetry) -> Record {
    let activity = match &*it.name {
        "create" => (1, "Create"),
        "get" | "list" | "watch" => (2, "Read"),
        "update" | "patch" => (3, "Update"),
        "delete" | "deletecollection" => (4, "Delete"),
        other => (99, other),
    };
    let user = it.attribute("user.username").unwrap_or("unknown");
    // The schema wants to know from where; an API server that calls itself says nothing.
    let source = match it.attribute("sourceIPs.0") {
        Some(ip) => json!({ "ip": ip }),
        None => json!({ "name": "unknown" }),
    };
    Record::new(API_ACTIVITY, activity, text(it))
        .with("api", json!({ "operation": &*it.name, "service": { "name": "kubernetes" } }))
        // Whom the server knows, and not who we are.
        .with("actor", json!({ "user": { "name": user } }))
        .with("src_endpoint", source)
}
