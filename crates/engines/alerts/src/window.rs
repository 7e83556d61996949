//! How many there were in some time until now.

use crate::limits::WINDOW_SLOTS;
use bartizan_core::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Counts within a window, in slots of a sixtieth of it.
#[derive(Clone, Debug)]
pub struct Window {
    slot_ms: u64,
    slots: VecDeque<(u64, u64)>,
    /// The sum of the slots, so that nobody adds them up for each event.
    sum: u64,
    total: u64,
    last: Timestamp,
}

impl Window {
    /// One over the last `within`.
    pub fn new(within: Duration) -> Self {
        let ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        Self {
            slot_ms: ms.div_ceil(WINDOW_SLOTS).max(1),
            slots: VecDeque::new(),
            sum: 0,
            total: 0,
            last: Timestamp::default(),
        }
    }

    /// Counts some. Where the clock was set back they go to the youngest slot.
    pub fn add(&mut self, at: Timestamp, count: u64) {
        let slot = at.as_millis() / self.slot_ms;
        match self.slots.back_mut() {
            Some((last, sum)) if *last >= slot => *sum += count,
            _ => self.slots.push_back((slot, count)),
        }
        self.sum += count;
        self.total += count;
        self.last = self.last.max(at);
        self.forget(at);
    }

    /// How many there were until `now`.
    pub fn count(&mut self, now: Timestamp) -> u64 {
        self.forget(now);
        self.sum
    }

    /// How many there ever were.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When the last one was.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    fn forget(&mut self, now: Timestamp) {
        let oldest = (now.as_millis() / self.slot_ms).saturating_sub(WINDOW_SLOTS - 1);
        while self.slots.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.sum -= self.slots.pop_front().map_or(0, |(_, count)| count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let at = |s: u64| Timestamp::from_secs(1_700_000_000 + s);
        let mut window = Window::new(Duration::from_secs(60));
        for s in 0..100 {
            window.add(at(s), 1);
        }
        assert_eq!((window.count(at(99)), window.total()), (60, 100));
        assert_eq!(window.count(at(129)), 30);
        assert_eq!(window.count(at(1000)), 0);
    }

    proptest! {
        /// Against a list of all of them; an edge is exact to a slot.
        #[test]
        fn counts_as_a_list_would(steps in proptest::collection::vec((0u64..5_000, 1u64..5), 1..200), within_s in 1u64..600) {
            let (mut window, mut all, mut now) = (Window::new(Duration::from_secs(within_s)), Vec::new(), 1_700_000_000_000);
            let slot = (within_s * 1000).div_ceil(WINDOW_SLOTS);
            for (step, count) in steps {
                now += step;
                window.add(Timestamp::from_millis(now), count);
                all.push((now, count));
                let counted = window.count(Timestamp::from_millis(now));
                let over = |ms: u64| all.iter().filter(|(at, _)| *at + ms > now).map(|(_, count)| count).sum::<u64>();
                prop_assert!(counted <= over(within_s * 1000 + slot) && counted >= over((within_s * 1000).saturating_sub(slot)));
            }
        }
    }
}
