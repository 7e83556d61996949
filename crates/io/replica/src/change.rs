//! What is kept, and what comes of one change after the other.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who got the vote in which term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The newest term that was heard of.
    pub term: u64,
    /// The member's number.
    pub member: Option<u8>,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The term of the entry there.
    pub term: u64,
    /// Its number, from 1.
    pub index: u64,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that added it.
    pub term: u64,
    /// What it says.
    pub data: Arc<[u8]>,
}

/// What is kept together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The vote, where it is another.
    pub vote: Option<Vote>,
    /// Entries from this one on are void.
    pub cut: Option<u64>,
    /// The number of the first of `append`.
    pub first: u64,
    /// Entries behind those that are left.
    pub append: Vec<Entry>,
}

impl Change {
    /// Whether there is nothing to be kept.
    pub fn is_empty(&self) -> bool {
        self.vote.is_none() && self.cut.is_none() && self.append.is_empty()
    }
}

/// What a member begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The folder was empty and should not have been, now or at an earlier start, and [`Files::is_whole`](crate::Files::is_whole)
    /// was not called since.
    pub disk_was_lost: bool,
    /// The newest vote.
    pub vote: Vote,
    /// What the state stands for.
    pub base: Place,
    /// The state; empty where there is none yet.
    pub state: Vec<u8>,
    /// The entries behind.
    pub entries: Vec<Entry>,
}

impl Found {
    /// What is there after one more change.
    ///
    /// # Errors
    /// Why the change cannot be one to this.
    pub(crate) fn take(&mut self, change: Change) -> Result<(), &'static str> {
        let Change { vote, cut, first, append } = change;
        if let Some(vote) = vote {
            if vote.term < self.vote.term {
                return Err("a vote in an older term");
            }
            self.vote = vote;
        }
        if let Some(cut) = cut {
            let place = cut.checked_sub(self.base.index.saturating_add(1)).ok_or("a cut in what is gone")?;
            self.entries.truncate(usize::try_from(place).unwrap_or(usize::MAX));
        }
        let next = self.base.index.saturating_add(1).saturating_add(self.entries.len() as u64);
        if !append.is_empty() && first != next {
            return Err("a gap in the log");
        }
        self.entries.extend(append);
        Ok(())
    }
}
