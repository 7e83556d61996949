//! What the store has: OCSF records, asked for by what they are about.

use crate::commands::escaped;
use crate::limits::PRE_PROD_EVENTS_MAX;
use bartizan_core::ServiceName;
use bartizan_runtime::local::{self, LocalError};
use serde_json::Value;
use std::path::Path;

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Seen(Value);

impl Seen {
    /// One of our own words; empty where it does not say.
    pub(super) fn own(&self, key: &str) -> &str {
        self.0["unmapped"]["bartizan"][key].as_str().unwrap_or_default()
    }

    pub(super) fn id(&self) -> String {
        self.at("/metadata/uid").to_owned()
    }

    /// What stands at a pointer.
    pub(super) fn at(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, pointer: &str) -> Option<u64> {
        self.0.pointer(pointer).and_then(Value::as_u64)
    }

    /// Whether the guard of `service` tells of a call into it.
    pub(super) fn is_call_into(&self, service: &ServiceName) -> bool {
        self.own("service") == service.as_str() && matches!(self.own("seen_by"), "inbound" | "envoy")
    }
}

/// Asks the store: pairs of a word of its API and what it has to be.
pub(super) async fn find(socket: &Path, wanted: &[(&str, String)]) -> Result<Vec<Seen>, LocalError> {
    let query: String = wanted.iter().map(|(key, value)| format!("&{key}={}", escaped(value))).collect();
    let text = local::get_text(socket, &format!("/v1/events?limit={PRE_PROD_EVENTS_MAX}{query}")).await?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(Seen).collect())
}
