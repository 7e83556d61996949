//! What is asked of indicators where the fleet has its own mind: the file `slo.yaml`, checked.

use crate::indicator::{Indicator, Place};
use crate::promotion::PromotionStatus;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most objectives of a file, a count: one for each service and indicator of a large fleet.
pub const OBJECTIVES_MAX: usize = 4_096;
/// Shortest window, and longest: counts are kept for a month.
pub const WINDOWS: [Duration; 2] = [Duration::from_secs(7 * 86_400), Duration::from_secs(30 * 86_400)];
/// Smallest share of bad ones that a target leaves, 0 to 1: one in a million.
pub const BAD_SHARE_MIN: f64 = 0.000_001;
/// Largest one: a target that lets half of everything fail is none.
pub const BAD_SHARE_MAX: f64 = 0.5;

/// The file of objectives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// The file, relative to the fleet file.
    pub file: String,
    /// What it says, in its order; each indicator once at each place.
    pub said: Vec<Said>,
}

/// One objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// Of which indicator.
    pub indicator: Indicator,
    /// Where.
    #[serde(with = "shown")]
    #[schemars(with = "String")]
    pub place: Place,
    /// Share of bad ones that is put up with, 0 to 1.
    pub bad_max: f64,
    /// Time over which it counts, in seconds.
    pub window_s: u64,
    /// What is said where nothing was counted.
    pub when_nothing: WhenNothing,
    /// Who answers for it.
    pub owner: String,
    /// Why it is another than everybody's.
    pub why: String,
    /// When it ends, and what counts for everybody counts here again.
    pub expires: Timestamp,
    /// Whether nothing new is put in force while its budget is used up, or burns too fast.
    #[serde(default)]
    pub locks_promotion: bool,
    /// Its line in the file.
    pub line: u64,
}

/// What is said of an objective where nothing was counted, so that there is no share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenNothing {
    /// Neither that it is met nor that it is missed.
    #[default]
    Unknown,
    /// That it is met: who does nothing fails in nothing.
    Met,
    /// That it is missed: silence is a failure.
    Missed,
}

impl WhenNothing {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Met, Self::Missed];

    /// The word of the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Met => "met",
            Self::Missed => "missed",
        }
    }
}

impl Objectives {
    /// Those that lock promotion and still count.
    pub fn locking(&self, now: Timestamp) -> impl Iterator<Item = &Said> {
        self.said.iter().filter(move |it| it.locks_promotion && it.counts(now))
    }

    /// What is said of an indicator at a place, where that still counts.
    pub fn of(&self, indicator: Indicator, place: &Place, now: Timestamp) -> Option<&Said> {
        self.said.iter().find(|it| it.indicator == indicator && it.place == *place && it.counts(now))
    }
}

impl Said {
    /// Whether its time is not over.
    pub fn counts(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Time over which it counts.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window_s)
    }
}

/// `GET /v1/objectives`: what is asked of the indicators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ObjectivesStatus {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// The file; `None` where there is none, and what counts for everybody counts.
    pub file: Option<String>,
    /// What it says.
    pub objectives: Vec<ObjectiveStatus>,
    /// How promotion stands; `None` where no objective locks it.
    #[serde(default)]
    pub promotion: Option<PromotionStatus>,
}

/// One objective as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ObjectiveStatus {
    /// What the file says.
    #[serde(flatten)]
    pub said: Said,
    /// In words, such as `at least 99.95 %`.
    pub target: String,
    /// Whether it still counts.
    pub counts: bool,
}

/// `GET /v1/objectives/advice`: how often each target would have told somebody within what is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Advice {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Since when anything is counted.
    pub since: Timestamp,
    /// By indicator and place.
    pub of: Vec<AdviceOf>,
}

/// For one indicator at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AdviceOf {
    /// `M1` and so on.
    pub indicator: String,
    /// `fleet`, a service, or `caller -> callee`.
    pub place: String,
    /// Counted in the last thirty days: bad ones, and all.
    pub bad: u64,
    /// All of them.
    pub all: u64,
    /// The candidates, the strictest first.
    pub candidates: Vec<Candidate>,
}

/// A target that could be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Candidate {
    /// In words.
    pub target: String,
    /// Share of bad ones that it puts up with.
    pub bad_max: f64,
    /// Whether it is the one in force.
    pub in_force: bool,
    /// How often it would have paged.
    pub pages: u32,
    /// How often it would have made a ticket.
    pub tickets: u32,
    /// Share of its budget that would be left; `None` where nothing was counted.
    pub left: Option<f64>,
}

mod shown {
    use super::Place;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(place)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        let text = String::deserialize(from)?;
        Place::parse(&text).ok_or_else(|| D::Error::custom("no place"))
    }
}
