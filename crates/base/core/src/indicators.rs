//! `GET /v1/indicators`: the indicators M1 to M10, as plain data, so that whoever reads them need not know how they are counted.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Every indicator, measured or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Indicators {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Since when anything is counted.
    pub since: Timestamp,
    /// Tallies that count for the fleet alone, since there were too many places.
    pub left_out: u64,
    /// M1 to M10.
    pub indicators: Vec<IndicatorStatus>,
}

/// One indicator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorStatus {
    /// `M1` to `M10`.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What is counted as bad.
    pub numerator: String,
    /// Of what; `None` for a mere count.
    pub denominator: Option<String>,
    /// What is asked of it, in words.
    pub target: String,
    /// Whether anything counts it by now. Where not, there are no numbers.
    pub has_source: bool,
    /// Whether `share` is the share of good ones.
    pub is_success: bool,
    /// Where it was counted, the fleet first.
    pub places: Vec<PlaceStatus>,
}

/// One indicator at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlaceStatus {
    /// `fleet`, a service, or `caller -> callee`.
    pub place: String,
    /// The last hour, day, seven and thirty days.
    pub windows: Vec<WindowStatus>,
    /// What is asked of it here where that is another than everywhere, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its error budget; `None` for what has no share to keep.
    pub budget: Option<BudgetStatus>,
    /// How fast that burns; empty where there is none.
    pub burns: Vec<BurnStatus>,
    /// What is counted apart from it: expected denials and attacks of M3, synthetic calls of M1. Those of which there were none are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStatus>,
    /// For what has to fall: the last seven days by the seven before; `None` without anything to compare with.
    pub trend: Option<f64>,
    /// The same over thirty days: the last fifteen by the fifteen before.
    #[serde(default)]
    pub trend_month: Option<f64>,
    /// `missed`, `met`, or `None` where nothing was counted.
    pub standing: Option<Goal>,
}

/// What is counted beside an indicator and apart from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartStatus {
    /// `expected`, `attack`, `synthetic` or `stopped`.
    pub part: String,
    /// The last hour, day, seven and thirty days; `share` is as the indicator's, where it is one.
    pub windows: Vec<WindowStatus>,
}

/// Whether an objective is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// It is.
    Met,
    /// It is not.
    Missed,
}

/// What was counted in one window until now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WindowStatus {
    /// Its length in seconds.
    pub seconds: u64,
    /// Bad ones.
    pub bad: u64,
    /// All of them; 0 for a mere count.
    pub all: u64,
    /// The share that people read, 0 to 1, good or bad as `is_success` says; `None` where nothing was counted.
    pub share: Option<f64>,
    /// Where that share truly is with a probability of 95 %, from and to.
    pub interval: Option<(f64, f64)>,
}

/// An error budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BudgetStatus {
    /// Share of bad ones that is put up with, 0 to 1.
    pub bad_max: f64,
    /// Time over which it counts, in seconds: thirty days, or what an objective says.
    #[serde(default)]
    pub window_s: u64,
    /// Bad ones that the window may have, for as much as was counted until now.
    pub allowed: f64,
    /// Bad ones that it has.
    pub used: u64,
    /// Share that is left: 1 when nothing was bad, 0 when it is used up, less when overdrawn. `None` where nothing was counted.
    pub left: Option<f64>,
}

/// One pair of windows by which a budget is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BurnStatus {
    /// The long window, in seconds.
    pub long_s: u64,
    /// The short one.
    pub short_s: u64,
    /// Multiple of the rate that uses up the budget in time, from which on somebody is told.
    pub limit: f64,
    /// The multiple in the long window; `None` where nothing was counted.
    pub rate: Option<f64>,
    /// Chance that so many fail while all is within bounds, 0 to 1.
    pub doubt: f64,
    /// `page` or `ticket`.
    pub urgency: String,
    /// Whether somebody has to know.
    pub alight: bool,
}
