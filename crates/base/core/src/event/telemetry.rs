//! What programs, collectors and machines say of themselves: logs, spans, points of metrics and audit records that came in from outside.
//!
//! All of it is the word of whoever handed it in. Nothing here was judged by a guard.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See [`super::What::Telemetry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// What kind of record it is.
    pub signal: Signal,
    /// By which door it came, such as `otlp` or `syslog`.
    pub source: Arc<str>,
    /// Who handed it in: the name of a token, a verified identity, or an address.
    pub from: Arc<str>,
    /// When it happened by its own clock; `None` where it does not say. [`super::Event::at`] is this where it is believable.
    pub said_at: Option<Timestamp>,
    /// When it came.
    pub came_at: Timestamp,
    /// Which program says it, in its own words.
    pub emitter: Option<Arc<str>>,
    /// The name of the span, metric, kind of log or verb.
    pub name: Arc<str>,
    /// As in OpenTelemetry: 1 to 24, 9 is information, 13 a warning, 17 an error; 0 where it does not say.
    pub severity: u8,
    /// The text; cut off where it is too long.
    pub body: Arc<str>,
    /// Everything else, by dotted keys.
    pub attributes: Vec<(Arc<str>, Arc<str>)>,
    /// Attributes that were left out, and texts that were cut off, a count.
    pub cut: u32,
    /// Its span id, 0 where it has none.
    pub span: u64,
    /// That of the span before, 0 where there was none.
    pub parent_span: u64,
    /// How long a span took, in microseconds.
    pub took_us: u64,
    /// Whether it tells of a failure.
    pub failed: bool,
    /// Whether it is about security by its attributes: such records are the last to be dropped.
    pub security: bool,
}

/// What kind of record somebody handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A line of a log.
    Log,
    /// A span of a trace.
    Span,
    /// A point of a metric.
    Metric,
    /// What was asked of a Kubernetes API server.
    Audit,
    /// A request in the log of a gateway, mesh or web server.
    Access,
}

impl Signal {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Span => "span",
            Self::Metric => "metric",
            Self::Audit => "audit",
            Self::Access => "access",
        }
    }
}

/// From here on a record tells of an error (OpenTelemetry, `SEVERITY_NUMBER_ERROR`).
pub const SEVERITY_ERROR: u8 = 17;
/// From here on it warns.
pub const SEVERITY_WARN: u8 = 13;
/// From here on nothing goes on.
pub const SEVERITY_FATAL: u8 = 21;

impl Telemetry {
    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }
}
