//! Tallies of a month, finer the younger they are.

use crate::limits::RINGS;
use crate::tally::Tally;
use bartizan_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Tallies of one indicator at one place. Slots in which nothing was counted take no room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    rings: [Ring; RINGS.len()],
}

/// Slots by number, counted from the epoch in the ring's length, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ring(VecDeque<(u64, Tally)>);

impl Series {
    /// Adds what was counted until `at`. Where the clock was set back, it goes to the youngest slot there is.
    pub fn add(&mut self, at: Timestamp, tally: Tally) {
        if tally == Tally::default() {
            return;
        }
        for (ring, (length, slots)) in self.rings.iter_mut().zip(RINGS) {
            ring.add(slot(at, length), tally, slots);
        }
    }

    /// What was counted within `window` before `now`, to the slot of the finest ring that reaches back so far.
    pub fn over(&self, now: Timestamp, window: Duration) -> Tally {
        self.between(now, now, window)
    }

    /// One tally for each of `points` parts of `window` before `now`, the oldest first: what a chart shows.
    pub fn points(&self, now: Timestamp, window: Duration, points: u32) -> Vec<Tally> {
        let points = points.max(1);
        let part = window / points;
        (0..points).rev().map(|back| self.between(now, now.minus(part * back), part)).collect()
    }

    /// By the hour, the oldest first, up to the hour of `last`: from the first one in which anything was counted.
    pub fn hours(&self, last: Timestamp) -> Vec<Tally> {
        let at = RINGS.len() - 1;
        let (newest, ring) = (slot(last, RINGS[at].0), &self.rings[at].0);
        let Some(first) = ring.front().map(|(first, _)| *first).filter(|first| *first <= newest) else {
            return Vec::new();
        };
        let mut hours = vec![Tally::default(); (newest - first + 1).min(RINGS[at].1 as u64) as usize];
        let most = hours.len() as u64;
        for (slot, tally) in ring.iter().filter(|(slot, _)| *slot <= newest && *slot + most > newest) {
            hours[(slot + most - 1 - newest) as usize] = *tally;
        }
        hours
    }

    /// What was counted in the time `window` that ends at `until`, both in whole slots.
    pub fn between(&self, now: Timestamp, until: Timestamp, window: Duration) -> Tally {
        let back = now.since(until) + window;
        let reach = |(length, slots): (Duration, usize)| length * (slots as u32 - 1);
        let at = RINGS.iter().position(|ring| back <= reach(*ring)).unwrap_or(RINGS.len() - 1);
        let (length, _) = RINGS[at];
        let last = slot(until, length);
        let slots = (window.as_millis().div_ceil(length.as_millis()) as u64).max(1);
        self.rings[at].between(last.saturating_sub(slots - 1), last)
    }

    /// When something was counted last, to the finest slot.
    pub fn last(&self) -> Option<Timestamp> {
        let (length, _) = RINGS[0];
        self.rings[0].0.back().map(|(slot, _)| Timestamp::from_millis(slot * length.as_millis() as u64))
    }

    /// Whether it is as this file would make it.
    pub fn is_sound(&self) -> bool {
        let sound = |(ring, (_, slots)): (&Ring, (Duration, usize))| {
            ring.0.len() <= slots && ring.0.iter().zip(ring.0.iter().skip(1)).all(|(a, b)| a.0 < b.0)
        };
        self.rings.iter().zip(RINGS).all(sound)
    }
}

impl Ring {
    fn add(&mut self, slot: u64, tally: Tally, slots: usize) {
        match self.0.back_mut() {
            Some((last, sum)) if *last >= slot => *sum += tally,
            _ => self.0.push_back((slot, tally)),
        }
        let newest = self.0.back().map_or(slot, |(last, _)| *last);
        while self.0.front().is_some_and(|(first, _)| first + slots as u64 <= newest) {
            self.0.pop_front();
        }
    }

    fn between(&self, first: u64, last: u64) -> Tally {
        let within = self.0.iter().rev().skip_while(|(slot, _)| *slot > last).take_while(|(slot, _)| *slot >= first);
        within.fold(Tally::default(), |sum, (_, tally)| sum + *tally)
    }
}

fn slot(at: Timestamp, length: Duration) -> u64 {
    at.as_millis() / length.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    fn second(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_100 + s)
    }

    #[test]
    fn a_window_has_what_was_counted_within_it() {
        let mut series = Series::default();
        for minute in 0..600 {
            series.add(second(minute * 60), Tally::new(1, 10));
        }
        let now = second(599 * 60);
        assert_eq!(series.over(now, MINUTE * 5), Tally::new(5, 50));
        assert_eq!(series.over(now, MINUTE * 60), Tally::new(60, 600));
        let half_day = series.over(now, MINUTE * 60 * 12);
        assert_eq!(half_day, Tally::new(600, 6000), "all of it");
        assert_eq!(series.over(second(2 * 86_400), MINUTE), Tally::default());
        assert_eq!(series.last(), Some(second(599 * 60)));
    }

    #[test]
    fn points_add_up() {
        let mut series = Series::default();
        for minute in 0..(3 * 1440) {
            series.add(second(minute * 60), Tally::new(0, 1));
        }
        let now = second(3 * 86_400 - 60);
        let points = series.points(now, DAY, 24);
        assert_eq!(points.len(), 24);
        let sum = points.iter().fold(Tally::default(), |sum, it| sum + *it);
        assert_eq!(sum.all, 1440);
        assert!(points.iter().all(|it| it.all == 60), "{points:?}");
    }

    #[test]
    fn a_month_is_kept_and_no_more() {
        let mut series = Series::default();
        for hour in 0..(40 * 24) {
            series.add(second(hour * 3600), Tally::new(0, 1));
        }
        assert_eq!(series.over(second(40 * 86_400 - 3600), 30 * DAY), Tally::new(0, 720));
        assert!(series.rings.iter().zip(RINGS).all(|(ring, (_, slots))| ring.0.len() <= slots));
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_and_goes_nowhere_odd() {
        let mut series = Series::default();
        series.add(second(1000), Tally::new(0, 1));
        series.add(second(0), Tally::new(1, 1));
        assert_eq!(series.over(second(1000), MINUTE), Tally::new(1, 2));
    }

    #[test]
    fn slots_out_of_order_are_not_sound() {
        let mut series = Series::default();
        series.add(second(0), Tally::new(0, 1));
        series.add(second(60), Tally::new(0, 1));
        assert!(series.is_sound());
        series.rings[0].0.swap(0, 1);
        assert!(!series.is_sound());
    }
}
