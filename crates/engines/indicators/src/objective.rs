//! What is asked for, and how much of the error budget is left.

use crate::series::Series;
use crate::tally::Tally;
use bartizan_core::Timestamp;
use std::time::Duration;

/// A service level objective: at most `bad_max` of everything within `window`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Share of bad ones that is put up with, 0 to 1.
    pub bad_max: f64,
    /// Time over which it counts.
    pub window: Duration,
}

/// What is left of an error budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// What was counted in the window.
    pub tally: Tally,
    /// Bad ones that the window may have, for as much as was counted until now.
    pub allowed: f64,
    /// Share that is left: 1 when nothing was bad, 0 when it is used up, less when it is overdrawn. `None` where nothing
    /// was counted.
    pub left: Option<f64>,
}

impl Objective {
    /// How its budget stands.
    pub fn budget(&self, series: &Series, now: Timestamp) -> Budget {
        let tally = series.over(now, self.window);
        let allowed = tally.all as f64 * self.bad_max;
        let left = (tally.all > 0).then(|| if tally.bad == 0 { 1.0 } else { 1.0 - tally.bad as f64 / allowed });
        Budget { tally, allowed, left: left.map(|left| left.max(f64::from(i32::MIN))) }
    }

    /// Whether more was bad than it allows.
    pub fn is_missed(&self, tally: Tally) -> bool {
        tally.ratio().is_some_and(|bad| bad > self.bad_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bad: u64, all: u64, bad_max: f64) -> Option<f64> {
        let now = Timestamp::from_secs(1_700_000_000);
        let mut series = Series::default();
        series.add(now, Tally::new(bad, all));
        Objective { bad_max, window: Duration::from_secs(86_400) }.budget(&series, now).left
    }

    #[test]
    fn a_budget_is_used_up_and_overdrawn() {
        assert_eq!(budget(0, 0, 0.001), None);
        assert_eq!(budget(0, 10, 0.001), Some(1.0));
        assert_eq!(budget(1, 2000, 0.001), Some(0.5));
        assert_eq!(budget(2, 2000, 0.001), Some(0.0));
        assert_eq!(budget(4, 2000, 0.001), Some(-1.0));
        assert!(budget(1, 10, 0.0).unwrap() < -1e6, "nothing was allowed");
        assert_eq!(budget(0, 10, 0.0), Some(1.0));
    }
}
