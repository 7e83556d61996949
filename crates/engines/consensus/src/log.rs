//! The entries that are kept, behind those that are not any more.

use crate::limits::{MESSAGE_BYTES, MESSAGE_ENTRIES_MAX};
use crate::types::{Entry, Position};

/// A log whose beginning may be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    base: Position,
    entries: Vec<Entry>,
}

impl Log {
    /// Entries behind `base`, whose state is kept elsewhere.
    pub fn new(base: Position, entries: Vec<Entry>) -> Self {
        Self { base, entries }
    }

    /// What is gone ends here.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The last entry, or the last one that is gone.
    pub fn last(&self) -> Position {
        let index = self.base.index + self.entries.len() as u64;
        Position { term: self.entries.last().map_or(self.base.term, |entry| entry.term), index }
    }

    /// The term of an entry; `None` where it is gone or not there yet.
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.get(index).map(|entry| entry.term)
    }

    /// An entry.
    pub fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(self.place(index)?)
    }

    /// Entries from `index` on, as many as fit into a message; `None` where the first of them is gone.
    pub fn some_from(&self, index: u64) -> Option<Vec<Entry>> {
        let from = self.place(index)?.min(self.entries.len());
        let (mut bytes, mut some) = (0, Vec::new());
        for entry in self.entries[from..].iter().take(MESSAGE_ENTRIES_MAX) {
            if bytes > 0 && bytes + entry.data.len() > MESSAGE_BYTES {
                break;
            }
            bytes += entry.data.len();
            some.push(entry.clone());
        }
        Some(some)
    }

    /// Where an entry of the term of the one at `index` begins; for an answer that saves a leader one try for each entry.
    pub(crate) fn first_of_term(&self, index: u64) -> u64 {
        let Some(term) = self.term(index) else { return index };
        let mut first = index;
        while first > self.base.index + 1 && self.term(first - 1) == Some(term) {
            first -= 1;
        }
        first
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes entries from `index` on away.
    pub(crate) fn cut(&mut self, index: u64) {
        if let Some(place) = self.place(index) {
            self.entries.truncate(place);
        }
    }

    /// Forgets what is before and at `at`.
    pub(crate) fn forget(&mut self, at: Position) {
        let place = usize::try_from(at.index.saturating_sub(self.base.index)).unwrap_or(usize::MAX);
        self.entries.drain(..place.min(self.entries.len()));
        self.base = at;
    }

    /// Where in `entries`; `None` where it is gone.
    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.base.index + 1)?).ok()
    }
}
