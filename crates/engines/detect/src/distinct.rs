//! How many there were of late, and how many different ones.

use crate::limits::{DISTINCT_MAX, SLOTS};
use bartizan_core::Timestamp;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Names, each with how often it was there, slot by slot: what is older than the time counted over goes, also of a name that never rests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distinct(BTreeMap<Name, Counts>);

/// The number that a name is, or a hash of it above all numbers: names come from outside and may be long, and nobody reads them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(u64);

/// Counts of the last slots, each at its number modulo [`SLOTS`].
#[derive(Clone, Debug, Default)]
struct Counts {
    newest: u64,
    slots: [u64; SLOTS as usize],
}

impl Distinct {
    /// Notes one that was there at `at`. Beyond [`DISTINCT_MAX`] different ones the rest is one more of them.
    pub(crate) fn add(&mut self, name: &str, count: u64, within: Duration, at: Timestamp) {
        let name = Name::of(name);
        let name = if self.0.len() >= DISTINCT_MAX && !self.0.contains_key(&name) { Name::of("") } else { name };
        self.0.entry(name).or_default().add(count, slot(within, at));
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(&Name::of(name));
    }

    /// Forgets what was not there within that time.
    pub(crate) fn forget(&mut self, within: Duration, now: Timestamp) {
        let slot = slot(within, now);
        self.0.retain(|_, counts| {
            counts.slide(slot);
            counts.sum() > 0
        });
    }

    /// How many different ones.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// All of them.
    pub(crate) fn sum(&self) -> u64 {
        self.0.values().map(Counts::sum).fold(0, u64::saturating_add)
    }

    /// The number of those names that follow another one: who counts upwards walks.
    pub(crate) fn steps(&self) -> u64 {
        let numbers: Vec<u64> = self.0.keys().filter_map(|name| name.number()).collect();
        numbers.windows(2).filter(|pair| pair[1] - pair[0] <= 2).count() as u64
    }
}

impl Name {
    const NUMBERS: u64 = 1 << 63;

    fn of(text: &str) -> Self {
        let hash = || {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish() | Self::NUMBERS
        };
        Self(text.parse().ok().filter(|number| *number < Self::NUMBERS).unwrap_or_else(hash))
    }

    fn number(self) -> Option<u64> {
        (self.0 < Self::NUMBERS).then_some(self.0)
    }
}

impl Counts {
    /// Goes on to a slot: what it and those on the way held is too old.
    fn slide(&mut self, slot: u64) {
        let passed = slot.saturating_sub(self.newest).min(SLOTS);
        (1..=passed).for_each(|n| self.slots[index(self.newest.wrapping_add(n))] = 0);
        self.newest = self.newest.max(slot);
    }

    fn add(&mut self, count: u64, slot: u64) {
        self.slide(slot);
        if self.newest - slot < SLOTS {
            let held = &mut self.slots[index(slot)];
            *held = held.saturating_add(count);
        }
    }

    fn sum(&self) -> u64 {
        self.slots.iter().copied().fold(0, u64::saturating_add)
    }
}

/// A slot is a part of the time counted over, and the one that has just begun comes on top of all of it.
fn slot(within: Duration, at: Timestamp) -> u64 {
    let slot_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX) / (SLOTS - 1);
    at.as_millis() / slot_ms.max(1)
}

fn index(slot: u64) -> usize {
    (slot % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WITHIN: Duration = Duration::from_secs(300);

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_100 + s)
    }

    #[test]
    fn different_ones_are_counted_and_forgotten() {
        let mut it = Distinct::default();
        for n in 0..10 {
            it.add(&format!("{}", n / 2), 1, WITHIN, at(n * 60));
        }
        it.forget(WITHIN, at(540));
        assert_eq!((it.len(), it.sum(), it.steps()), (3, 6, 2), "from 240 s on");
        it.forget(WITHIN, at(780));
        assert_eq!((it.len(), it.sum()), (1, 2), "those at 480 and 540 s");
        it.forget(WITHIN, at(2_000));
        assert_eq!(it.len(), 0);
    }

    #[test]
    fn who_comes_now_and_then_does_not_add_up() {
        let mut it = Distinct::default();
        for n in 0..45 {
            it.add("", 1, WITHIN, at(n * 240));
            it.forget(WITHIN, at(n * 240));
            assert!(it.sum() <= 2, "{} after {} minutes", it.sum(), n * 4);
        }
    }

    #[test]
    fn what_comes_late_counts_when_it_was() {
        let mut it = Distinct::default();
        it.add("a", 1, WITHIN, at(600));
        it.add("a", 1, WITHIN, at(500));
        it.add("a", 1, WITHIN, at(0));
        assert_eq!(it.sum(), 2, "the last is over");
        it.forget(WITHIN, at(840));
        assert_eq!(it.sum(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut it = Distinct::default();
        (0..10_000).for_each(|n| it.add(&n.to_string(), 1, WITHIN, at(0)));
        assert!(it.len() <= DISTINCT_MAX as u64 + 1 && it.sum() == 10_000);
    }

    proptest! {
        /// Nothing within the time is left out, and nothing older than it and a slot is counted.
        #[test]
        fn what_counts_was_there_of_late(seconds in proptest::collection::vec(0u64..2_000, 0..50)) {
            let mut seconds = seconds;
            seconds.sort_unstable();
            let mut it = Distinct::default();
            seconds.iter().for_each(|s| it.add("a", 1, WITHIN, at(*s)));
            it.forget(WITHIN, at(2_000));
            let within = |most: u64| seconds.iter().filter(|s| 2_000 - **s < most).count() as u64;
            prop_assert!(within(300) <= it.sum() && it.sum() <= within(361), "{} of {seconds:?}", it.sum());
        }
    }
}
