//! Who is on call: rotations, and escalations that say who is told of which alerts, one level after the other.
//!
//! The engine (`crates/engines/alerts/src/on_call.rs`) says who it is at a moment; the fleet file says what stands here.

use crate::alerts::{Severity, Urgency};
use crate::name::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the fleet file says of who is on call, checked: each name in an escalation is one of a rotation or a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// People who take turns.
    pub rotations: Vec<Rotation>,
    /// Who is told of what; the first that takes an alert has it.
    pub escalations: Vec<Escalation>,
}

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Its name.
    pub name: String,
    /// In the order in which they take turns; at least one.
    pub members: Vec<Member>,
    /// Time between two hand-overs.
    pub every: Duration,
    /// A hand-over, to the first member. The offset of its text is fixed: no hand-over moves with the clocks of summer.
    pub starts: Timestamp,
    /// Times in which another member has the turn, in order; no two at the same time.
    pub overrides: Vec<Override>,
}

/// Somebody who can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub name: String,
    /// The routes by which they are told; at least one.
    pub routes: Vec<String>,
}

/// A time in which another member has the turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The place of the member in the rotation.
    pub member: usize,
}

/// Who is told of some alerts, one level after the other until somebody takes notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Its name.
    pub name: String,
    /// Which alerts it takes.
    pub takes: Takes,
    /// Who is told first, and then; at least one.
    pub levels: Vec<Level>,
}

/// Which alerts: all that meet each condition. One that says nothing is met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takes {
    /// The owner of the rule is one of these.
    pub owners: Vec<String>,
    /// As bad as one of these.
    pub severities: Vec<Severity>,
    /// Only this urgency.
    pub urgency: Option<Urgency>,
    /// Of one of these services: those that it names, and those of the owners that it names.
    pub services: Vec<ServiceName>,
    /// With these labels.
    pub labels: BTreeMap<String, String>,
}

impl Takes {
    /// Whether there is no alert that it does not take.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// One level of an escalation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Who is told.
    pub who: Whom,
    /// So long after the level before, where nobody took notice; what the fleet file says for all where `None`. Of the first, nothing.
    pub after: Option<Duration>,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// Whoever of a rotation is on call.
    Rotation(String),
    /// A route, always the same.
    Route(String),
}

impl Whom {
    /// Of the rotation or the route.
    pub fn name(&self) -> &str {
        match self {
            Self::Rotation(name) | Self::Route(name) => name,
        }
    }
}

/// Somebody who was told of an alert, as an escalation says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Called {
    /// The escalation.
    pub escalation: String,
    /// The level, from 1 on.
    pub level: u8,
    /// The rotation; `None` where the level names a route.
    pub rotation: Option<String>,
    /// Who of it was on call; `None` where the level names a route.
    pub who: Option<String>,
    /// By which routes.
    pub routes: Vec<String>,
    /// When.
    pub at: Timestamp,
}

impl std::fmt::Display for Called {
    /// Such as `ana, on call of security (escalation security, level 1)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.who, &self.rotation) {
            (Some(who), Some(rotation)) => write!(f, "{who}, on call of {rotation}")?,
            _ => f.write_str(&self.routes.join(", "))?,
        }
        write!(f, " (escalation {}, level {})", self.escalation, self.level)
    }
}

/// `GET /v1/alerts/on-call`: who is on call at a moment, and who after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OnCallStatus {
    /// The moment.
    pub at: Timestamp,
    /// Each rotation.
    pub rotations: Vec<RotationStatus>,
    /// Each escalation, in the order in which they are asked.
    pub escalations: Vec<EscalationStatus>,
}

/// A rotation at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RotationStatus {
    /// Its name.
    pub name: String,
    /// Who is on call then, and after the next hand-overs.
    pub shifts: Vec<Shift>,
}

/// A time in which one member is on call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shift {
    /// Who.
    pub who: String,
    /// By which routes they are told.
    pub routes: Vec<String>,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end: the next hand-over.
    pub until: Timestamp,
    /// Whether it is not their turn, and the fleet file says so.
    pub is_override: bool,
}

/// An escalation at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EscalationStatus {
    /// Its name.
    pub name: String,
    /// Which alerts it takes, in words.
    pub takes: String,
    /// Who is told first, and then.
    pub levels: Vec<LevelStatus>,
}

/// A level of an escalation at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LevelStatus {
    /// From 1 on.
    pub level: u8,
    /// The rotation; `None` where it names a route.
    pub rotation: Option<String>,
    /// Who of it is on call then.
    pub who: Option<String>,
    /// By which routes.
    pub routes: Vec<String>,
    /// Seconds after the level before, where nobody took notice; 0 for the first.
    pub after_s: u64,
}
