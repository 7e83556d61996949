//! How many events of each sort lie in a partition, and from when to when: by that it is known what of it is too old, without a look at it.

use crate::event::StoredEvent;
use bartizan_core::Timestamp;
use bartizan_core::retention::Sort;
use serde::{Deserialize, Serialize};

/// Counts of events, each at the place of its sort.
pub(crate) type EachSort = [u64; Sort::COUNT];

/// See above. Another number of sorts is another form of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sorts([Option<Few>; Sort::COUNT]);

/// Those of one sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Few {
    pub(crate) events: u64,
    pub(crate) last_at: Timestamp,
}

impl Sorts {
    pub(crate) fn add(&mut self, events: &[StoredEvent]) {
        for event in events {
            let held = &mut self.0[event.sort() as usize];
            let before = held.unwrap_or(Few { events: 0, last_at: event.at });
            *held = Some(Few { events: before.events + 1, last_at: before.last_at.max(event.at) });
        }
    }

    /// The sorts of which there is anything.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Sort, Few)> {
        Sort::ALL.into_iter().filter_map(|sort| Some((sort, self.0[sort as usize]?)))
    }

    /// All of them, a count.
    pub(crate) fn events(&self) -> u64 {
        self.each().map(|(_, some)| some.events).sum()
    }

    /// By sort.
    pub(crate) fn counts(&self) -> EachSort {
        self.0.map(|some| some.map_or(0, |some| some.events))
    }
}
