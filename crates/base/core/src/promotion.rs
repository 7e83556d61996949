//! Whether what the files say may be put in force, where an error budget says that it had better not.

use crate::time::Timestamp;
use crate::versions::HeldVersion;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// For how long somebody may say that a lock does not count, at most.
pub const OVERRIDE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 1_024;

/// How promotion stands, where an objective locks it, or a version was held back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PromotionStatus {
    /// Whether something else than what is in force, or was before, is refused now.
    pub locked: bool,
    /// What locks it; also where somebody said that it does not count.
    pub locks: Vec<PromotionLock>,
    /// Who said so, and until when.
    pub overridden: Option<Overridden>,
    /// Versions that were to get a larger part of the calls by the last reload, which was refused therefore.
    #[serde(default)]
    pub held: Vec<HeldVersion>,
    /// Since when what is in force is in force, the newest first; those behind it can be gone back to.
    pub versions: Vec<Timestamp>,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PromotionLock {
    /// Of which indicator, such as `M3`.
    pub indicator: String,
    /// Where: `fleet`, a service, or `caller -> callee`.
    pub place: String,
    /// Why.
    pub cause: LockCause,
    /// Share of the budget that was left (`exhausted`), or how many times too fast it burnt (`burning`), when it was looked at last.
    pub value: f64,
    /// Since when.
    pub since: Timestamp,
    /// When what is in force then had come into force; `None` where that is not known.
    pub version: Option<Timestamp>,
    /// In words.
    pub text: String,
}

/// Why promotion is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockCause {
    /// Nothing is left of an error budget.
    Exhausted,
    /// It burns so fast that what was changed last may be the cause.
    Burning,
}

/// Somebody said that locks do not count for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Overridden {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// `POST /v1/objectives/override`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Why.
    pub why: String,
    /// For how long, in seconds.
    pub for_s: u64,
}
