//! Which events are in the log already: a batch whose confirmation was lost is sent again.
//!
//! The events of one process are numbered in order, so that a range or two hold all of them. Bounded: what was written by
//! processes that ended long ago is forgotten, and would be stored again if it came again.

use crate::limits::{KNOWN_PROCESSES, KNOWN_RANGES};
use bartizan_core::event::EventId;
use std::collections::HashMap;

/// First and last number of events without a gap.
type Range = (u64, u64);

/// The ids in the log, of the processes that wrote last.
#[derive(Debug, Default)]
pub struct Known {
    new: HashMap<u64, Vec<Range>>,
    old: HashMap<u64, Vec<Range>>,
}

impl Known {
    /// Whether an event of this id is there.
    pub fn has(&self, id: EventId) -> bool {
        let of = |map: &HashMap<u64, Vec<Range>>| map.get(&id.0).is_some_and(|ranges| within(ranges, id.1));
        of(&self.new) || of(&self.old)
    }

    /// Notes an event.
    pub fn note(&mut self, EventId(process, number): EventId) {
        if !self.new.contains_key(&process) {
            if self.new.len() >= KNOWN_PROCESSES {
                self.old = std::mem::take(&mut self.new);
            }
            let ranges = self.old.remove(&process).unwrap_or_default();
            self.new.insert(process, ranges);
        }
        if let Some(ranges) = self.new.get_mut(&process) {
            add(ranges, number);
        }
    }
}

fn within(ranges: &[Range], number: u64) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    after > 0 && number <= ranges[after - 1].1
}

/// Ranges stay in order and apart. Where there are too many, the lowest two become one: what is missing between them was
/// lost before it came here.
fn add(ranges: &mut Vec<Range>, number: u64) {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    if after > 0 && number <= ranges[after - 1].1 {
        return;
    }
    let joins_below = after > 0 && ranges[after - 1].1.checked_add(1) == Some(number);
    let joins_above = ranges.get(after).is_some_and(|(first, _)| number.checked_add(1) == Some(*first));
    match (joins_below, joins_above) {
        (true, true) => {
            ranges[after - 1].1 = ranges[after].1;
            ranges.remove(after);
        }
        (true, false) => ranges[after - 1].1 = number,
        (false, true) => ranges[after].0 = number,
        (false, false) => ranges.insert(after, (number, number)),
    }
    if ranges.len() > KNOWN_RANGES {
        ranges[1].0 = ranges[0].0;
        ranges.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_processes_are_forgotten_and_the_rest_is_not() {
        let mut known = Known::default();
        let all = KNOWN_PROCESSES as u64 * 2 + 1;
        (0..all).for_each(|process| known.note(EventId(process, 5)));
        assert!(known.new.len() <= KNOWN_PROCESSES && known.old.len() <= KNOWN_PROCESSES);
        assert!(known.has(EventId(all - 1, 5)) && known.has(EventId(KNOWN_PROCESSES as u64, 5)));
        assert!(!known.has(EventId(0, 5)) && !known.has(EventId(all - 1, 6)));
    }

    proptest! {
        #[test]
        fn it_knows_what_it_was_told(numbers in proptest::collection::vec(0u64..60, 0..80), edge in any::<bool>()) {
            let mut known = Known::default();
            let number = |n: u64| if edge { u64::MAX - n } else { n };
            numbers.iter().for_each(|n| known.note(EventId(1, number(*n))));
            for n in 0..60 {
                prop_assert_eq!(known.has(EventId(1, number(n))), numbers.contains(&n), "{}", n);
            }
            prop_assert!(known.new.values().all(|ranges| ranges.is_sorted_by(|a, b| a.1 + 1 < b.0)));
        }

        #[test]
        fn gaps_are_bounded(step in 2u64..9) {
            let mut known = Known::default();
            (0..200).for_each(|n| known.note(EventId(1, n * step)));
            prop_assert!(known.new[&1].len() <= KNOWN_RANGES);
            prop_assert!((0..200).all(|n| known.has(EventId(1, n * step))));
        }
    }
}
