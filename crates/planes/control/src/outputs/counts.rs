//! What became of events for each output.

use bartizan_core::balance::Arrow;
use bartizan_events::{Events, Unread};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Of the events of one block, counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The receiver has them.
    pub(super) stored: u64,
    /// They were not asked for.
    pub(super) filtered: u64,
    /// The receiver will never take them.
    pub(super) rejected: u64,
}

/// By output, under one lock with the place of its reader, so that the sums are equal whenever they are read.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, Sent>>);

impl Counts {
    /// An output begins to count.
    pub(super) fn open(&self, name: &str) {
        self.lock().insert(name.to_owned(), Sent::default());
    }

    pub(super) fn close(&self, name: &str) {
        self.lock().remove(name);
    }

    /// A block is done with. Where it went meanwhile, it counts as missed and not as sent.
    pub(super) fn pass(&self, events: &Events, name: &str, unread: &Unread, sent: Sent) {
        let mut all = self.lock();
        if events.pass(name, unread) {
            let it = all.entry(name.to_owned()).or_default();
            it.stored += sent.stored;
            it.filtered += sent.filtered;
            it.rejected += sent.rejected;
        }
    }

    pub(crate) fn arrows(&self, events: &Events) -> Vec<Arrow> {
        let all = self.lock();
        let arrow = |(name, sent): (&String, &Sent)| {
            let reading = events.reading(name)?;
            let causes = |causes: &[(&str, u64)]| {
                causes
                    .iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(cause, count)| ((*cause).to_owned(), *count))
                    .collect()
            };
            Some(Arrow {
                arrow: format!("output.{name}"),
                received: reading.received,
                stored: sent.stored,
                refused: causes(&[("filtered", sent.filtered), ("rejected", sent.rejected)]),
                dropped: causes(&[("missed", reading.missed)]),
                waiting: reading.waiting,
            })
        };
        all.iter().filter_map(arrow).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sent>> {
        self.0.lock().expect("nothing panics while it holds the counts")
    }
}
