//! What an event is found by, beside its time, service and request: its class, how it came out, and on whose account it happened.

use super::{Change, Event, HandshakeFailure, Outcome, What};
use crate::decision::Verdict;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an event, one for each variant of [`What`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// A request at a guard.
    Request = 0,
    /// A TCP connection that is over.
    Connection = 1,
    /// A TLS handshake.
    Handshake = 2,
    /// Input that was refused before it was a request.
    Refused = 3,
    /// A snapshot that was published, taken up or refused.
    Config = 4,
    /// A process that started or ended.
    Process = 5,
    /// An identity that was issued or refused.
    Identity = 6,
    /// Events that were lost.
    Loss = 7,
    /// A connection that ended since trust in it did.
    Ended = 8,
    /// A step in the rotation of a CA.
    Rotation = 9,
    /// A clock that is away from control's.
    Clock = 10,
    /// A guard that costs more time than it may.
    Budget = 11,
    /// Something on its way out of the fleet.
    Egress = 12,
    /// What somebody did, or was not let do.
    Person = 13,
    /// A step of an alert.
    Alert = 14,
    /// What others said: a line, a span, a point, an audit record.
    Telemetry = 15,
    /// [`What::Predicted`].
    Predicted = 16,
}

impl Class {
    /// Every class, each at the place of its number.
    pub const ALL: [Self; 17] = [
        Self::Request,
        Self::Connection,
        Self::Handshake,
        Self::Refused,
        Self::Config,
        Self::Process,
        Self::Identity,
        Self::Loss,
        Self::Ended,
        Self::Rotation,
        Self::Clock,
        Self::Budget,
        Self::Egress,
        Self::Person,
        Self::Alert,
        Self::Telemetry,
        Self::Predicted,
    ];

