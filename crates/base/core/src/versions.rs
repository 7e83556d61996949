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
    /// What counts as slow: longer than all but a twentieth of the other's calls, in microseconds.
    pub slow_us: Option<u64>,
    /// By how much more of the version's calls are slow: from, to.
    pub slower: Option<(f64, f64)>,
}

/// What was counted at the guards of a version within the last hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VersionCounts {
    /// Calls of others in the fleet.
    pub calls: u64,
    /// Those that were answered with a status from 500 on, or not at all.
    pub failed: u64,
    /// The middle of how long they took, in microseconds; `None` where there was none.
    pub p50_us: Option<u64>,
    /// What all but a twentieth took at most.
    pub p95_us: Option<u64>,
}
