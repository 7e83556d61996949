//! How long events are kept, and how many of them; and what is kept whatever else is said.

use crate::event::{Class, Upshot};
use crate::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What the fleet file says under `events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Age from which on events go; `None`: they stay.
    pub keep: Option<Duration>,
    /// The same for one sort, at its place in [`Sort::ALL`]; `None`: as `keep` says.
    pub keep_each: [Option<Duration>; Sort::COUNT],
    /// Bytes that they may take on disk; `None` where the file does not say.
    pub bytes_max: Option<u64>,
    /// What happens when they have taken these.
    pub when_full: WhenFull,
}

impl Retention {
    /// Age from which on events of this sort go; `None`: they stay.
    pub fn age(&self, sort: Sort) -> Option<Duration> {
        self.keep_each[sort as usize].or(self.keep)
    }

    /// The shortest of all ages; `None` where nothing goes by age.
    pub fn shortest(&self) -> Option<Duration> {
        Sort::ALL.into_iter().filter_map(|sort| self.age(sort)).min()
    }

    /// The longest of all ages; `None` where something stays.
    pub fn longest(&self) -> Option<Duration> {
        Sort::ALL.into_iter().map(|sort| self.age(sort)).try_fold(Duration::ZERO, |most, age| Some(most.max(age?)))
    }
}

/// What may be kept for a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Sort {
    /// Requests, connections, handshakes and ways out that were let through, whether or not they failed then.
    Calls = 0,
    /// What others handed in: lines, spans, points, audit records.
    Telemetry = 1,
    /// Whatever was denied or refused, of any class but telemetry.
    Denied = 2,
    /// What people and administrators did.
    People = 3,
    /// Policies, identities, roots, processes: what changed.
    Changes = 4,
    /// Alerts, losses, clocks, budgets, ended trust, what policies in shadow would have done; and what only a later version knows.
    Findings = 5,
}

impl Sort {
    /// How many there are.
    pub const COUNT: usize = 6;
    /// Every sort, each at the place of its number, those first that make room first.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Calls, Self::Telemetry, Self::Denied, Self::People, Self::Changes, Self::Findings];

    /// That of an event of this class and outcome.
    pub const fn of(class: Option<Class>, upshot: Upshot) -> Self {
        match (class, upshot) {
            (Some(Class::Telemetry), _) => Self::Telemetry,
            (_, Upshot::Denied) => Self::Denied,
            (Some(Class::Request | Class::Connection | Class::Handshake | Class::Egress), _) => Self::Calls,
            (Some(Class::Person), _) => Self::People,
            (Some(Class::Config | Class::Process | Class::Identity | Class::Rotation), _) => Self::Changes,
            (
                Some(
                    Class::Refused
                    | Class::Loss
                    | Class::Ended
                    | Class::Clock
                    | Class::Budget
                    | Class::Alert
                    | Class::Predicted,
                )
                | None,
                _,
            ) => Self::Findings,
        }
    }

    /// Whether an audit asks for it. What is plain goes before it where room is short.
    pub const fn is_audit(self) -> bool {
        !matches!(self, Self::Calls | Self::Telemetry)
    }

    /// The word used in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Telemetry => "telemetry",
            Self::Denied => "denied",
            Self::People => "people",
            Self::Changes => "changes",
            Self::Findings => "findings",
        }
    }

    /// The sort of that word; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which events a legal hold is about: those to which all of it applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldScope {
    /// Only at this moment or later; from the first on where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only before this moment; also what is still to come where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only what was recorded on behalf of this service; `gateway` for the edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Only about this identity or user, by its whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// `POST /v1/holds/hold`: what is to stay until it is released, whatever age and room say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldWanted {
    /// How it is called.
    pub name: ServiceName,
    /// Why, for the ledger.
    pub reason: String,
    /// Which events.
    #[serde(default)]
    pub scope: HoldScope,
}

/// `POST /v1/holds/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseWanted {
    /// Which hold.
    pub name: ServiceName,
    /// Why, for the ledger.
    pub reason: String,
}

/// A legal hold: what of the events stays until it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// How it is called; no two are called the same.
    pub name: ServiceName,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Which events.
    pub scope: HoldScope,
}

/// `GET /v1/holds`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// By name.
    pub holds: Vec<Hold>,
}

/// Most holds at a time.
pub const HOLDS_MAX: usize = 64;
/// Longest reason, and longest name of an identity, in bytes.
pub const HOLD_TEXT_BYTES_MAX: usize = 1_024;

/// Why a hold is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The text is missing or too long.
    #[error("say why, in at most {HOLD_TEXT_BYTES_MAX} bytes: it is kept in the ledger")]
    Reason,
    /// The name of an identity is empty or too long.
    #[error("an identity has 1 to {HOLD_TEXT_BYTES_MAX} bytes")]
    Identity,
    /// No moment lies in it.
    #[error("it ends before it begins: no event would be held")]
    Backwards,
    /// Two of one name.
    #[error("there is a hold `{0}` already; release it, or choose another name")]
    Twice(ServiceName),
    /// Too many.
    #[error("there are {HOLDS_MAX} holds already; release one")]
    Many,
}

impl Holds {
    /// Checks what was read or is about to be written.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), HoldError> {
        if self.holds.len() > HOLDS_MAX {
            return Err(HoldError::Many);
        }
        for (at, hold) in self.holds.iter().enumerate() {
            check_reason(&hold.reason)?;
            hold.scope.check()?;
            if self.holds[..at].iter().any(|before| before.name == hold.name) {
                return Err(HoldError::Twice(hold.name.clone()));
            }
        }
        Ok(())
    }
}

