//! What a week brought, as it is told and archived.

use crate::rotation::Expiring;
use crate::time::Timestamp;
use crate::versions::VersionStatus;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

const DAY_S: u64 = 86_400;
/// Its length.
pub const WEEK: Duration = Duration::from_secs(7 * DAY_S);
/// From the Monday before 1970 to 1970, in days: that began on a Thursday.
const DAYS_BEFORE: u64 = 3;

/// A week as ISO 8601 counts them, from Monday to Sunday in UTC, such as `2026-W48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Week(u64);

impl Week {
    /// The one that a moment is in.
    pub const fn of(at: Timestamp) -> Self {
        Self((at.as_secs() / DAY_S + DAYS_BEFORE) / 7)
    }

    /// The one before; the first one of all has none, and is its own.
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Its first moment.
    pub const fn begins(self) -> Timestamp {
        Timestamp::from_secs((self.0 * 7).saturating_sub(DAYS_BEFORE) * DAY_S)
    }

    /// The first moment after it.
    pub const fn ends(self) -> Timestamp {
        Self(self.0 + 1).begins()
    }

    /// The week of that text; `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, week) = text.split_once("-W")?;
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(week, 2) || week == "00" {
            return None;
        }
        // The fourth of January is in the first week of its year.
        let first = Self::of(crate::moment::read(&format!("{year}-01-04T00:00:00Z"))?);
        let it = Self(first.0 + week.parse::<u64>().ok()? - 1);
        (it.to_string() == text).then_some(it)
    }
}

impl fmt::Display for Week {
    /// Named by its Thursday: the year that most of it is in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thursday = Timestamp::from_secs(self.begins().as_secs() + 3 * DAY_S);
        // That of 1970 begins on its Thursday.
        let thursday = if self.0 == 0 { Timestamp::from_secs(0) } else { thursday };
        let text = crate::moment::write(thursday);
        let year = text.get(..4).unwrap_or_default();
        let first = crate::moment::read(&format!("{year}-01-04T00:00:00Z")).map_or(Self(0), Self::of);
        write!(f, "{year}-W{:02}", self.0 - first.0 + 1)
    }
}

/// `GET /v1/reports/weekly`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WeeklyReport {
    /// Which week, such as `2026-W48`.
    pub week: String,
    /// Its first moment.
    pub begins: Timestamp,
    /// The first moment after it.
    pub ends: Timestamp,
    /// When this was written.
    pub made_at: Timestamp,
    /// Whether the week was over then.
    pub is_whole: bool,
    /// Since when there are indicators; what lies before counts as nothing.
    pub counted_since: Timestamp,
    /// Alerts that began, by rule.
    pub alerts: Vec<AlertsOfWeek>,
    /// Calls and connections that were denied, by service: those of M8 with their parts of M3.
    pub denials: Vec<DenialsOfWeek>,
    /// The same by the policy that denied, for whoever reviews policies.
    pub policies: Vec<PolicyOfWeek>,
    /// Denials that were not looked at for that, since there were more than are read, a count at least of one where true.
    pub policies_cut: bool,
    /// M1 to M10, of the fleet and by service.
    pub indicators: Vec<IndicatorOfWeek>,
    /// Error budgets, as they stood when this was written.
    pub budgets: Vec<BudgetOfWeek>,
    /// New versions beside old ones, as they were judged when this was written.
    pub versions: Vec<VersionStatus>,
    /// What runs out within the two weeks behind this one, or is in danger to.
    pub expiring: Vec<Expiring>,
    /// What belongs here and has no source yet.
    pub no_source: Vec<String>,
    /// Weeks that there are reports of, the newest first.
    #[serde(default)]
    pub archived: Vec<String>,
}

/// A count of the week, and of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delta {
    /// In the week.
    pub now: u64,
    /// In the one before.
    pub before: u64,
}

/// Alerts of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AlertsOfWeek {
    /// The rule.
    pub rule: String,
    /// Who answers for it; `None` where the rule is not there any more.
    pub owner: Option<String>,
    /// Where, the service that it is about.
    pub service: Option<String>,
    /// How many began.
    pub began: Delta,
}

/// Denials at one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DenialsOfWeek {
    /// The service.
    pub service: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// All attempts that came to nothing (M8).
    pub attempts: Delta,
    /// Those that nobody expected (M3).
    pub unexpected: Delta,
}

/// Denials by one policy at one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PolicyOfWeek {
    /// The policy; `-none` where nothing permitted it.
    pub policy: String,
    /// The service.
    pub service: Option<String>,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// How many.
    pub denied: Delta,
}

/// One indicator at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorOfWeek {
    /// `M1` to `M10`.
    pub id: String,
    /// A few words.
    pub title: String,
    /// `fleet`, or a service.
    pub place: String,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// Bad ones.
    pub bad: Delta,
    /// Of how many; nought for a mere count.
    pub all: Delta,
}

/// One error budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BudgetOfWeek {
    /// Of which indicator.
    pub indicator: String,
    /// Where.
    pub place: String,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// What is asked, in words.
    pub target: String,
    /// The part that is left, 1 for all of it; `None` where nothing was counted.
    pub left: Option<f64>,
    /// The same in the report of the week before; `None` where there is none.
    pub left_before: Option<f64>,
    /// Whether it burns so fast that somebody is told.
    pub burns: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        crate::moment::read(text).unwrap()
    }

    #[test]
    fn weeks_are_those_of_the_calendar() {
        for (moment, week) in [
            ("2026-11-28T00:10:00Z", "2026-W48"),
            ("2026-11-29T23:59:59Z", "2026-W48"),
            ("2026-11-30T00:00:00Z", "2026-W49"),
            ("2027-01-01T00:00:00Z", "2026-W53"),
            ("2027-01-04T00:00:00Z", "2027-W01"),
            ("2024-12-30T00:00:00Z", "2025-W01"),
            ("1970-01-01T00:00:00Z", "1970-W01"),
            ("1970-01-05T00:00:00Z", "1970-W02"),
        ] {
            assert_eq!(Week::of(at(moment)).to_string(), week, "{moment}");
            assert_eq!(Week::parse(week), Some(Week::of(at(moment))), "{week}");
        }
        assert_eq!(Week::parse("2026-W48").unwrap().begins(), at("2026-11-23T00:00:00Z"));
        assert_eq!(Week::parse("2026-W48").unwrap().before().to_string(), "2026-W47");
    }

    #[test]
    fn refuses_what_is_no_week() {
        for (text, why) in [
            ("", "empty"),
            ("2026-48", "no W"),
            ("2026-W00", "none before the first"),
            ("2025-W53", "that year has 52"),
            ("2026-W54", "none has so many"),
            ("2026-W+8", "a sign"),
            ("26-W01", "two digits of a year"),
            ("2026-W1", "one digit of a week"),
            ("1969-W52", "before 1970"),
        ] {
            assert_eq!(Week::parse(text), None, "{text:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn a_week_prints_back_and_holds_its_moments(s in 0u64..200 * 366 * 86_400) {
            let at = Timestamp::from_secs(s);
            let week = Week::of(at);
            prop_assert_eq!(Week::parse(&week.to_string()), Some(week));
            prop_assert!(week.begins() <= at && at < week.ends());
        }
    }
}
