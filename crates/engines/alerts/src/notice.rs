//! What somebody has to be told.

use bartizan_core::Timestamp;
use bartizan_core::alerts::{Alert, Evidence};
use bartizan_core::on_call::Called;
use serde::Serialize;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// The incident that it is about.
    pub incident: String,
    /// Who: 1 for those who are told first.
    pub level: u8,
    /// Whom an escalation says, each who was told where it is over; those who are told of all else where empty.
    pub called: Vec<Called>,
    /// When.
    pub at: Timestamp,
    /// The alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// What they need who have to come: filled by whoever sends pages and escalations.
    pub evidence: Option<Evidence>,
}

/// What a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// Somebody has to come now; one for all alerts of an incident.
    Page,
    /// Nobody of the level before took notice.
    Escalation,
    /// Somebody has to look on a working day.
    Ticket,
    /// It is over.
    Resolved,
}

impl NoticeKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Escalation => "escalation",
            Self::Ticket => "ticket",
            Self::Resolved => "resolved",
        }
    }
}
