//! What became of an alert.

use crate::alerts::{Severity, Urgency};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See [`super::What::Alert`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerted {
    /// Its name, such as `a17`.
    pub id: Arc<str>,
    /// The rule that made it.
    pub rule: Arc<str>,
    /// What became of it.
    pub step: AlertStep,
    /// How bad it is.
    pub severity: Severity,
    /// Who has to know.
    pub urgency: Urgency,
    /// The incident that it belongs to.
    pub incident: Arc<str>,
    /// One line, for people.
    pub summary: Arc<str>,
    /// How many of the same there were.
    pub count: u64,
    /// Who did it: took notice, or silenced; `None` for control itself.
    pub by: Option<Arc<str>>,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStep {
    /// It is there.
    Started,
    /// Somebody took notice.
    Acknowledged,
    /// Nobody did, and the next level was told.
    Escalated,
    /// It is over.
    Ended,
    /// A time began in which nobody is paged.
    Silenced,
    /// That time was ended by somebody.
    Unsilenced,
}

impl AlertStep {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Ended => "ended",
            Self::Silenced => "silenced",
            Self::Unsilenced => "unsilenced",
        }
    }
}