    /// The word for it, `kind` in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Connection => "connection",
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::Config => "config",
            Self::Process => "process",
            Self::Identity => "identity",
            Self::Loss => "loss",
            Self::Ended => "ended",
            Self::Rotation => "rotation",
            Self::Clock => "clock",
            Self::Budget => "budget",
            Self::Egress => "egress",
            Self::Person => "person",
            Self::Alert => "alert",
            Self::Telemetry => "telemetry",
            Self::Predicted => "predicted",
        }
    }

    /// The class of that word; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// The class of that number; `None` where there is none, or only a later version knows it.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// That of what happened.
    pub const fn of(what: &What) -> Self {
        match what {
            What::Request(_) => Self::Request,
            What::Connection(_) => Self::Connection,
            What::Handshake(_) => Self::Handshake,
            What::Refused(_) => Self::Refused,
            What::Config(_) => Self::Config,
            What::Process(_) => Self::Process,
            What::Identity(_) => Self::Identity,
            What::Loss(_) => Self::Loss,
            What::Ended(_) => Self::Ended,
            What::Rotation(_) => Self::Rotation,
            What::Clock(_) => Self::Clock,
            What::Budget(_) => Self::Budget,
            What::Egress(_) => Self::Egress,
            What::Person(_) => Self::Person,
            What::Alert(_) => Self::Alert,
            What::Telemetry(_) => Self::Telemetry,
            What::Predicted(_) => Self::Predicted,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How something came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Upshot {
    /// As it was meant to.
    Ok = 0,
    /// It was denied or refused: [`Event::is_denial`].
    Denied = 1,
    /// It was let through and failed.
    Failed = 2,
}

impl Upshot {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Denied, Self::Failed];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// The one of that word; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// The one of that number; `None` where there is none.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Upshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// Its class.
    pub const fn class(&self) -> Class {
        Class::of(&self.what)
    }

    /// How it came out: [`Upshot::Ok`] exactly where its record says `Success`.
    pub fn upshot(&self) -> Upshot {
        if self.is_denial() {
            return Upshot::Denied;
        }
        let failed = match &self.what {
            What::Request(it) => it.error.is_some() || it.status >= 500,
            What::Connection(it) => it.error.is_some(),
            What::Process(it) => it.exit.as_deref().is_some_and(|exit| exit != "exit 0"),
            What::Loss(it) => it.dropped > 0,
            What::Budget(it) => it.over,
            What::Egress(it) => it.error.is_some() || it.outcome == Outcome::Failed,
            What::Telemetry(it) => it.failed,
            // What fails here is a denial, or does not fail.
            What::Handshake(_)
            | What::Refused(_)
            | What::Config(_)
            | What::Identity(_)
            | What::Ended(_)
            | What::Rotation(_)
            | What::Clock(_)
            | What::Person(_)
            | What::Alert(_)
            | What::Predicted(_) => false,
        };
        if failed { Upshot::Failed } else { Upshot::Ok }
    }

    /// A word for what happened within its class, by which rules tell events apart.
    pub fn word(&self) -> &str {
        match &self.what {
            What::Request(it) if it.decision.as_ref().is_some_and(|it| it.verdict == Verdict::Deny) => "denied",
            What::Request(it) if it.user.is_none() && it.status == 401 => "unauthenticated",
            What::Request(it) => it.method.as_ref(),
            What::Handshake(it) => it.failure.map_or("done", HandshakeFailure::as_str),
            What::Refused(it) => &it.rule,
            What::Config(it) => match it.change {
                Change::Published => "published",
                Change::Applied => "applied",
                Change::AppliedFromDisk => "applied_from_disk",
                Change::Refused => "refused",
                Change::Drifted => "drifted",
                Change::Locked => "locked",
                Change::Unlocked => "unlocked",
                Change::HeldBack => "held_back",
                Change::Overridden => "overridden",
            },
            What::Process(it) if it.started => "started",
            What::Process(_) => "ended",
            What::Identity(it) if it.refused.is_some() => "refused",
            What::Identity(it) if it.renewal => "renewed",
            What::Identity(_) => "issued",
            What::Loss(it) => &it.arrow,
            What::Ended(it) => it.ending.as_str(),
            What::Rotation(it) => it.phase.as_str(),
            What::Clock(it) if it.wrong => "wrong",
            What::Clock(_) => "right",
            What::Budget(it) if it.over => "over",
            What::Budget(_) => "within",
            What::Telemetry(it) => it.signal.as_str(),
            What::Predicted(it) => match it.verdict {
                Verdict::Allow => "would_allow",
                Verdict::Deny => "would_deny",
            },
            What::Egress(it) => match it.outcome {
                Outcome::Refused(_) => "refused",
                Outcome::Failed => "failed",
                // Told once for each destination that a guard had not seen, also of one that does not last.
                Outcome::Opened | Outcome::Closed if it.first => "new",
                Outcome::Opened => "opened",
                Outcome::Closed => "closed",
            },
            What::Person(it) => it.deed.as_str(),
            What::Alert(it) => it.step.as_str(),
            What::Connection(_) => "",
        }
    }

    /// The verified identity that it is about: who called, who was at the other end, whose identity it is.
    pub fn identity(&self) -> Option<&str> {
        let id = match &self.what {
            What::Request(it) => it.peer.as_ref(),
            What::Connection(it) => it.peer.as_ref(),
            What::Handshake(it) => it.peer.as_ref(),
            What::Refused(it) => it.peer.as_ref(),
            What::Ended(it) => it.peer.as_ref(),
            What::Identity(it) => Some(&it.id),
            What::Config(_)
            | What::Process(_)
            | What::Loss(_)
            | What::Rotation(_)
            | What::Clock(_)
            | What::Budget(_)
            | What::Egress(_)
            | What::Person(_)
            | What::Alert(_)
            | What::Predicted(_)
            // Whoever handed it in may say any name.
            | What::Telemetry(_) => None,
        };
        id.map(|id| id.as_str())
    }

    /// The person on whose behalf, or with whose account, it happened.
    pub fn user(&self) -> Option<&str> {
        match &self.what {
            What::Request(it) => it.user.as_deref(),
            What::Person(it) => it.subject.as_deref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_go_both_ways() {
        for (number, class) in (0..).zip(Class::ALL) {
            assert_eq!((Class::parse(class.as_str()), Class::numbered(number)), (Some(class), Some(class)));
            assert_eq!(class as u8, number);
        }
        for (number, upshot) in (0..).zip(Upshot::ALL) {
            assert_eq!((Upshot::parse(upshot.as_str()), Upshot::numbered(number)), (Some(upshot), Some(upshot)));
            assert_eq!(upshot as u8, number);
        }
        assert_eq!((Class::parse("Request"), Class::numbered(17)), (None, None));
        assert_eq!((Upshot::parse(""), Upshot::numbered(3)), (None, None));
    }
}
