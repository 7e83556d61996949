//! Whether a new version of a service is as good as the one beside it, as it is told.

use crate::name::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/versions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VersionsStatus {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Every version that calls are shared out to beside the service that callers name.
    pub versions: Vec<VersionStatus>,
}

/// What is thought of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It fails more, or is slower, by more than is put up with; that is no chance.
    Bad,
    /// What was counted fits both.
    NotYet,
    /// It neither fails more nor is slower by more than is put up with; that is no chance.
    Good,
}

impl Judgement {
    /// The words for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::NotYet => "not yet",
            Self::Good => "good",
        }
    }
}

/// Why a version gets no larger part of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// It is bad.
    Bad,
    /// Nobody knows yet whether it is.
    NotYet,
    /// Since it has its part, its calls fail several times as often as they may.
    Burning,
    /// An alert is there that pages somebody for it.
    Alert,
}

/// That a version gets no larger part, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Held {
    /// Why.
    pub by: HeldBy,
    /// Why, for people.
    pub why: String,
}

/// A version that a reload was to give a larger part, and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldVersion {
    /// Whom callers name.
    pub service: ServiceName,
    /// The version.
    pub version: ServiceName,
    /// Why.
    pub held: Held,
}

impl std::fmt::Display for HeldVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` beside `{}`: {}", self.version, self.service, self.held.why)
    }
}

/// How one version does beside the one that callers name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VersionStatus {
    /// Whom callers name.
    pub service: ServiceName,
    /// The version.
    pub version: ServiceName,
    /// Its part of the calls, 0 to 1.
    pub part: f64,
    /// What is thought of it.
    pub judgement: Judgement,
    /// Why, for people.
    pub why: String,
    /// What the service that callers name did.
    pub old: VersionCounts,
    /// What the version did.
    pub new: VersionCounts,
    /// By how much more of the version's calls fail, as a share of its calls: from, to. `None` before both had calls.
    pub fails_more: Option<(f64, f64)>,
    /// By how much more of them policy denies: from, to.
    pub denied_more: Option<(f64, f64)>,
    /// What counts as slow: longer than all but a twentieth of the other's calls, in microseconds.
    pub slow_us: Option<u64>,
    /// By how much more of the version's calls are slow: from, to.
    pub slower: Option<(f64, f64)>,
    /// Since when it has so large a part; control's start where it was so then.
    pub raised: Option<Timestamp>,
    /// Its calls since, denied ones among them.
    pub calls_since: u64,
    /// How many times as often as they may its calls fail since, over five minutes at most; `None` where there are none.
    pub burn: Option<f64>,
    /// Why it gets no larger part; `None` where it may.
    pub held: Option<Held>,
}

impl VersionStatus {
    /// Whether it fails: by the verdict, or since it has its part.
    pub fn is_found_bad(&self) -> bool {
        let burns = self.held.as_ref().is_some_and(|it| it.by == HeldBy::Burning);
        self.judgement == Judgement::Bad || burns
    }
}

/// What was counted at the guards of a version within the last hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VersionCounts {
    /// Calls of others in the fleet that policy let through.
    pub calls: u64,
    /// Those that were answered with a status from 500 on, or not at all.
    pub failed: u64,
    /// Calls beside those, which policy denied.
    pub denied: u64,
    /// The middle of how long they took, in microseconds; `None` where there was none.
    pub p50_us: Option<u64>,
    /// What all but a twentieth took at most.
    pub p95_us: Option<u64>,
}
