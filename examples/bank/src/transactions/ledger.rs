//! The entries, in the order in which they came. Plain values: no file, no clock, no socket.

use crate::server::Trace;
use crate::words::{Id, Key, Transfer};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One payment that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The payment's key.
    pub id: Key,
    /// What moved.
    pub transfer: Transfer,
    /// The request that entered it; its notification belongs to the same trace.
    #[serde(default)]
    pub trace: Trace,
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// A payment was entered.
    Entry(Entry),
    /// So many more entries have been told of.
    Notified(usize),
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    Now,
    /// It was there.
    Before,
    /// Its id stands for another payment.
    Differs,
}

/// What went in and out of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries that name it, a count.
    pub entries: usize,
    /// Received, in cents.
    pub in_cents: i64,
    /// Paid, in cents.
    pub out_cents: i64,
}

/// All entries.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    by_id: HashMap<Key, usize>,
    by_account: HashMap<Id, (Totals, Vec<usize>)>,
    notified: usize,
}

impl Ledger {
    /// Whether an entry is new. Its trace does not count: the same payment may be entered by another attempt.
    pub fn judge(&self, entry: &Entry) -> Entered {
        match self.by_id.get(&entry.id) {
            None => Entered::Now,
            Some(at) if self.entries[*at].transfer == entry.transfer => Entered::Before,
            Some(_) => Entered::Differs,
        }
    }

    /// Makes a record true.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Notified(count) => self.notified = (self.notified + count).min(self.entries.len()),
            Record::Entry(entry) => {
                let at = self.entries.len();
                let Transfer { from, to, cents } = &entry.transfer;
                for (id, out_cents, in_cents) in [(from, cents.get(), 0), (to, 0, cents.get())] {
                    let (totals, places) = self.by_account.entry(id.clone()).or_default();
                    totals.entries += 1;
                    totals.in_cents = totals.in_cents.saturating_add(in_cents);
                    totals.out_cents = totals.out_cents.saturating_add(out_cents);
                    places.push(at);
                }
                self.by_id.insert(entry.id, at);
                self.entries.push(entry);
            }
        }
    }

    /// The oldest entries that nobody was told of, at most `limit` (a count).
    pub fn unnotified(&self, limit: usize) -> Vec<Entry> {
        self.entries.iter().skip(self.notified).take(limit).cloned().collect()
    }

    /// Totals of an account, and its newest entries, at most `limit` (a count).
    pub fn of_account(&self, id: &Id, limit: usize) -> (Totals, Vec<Entry>) {
        self.by_account.get(id).map_or_else(Default::default, |(totals, places)| {
            (*totals, places.iter().rev().take(limit).map(|at| self.entries[*at].clone()).collect())
        })
    }

    /// How many entries there are, and of how many somebody was told.
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.notified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u128, from: &str, to: &str, cents: u64) -> Entry {
        let transfer =
            Transfer { from: Id::parse(from).unwrap(), to: Id::parse(to).unwrap(), cents: cents.try_into().unwrap() };
        Entry { id: Key::of(id), transfer, trace: Trace::default() }
    }

    fn ledger(count: u128) -> Ledger {
        let mut ledger = Ledger::default();
        (0..count).for_each(|id| ledger.apply(Record::Entry(entry(id, "a", "b", 5))));
        ledger
    }

    #[test]
    fn an_entry_is_entered_once() {
        let ledger = ledger(2);
        assert_eq!(ledger.judge(&entry(2, "a", "b", 5)), Entered::Now);
        let again =
            Entry { trace: Trace { request_id: Some("other".into()), traceparent: None }, ..entry(1, "a", "b", 5) };
        assert_eq!(ledger.judge(&again), Entered::Before);
        assert_eq!(ledger.judge(&entry(1, "a", "b", 6)), Entered::Differs);
        assert_eq!(ledger.judge(&entry(1, "b", "a", 5)), Entered::Differs);
    }

    #[test]
    fn totals_count_both_sides() {
        let mut ledger = ledger(3);
        ledger.apply(Record::Entry(entry(9, "b", "c", 7)));
        let totals = |id: &str| ledger.of_account(&Id::parse(id).unwrap(), 2);
        assert_eq!(totals("a").0, Totals { entries: 3, in_cents: 0, out_cents: 15 });
        assert_eq!(totals("b").0, Totals { entries: 4, in_cents: 15, out_cents: 7 });
        assert_eq!(totals("b").1, [entry(9, "b", "c", 7), entry(2, "a", "b", 5)]);
        assert_eq!(totals("nobody"), (Totals::default(), Vec::new()));
    }

    #[test]
    fn the_next_window_begins_after_what_was_confirmed() {
        let mut ledger = ledger(5);
        assert_eq!(ledger.unnotified(2), [entry(0, "a", "b", 5), entry(1, "a", "b", 5)]);
        ledger.apply(Record::Notified(2));
        assert_eq!(ledger.unnotified(2)[0].id, Key::of(2));
        ledger.apply(Record::Notified(3));
        assert!(ledger.unnotified(2).is_empty());
        assert_eq!(ledger.counts(), (5, 5));
    }
}
