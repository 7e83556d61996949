//! `ExportLogsServiceRequest` in protobuf: a record of a log for each event, grouped by service.
//!
//! Source: opentelemetry-proto, `collector/logs/v1` and `logs/v1`.

use super::Outgoing;
use crate::wire::{Field, Reader, put_bytes, put_fixed64, put_varint};
use bartizan_core::Timestamp;
use bartizan_core::event::What;
use bartizan_core::event::telemetry::{SEVERITY_ERROR, SEVERITY_WARN};
use bartizan_core::software::Image;
use serde_json::Value;
use std::collections::BTreeMap;

/// A service, and which version and image of it ran.
type Source<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// The message.
pub fn message(events: &[Outgoing]) -> Vec<u8> {
    // By what runs there too: a batch may reach over a change of it.
    let mut by_service: BTreeMap<Source<'_>, Vec<&Outgoing>> = BTreeMap::new();
    for it in events {
        let service = it.event.service.as_ref().map_or("bartizan", |name| name.as_str());
        by_service.entry((service, it.own("version").as_str(), it.own("image").as_str())).or_default().push(it);
    }
    let mut out = Vec::new();
    for ((service, version, image), events) in by_service {
        let mut resource = Vec::new();
        put_bytes(&mut resource, 1, &attribute("service.name", &service.into()));
        if let Some(fleet) = events[0].own("fleet").as_str() {
            put_bytes(&mut resource, 1, &attribute("service.namespace", &fleet.into()));
        }
        if let Some(version) = version {
            put_bytes(&mut resource, 1, &attribute("service.version", &version.into()));
        }
        for (key, value) in image.map(of_image).unwrap_or_default() {
            put_bytes(&mut resource, 1, &attribute(key, &value));
        }
        let mut scope = Vec::new();
        put_bytes(&mut scope, 1, b"bartizan");
        put_bytes(&mut scope, 2, env!("CARGO_PKG_VERSION").as_bytes());
        let mut of_scope = Vec::new();
        put_bytes(&mut of_scope, 1, &scope);
        events.iter().for_each(|it| put_bytes(&mut of_scope, 2, &record(it)));
        let mut of_resource = Vec::new();
        put_bytes(&mut of_resource, 1, &resource);
        put_bytes(&mut of_resource, 2, &of_scope);
        put_bytes(&mut out, 1, &of_resource);
    }
    out
}

/// Attributes of an image (semantic conventions, `container`).
fn of_image(text: &str) -> Vec<(&'static str, Value)> {
    let Ok(image) = Image::parse(text) else { return vec![("container.image.name", text.into())] };
    let mut all = Vec::new();
    if let Some(name) = image.name() {
        all.push(("container.image.name", name.into()));
    }
    if let Some(tag) = image.tag() {
        all.push(("container.image.tags", vec![tag].into()));
    }
    match (image.name(), image.digest()) {
        (Some(name), Some(digest)) => {
            all.push(("container.image.repo_digests", vec![format!("{name}@{digest}")].into()))
        }
        (None, Some(digest)) => all.push(("container.image.id", digest.into())),
        _ => {}
    }
    all
}

/// How many records the receiver did not take, where it says so: `partial_success` of its answer.
pub fn rejected(answer: &[u8]) -> u64 {
    let mut rejected = 0;
    for field in Reader::new(answer) {
        let Ok((1, Field::Bytes(partial))) = field else { continue };
        for field in Reader::new(partial) {
            if let Ok((1, Field::Number(count))) = field {
                rejected = count;
            }
        }
    }
    rejected
}

fn record(it: &Outgoing) -> Vec<u8> {
    let mut out = Vec::new();
    let event = &it.event;
    let nanoseconds = |at: Timestamp| at.as_millis().saturating_mul(1_000_000);
    put_fixed64(&mut out, 1, nanoseconds(event.at));
    let number = severity(it);
    put_varint(&mut out, 2, number.into());
    put_bytes(&mut out, 3, SEVERITIES[usize::from(number.clamp(1, SEVERITY_MAX) - 1) / 4].as_bytes());
    put_bytes(&mut out, 5, &value(&it.message().into()));
    for (key, attribute_value) in it.attributes() {
        put_bytes(&mut out, 6, &attribute(&key, attribute_value));
    }
    for key in ["class_uid", "activity_id", "status_id"] {
        put_bytes(&mut out, 6, &attribute(&format!("ocsf.{key}"), &it.ocsf[key]));
    }
    put_bytes(&mut out, 6, &attribute("event.id", &event.id.to_string().into()));
    if let Some(request) = event.request {
        put_bytes(&mut out, 9, &request.bytes());
    }
    let span = match &event.what {
        What::Request(request) => request.span,
        // A log belongs to the span that it was written in.
        What::Telemetry(told) if told.span == 0 => told.parent_span,
        What::Telemetry(told) => told.span,
        _ => 0,
    };
    if span != 0 {
        put_bytes(&mut out, 10, &span.to_be_bytes());
    }
    let came_at = match &event.what {
        What::Telemetry(told) => told.came_at,
        _ => event.at,
    };
    put_fixed64(&mut out, 11, nanoseconds(came_at));
    put_bytes(&mut out, 12, format!("bartizan.{}", event.class()).as_bytes());
    out
}

/// The short names of severities, each for four numbers (OpenTelemetry's data model of logs).
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
/// The largest number of a severity.
const SEVERITY_MAX: u8 = 24;

fn severity(it: &Outgoing) -> u8 {
    match &it.event.what {
        What::Telemetry(told) if told.severity != 0 => told.severity,
        _ => match it.severity() {
            0 | 1 => 9,
            2 | 3 => SEVERITY_WARN,
            _ => SEVERITY_ERROR,
        },
    }
}

fn attribute(key: &str, of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, key.as_bytes());
    put_bytes(&mut out, 2, &value(of));
    out
}

/// `AnyValue`.
fn value(of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match of {
        // A zero or a false has to be written: it is which of the kinds it is.
        Value::Bool(it) => out.extend_from_slice(&[2 << 3, u8::from(*it)]),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(0), _) => out.extend_from_slice(&[3 << 3, 0]),
            // Negative ones as their two's complement, which is how protobuf has an `int64`.
            (Some(it), _) => put_varint(&mut out, 3, it as u64),
            (None, Some(it)) if number.is_f64() && it != 0.0 => put_fixed64(&mut out, 4, it.to_bits()),
            _ => put_bytes(&mut out, 1, number.to_string().as_bytes()),
        },
        Value::Array(items) => {
            let mut list = Vec::new();
            items.iter().for_each(|item| put_bytes(&mut list, 1, &value(item)));
            put_bytes(&mut out, 5, &list);
        }
        other => put_bytes(&mut out, 1, super::text(other).as_bytes()),
    }
    out
}