/// Checks why something is held or released.
///
/// # Errors
/// [`HoldError::Reason`].
pub fn check_reason(reason: &str) -> Result<(), HoldError> {
    let is_good = !reason.trim().is_empty() && reason.len() <= HOLD_TEXT_BYTES_MAX;
    if is_good { Ok(()) } else { Err(HoldError::Reason) }
}

impl HoldScope {
    fn check(&self) -> Result<(), HoldError> {
        if self.identity.as_ref().is_some_and(|it| it.trim().is_empty() || it.len() > HOLD_TEXT_BYTES_MAX) {
            return Err(HoldError::Identity);
        }
        match (self.from, self.until) {
            (Some(from), Some(until)) if from >= until => Err(HoldError::Backwards),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for HoldScope {
    /// In words, such as `events of payment from 2026-08-01T00:00:00Z on`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")?;
        if let Some(service) = &self.service {
            write!(f, " of {service}")?;
        }
        if let Some(identity) = &self.identity {
            write!(f, " about {identity}")?;
        }
        let moment = |at| crate::moment::write(at);
        match (self.from, self.until) {
            (Some(from), Some(until)) => write!(f, " from {} until {}", moment(from), moment(until)),
            (Some(from), None) => write!(f, " from {} on", moment(from)),
            (None, Some(until)) => write!(f, " until {}", moment(until)),
            (None, None) => f.write_str(" of all time"),
        }
    }
}

/// What the fleet file says under `ledger`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerKept {
    /// Bytes that it may take in the data folder; closed files that are beyond go into the archive, the oldest first.
    pub bytes_max: u64,
    /// The folder of the archive, relative to the fleet file.
    pub archive: String,
}

/// What happens with further events once all room is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// They are refused, counted and shown: whoever can make noise cannot erase what was recorded before.
    #[default]
    Refuse,
    /// The oldest go, counted and shown: what happens now is recorded. Plain calls and telemetry go before what an audit asks for.
    Drop,
}

impl WhenFull {
    /// The word used in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Drop => "drop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sort_has_its_word_and_its_place() {
        for (at, sort) in Sort::ALL.into_iter().enumerate() {
            assert_eq!((sort as usize, Sort::parse(sort.as_str())), (at, Some(sort)));
        }
        assert_eq!(Sort::parse("Calls"), None);
    }

    #[test]
    fn what_was_denied_is_denied_whatever_it_was_and_what_others_say_is_theirs() {
        for (class, upshot, sort) in [
            (Some(Class::Request), Upshot::Ok, Sort::Calls),
            (Some(Class::Request), Upshot::Failed, Sort::Calls),
            (Some(Class::Request), Upshot::Denied, Sort::Denied),
            (Some(Class::Handshake), Upshot::Denied, Sort::Denied),
            (Some(Class::Person), Upshot::Ok, Sort::People),
            (Some(Class::Person), Upshot::Denied, Sort::Denied),
            (Some(Class::Telemetry), Upshot::Denied, Sort::Telemetry),
            (Some(Class::Config), Upshot::Ok, Sort::Changes),
            (Some(Class::Alert), Upshot::Ok, Sort::Findings),
            (None, Upshot::Ok, Sort::Findings),
        ] {
            assert_eq!(Sort::of(class, upshot), sort, "{class:?} {upshot:?}");
        }
    }

    #[test]
    fn one_age_is_for_all_that_have_none_of_their_own() {
        let days = |n: u64| Some(Duration::from_secs(n * 86_400));
        let mut it = Retention { keep: days(30), ..Retention::default() };
        assert_eq!((it.age(Sort::Denied), it.shortest()), (days(30), days(30)));
        (it.keep_each[Sort::Denied as usize], it.keep_each[Sort::Calls as usize]) = (days(400), days(7));
        assert_eq!((it.age(Sort::Denied), it.age(Sort::People), it.shortest()), (days(400), days(30), days(7)));
        assert_eq!(Retention::default().shortest(), None);
    }

    #[test]
    fn refuses_what_is_no_hold() {
        let hold = |name: &str| Hold {
            name: ServiceName::parse(name).unwrap(),
            reason: "a lawsuit".to_owned(),
            by: "uid 0".to_owned(),
            since: Timestamp::from_secs(5),
            scope: HoldScope::default(),
        };
        let check = |holds: Vec<Hold>| Holds { holds }.check();
        check(vec![hold("a"), hold("b")]).unwrap();
        let at = |n| Some(Timestamp::from_secs(n));
        let scoped = |scope| check(vec![Hold { scope, ..hold("a") }]);
        let scope = HoldScope::default;
        for (refused, why) in [
            (check(vec![hold("a"), hold("a")]), HoldError::Twice(ServiceName::parse("a").unwrap())),
            (check((0..=HOLDS_MAX).map(|n| hold(&format!("h{n}"))).collect()), HoldError::Many),
            (check(vec![Hold { reason: " ".to_owned(), ..hold("a") }]), HoldError::Reason),
            (check(vec![Hold { reason: "x".repeat(1_025), ..hold("a") }]), HoldError::Reason),
            (scoped(HoldScope { identity: Some(String::new()), ..scope() }), HoldError::Identity),
            (scoped(HoldScope { identity: Some("x".repeat(1_025)), ..scope() }), HoldError::Identity),
            (scoped(HoldScope { from: at(5), until: at(5), ..scope() }), HoldError::Backwards),
        ] {
            assert_eq!(refused, Err(why));
        }
        scoped(HoldScope { from: at(5), until: at(6), ..scope() }).unwrap();
    }
}
