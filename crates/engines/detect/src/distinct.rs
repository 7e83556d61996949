//! How many there were of late, and how many different ones.

use crate::limits::DISTINCT_MAX;
use bartizan_core::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Names, each with when it was there last and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distinct(BTreeMap<Box<str>, (Timestamp, u64)>);

impl Distinct {
    /// Notes one. Beyond [`DISTINCT_MAX`] different ones the rest is one more of them.
    pub(crate) fn add(&mut self, name: &str, count: u64, now: Timestamp) {
        let name = if self.0.len() >= DISTINCT_MAX && !self.0.contains_key(name) { "" } else { name };
        let held = self.0.entry(name.into()).or_default();
        *held = (held.0.max(now), held.1.saturating_add(count));
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Forgets what was not there within that time.
    pub(crate) fn forget(&mut self, within: Duration, now: Timestamp) {
        self.0.retain(|_, (last, _)| now.since(*last) < within);
    }

    /// How many different ones.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// All of them.
    pub(crate) fn sum(&self) -> u64 {
        self.0.values().map(|(_, count)| count).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The number of those names that follow another one: who counts upwards walks.
    pub(crate) fn steps(&self) -> u64 {
        let mut numbers: Vec<u64> = self.0.keys().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.windows(2).filter(|pair| pair[1] - pair[0] <= 2).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + s)
    }

    #[test]
    fn different_ones_are_counted_and_forgotten() {
        let mut it = Distinct::default();
        for n in 0..10 {
            it.add(&format!("{}", n / 2), 1, at(n));
        }
        assert_eq!((it.len(), it.sum(), it.steps()), (5, 10, 4));
        it.forget(Duration::from_secs(4), at(10));
        assert_eq!(it.len(), 2, "seen at 7 and 9");
    }

    #[test]
    fn memory_is_bounded() {
        let mut it = Distinct::default();
        (0..10_000).for_each(|n| it.add(&n.to_string(), 1, at(0)));
        assert!(it.len() <= DISTINCT_MAX as u64 + 1 && it.sum() == 10_000);
    }
}
