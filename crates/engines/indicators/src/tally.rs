//! One measurement: how many of how many.

use crate::limits::INTERVAL_Z;
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// `bad` of `all`. An indicator without a denominator counts in `bad` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Those that were not as they should be.
    pub bad: u64,
    /// All of them.
    pub all: u64,
}

impl Tally {
    /// `bad` of `all`.
    pub const fn new(bad: u64, all: u64) -> Self {
        Self { bad, all }
    }

    /// Share of bad ones, 0 to 1; `None` where there was nothing to count.
    pub fn ratio(self) -> Option<f64> {
        (self.all > 0).then(|| self.bad as f64 / self.all as f64)
    }

    /// Where the true share lies with a probability of 95 %: the score interval of Wilson, JASA 22 (1927), 209–212.
    pub fn interval(self) -> Option<(f64, f64)> {
        self.interval_at(INTERVAL_Z)
    }

    /// The same for another probability, said as the z of a two-sided interval.
    pub fn interval_at(self, z: f64) -> Option<(f64, f64)> {
        let ratio = self.ratio()?;
        let (n, z2) = (self.all as f64, z * z);
        let middle = (ratio + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = z / (1.0 + z2 / n) * (ratio * (1.0 - ratio) / n + z2 / (4.0 * n * n)).sqrt();
        Some(((middle - half).max(0.0), (middle + half).min(1.0)))
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bad: self.bad.saturating_add(other.bad), all: self.all.saturating_add(other.all) }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_ratio() {
        assert_eq!((Tally::default().ratio(), Tally::default().interval()), (None, None));
        assert_eq!(Tally::new(3, 0).ratio(), None);
    }

    /// Against the values that `statsmodels.stats.proportion.proportion_confint(method="wilson")` gives.
    #[test]
    fn intervals_are_those_of_wilson() {
        for (bad, all, low, high) in [
            (0, 10, 0.0, 0.277_533),
            (1, 10, 0.017_876, 0.404_150),
            (5, 1000, 0.002_137, 0.011_653),
            (7, 7, 0.645_661, 1.0),
        ] {
            let (l, h) = Tally::new(bad, all).interval().unwrap();
            assert!((l - low).abs() < 1e-4 && (h - high).abs() < 1e-4, "{bad}/{all}: {l} {h}");
        }
    }
}
