//! OTLP, the protocol of OpenTelemetry: logs, spans and points of metrics, in protobuf and in JSON.
//!
//! Read by hand and not by generated types: what is too much is stepped over before it takes memory, a record that makes no sense
//! costs itself and not its whole message, and texts are copied once.
//!
//! Source: opentelemetry-proto, version 1.x (`opentelemetry/proto/*/v1`); OTLP specification, "Partial Success".

mod json;
mod proto;

use crate::any::Any;
use crate::draft::{Draft, cut};
use crate::handed::{Malformed, Scene, Taken};
use crate::limits::{NAME_BYTES_MAX, RESOURCE_ATTRIBUTES_MAX, VALUE_BYTES_MAX};
use crate::wire::{put_bytes, put_varint};
use std::borrow::Cow;
use std::sync::Arc;

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ExportLogsServiceRequest`.
    Logs,
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportMetricsServiceRequest`.
    Metrics,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Traces, Self::Metrics];

    /// Where it is posted to over HTTP.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The same over gRPC.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }

    const fn rejected(self) -> &'static str {
        match self {
            Self::Logs => "rejectedLogRecords",
            Self::Traces => "rejectedSpans",
            Self::Metrics => "rejectedDataPoints",
        }
    }
}

/// The records of a protobuf message.
///
/// # Errors
/// [`Malformed`] where it is no such message; then nothing of it counts. A record that makes no sense is counted in [`Taken`].
pub fn read_proto(kind: Kind, message: &[u8], scene: &Scene) -> Result<Taken, Malformed> {
    proto::read(kind, message, scene)
}

/// The same of a message in JSON.
///
/// # Errors
/// As [`read_proto`].
pub fn read_json(kind: Kind, message: &[u8], scene: &Scene) -> Result<Taken, Malformed> {
    json::read(kind, message, scene)
}

/// The answer to a message of which `rejected` records were not taken, as protobuf. Empty where all were.
pub fn answer_proto(rejected: u64, why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if rejected > 0 {
        let mut partial = Vec::new();
        put_varint(&mut partial, 1, rejected);
        put_bytes(&mut partial, 2, why.as_bytes());
        put_bytes(&mut out, 1, &partial);
    }
    out
}

/// The same as JSON.
pub fn answer_json(kind: Kind, rejected: u64, why: &str) -> String {
    if rejected == 0 {
        return "{}".to_owned();
    }
    let mut partial = serde_json::Map::new();
    // A text, as protobuf's JSON has 64-bit numbers.
    partial.insert(kind.rejected().to_owned(), rejected.to_string().into());
    partial.insert("errorMessage".to_owned(), why.into());
    serde_json::json!({ "partialSuccess": partial }).to_string()
}

/// Why somebody was not listened to (`google.rpc.Status`), as protobuf.
pub fn refusal_proto(code: u32, why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, 1, code.into());
    put_bytes(&mut out, 2, why.as_bytes());
    out
}

/// What all records of a resource share.
#[derive(Clone, Debug, Default)]
struct Shared {
    emitter: Option<Arc<str>>,
    attributes: Vec<(Arc<str>, Arc<str>)>,
}

impl Shared {
    fn add(&mut self, key: &str, value: &Any<'_>) {
        if key == "service.name" {
            self.emitter = Some(cut(&value.to_text(), NAME_BYTES_MAX).into());
        // What an SDK says of itself helps nobody.
        } else if !key.starts_with("telemetry.sdk.") && self.attributes.len() < RESOURCE_ATTRIBUTES_MAX {
            let (key, value) = (cut(key, NAME_BYTES_MAX).into(), cut(&value.to_text(), VALUE_BYTES_MAX).into());
            self.attributes.push((key, value));
        }
    }
}

/// A span's event: its name and what it says.
struct Happened<'a> {
    name: Cow<'a, str>,
    attributes: Vec<(Cow<'a, str>, Any<'a>)>,
}

/// Adds what happened within a span. The first exception stands where logs have theirs, so that a search finds both.
fn add_events(draft: &mut Draft, events: Vec<Happened<'_>>) {
    for (at, event) in events.into_iter().enumerate() {
        draft.attribute(&format!("events.{at}.name"), &event.name);
        for (key, value) in &event.attributes {
            match at {
                0 => draft.value(key, value),
                _ => draft.value(&format!("events.{at}.{key}"), value),
            }
        }
    }
}

const fn span_kind(number: u64) -> Option<&'static str> {
    match number {
        1 => Some("internal"),
        2 => Some("server"),
        3 => Some("client"),
        4 => Some("producer"),
        5 => Some("consumer"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
