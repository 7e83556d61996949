//! Events in the formats of others: what goes out.
//!
//! In: an event that was redacted and stored, with its OCSF record. Out: bytes, as the other end wants them.

pub mod bulk; // Elasticsearch, OpenSearch
mod ecs; // their common schema
#[cfg(feature = "kafka")]
pub mod kafka; // a producer's part of its protocol
pub mod otlp; // OpenTelemetry
pub mod remote_write; // metrics, to a Prometheus
pub mod syslog; // RFC 5424

pub use ecs::document;

use bartizan_core::event::Event;
use serde_json::Value;

/// An event, and its record.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What happened.
    pub event: Event,
    /// As OCSF has it.
    pub ocsf: Value,
}

impl Outgoing {
    /// What the record has under `unmapped.bartizan`.
    fn own(&self, key: &str) -> &Value {
        &self.ocsf["unmapped"]["bartizan"][key]
    }

    fn message(&self) -> &str {
        self.ocsf["message"].as_str().unwrap_or_default()
    }

    fn severity(&self) -> u64 {
        self.ocsf["severity_id"].as_u64().unwrap_or(1)
    }

    /// The texts, numbers and truths under `unmapped.bartizan`, by dotted keys; what is null is left out.
    fn attributes(&self) -> Vec<(String, &Value)> {
        let mut all = Vec::new();
        flatten("bartizan", &self.ocsf["unmapped"]["bartizan"], &mut all);
        all
    }
}

/// What belongs to a map is found by its dotted key; the record is ours, so its depth is too.
fn flatten<'a>(key: &str, value: &'a Value, all: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, all)),
        other => all.push((key.to_owned(), other)),
    }
}

/// For people: a text as it is, everything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
