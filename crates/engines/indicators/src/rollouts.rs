//! Snapshots that were published, and which of them a guard refused: each counts once, also after a restart.

use crate::limits::{RINGS, ROLLOUTS_MAX};
use crate::tally::Tally;
use bartizan_core::Timestamp;
use bartizan_core::snapshot::{Epoch, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest snapshots, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollouts {
    known: BTreeMap<(Kind, Epoch), Rollout>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rollout {
    at: Timestamp,
    refused: bool,
}

impl Rollouts {
    /// A snapshot is published: one of all from its beginning on, whatever becomes of it.
    pub fn published(&mut self, kind: Kind, epoch: Epoch, now: Timestamp) -> Tally {
        if self.known.contains_key(&(kind, epoch)) {
            return Tally::default();
        }
        self.note(kind, epoch, Rollout { at: now, refused: false });
        Tally::new(0, 1)
    }

    /// A guard refused it: bad, once, however many refuse it. A guard that refuses it long after it was published counts as another
    /// attempt, so that in no window more are bad than there are.
    pub fn refused(&mut self, kind: Kind, epoch: Epoch, now: Timestamp) -> Tally {
        let before = self.known.get(&(kind, epoch)).copied();
        if before.is_some_and(|it| it.refused) {
            return Tally::default();
        }
        let at = before.map_or(now, |it| it.at);
        self.note(kind, epoch, Rollout { at, refused: true });
        let counted =
            before.is_some_and(|it| RINGS.iter().all(|(length, _)| slot(it.at, *length) == slot(now, *length)));
        Tally::new(1, u64::from(!counted))
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn note(&mut self, kind: Kind, epoch: Epoch, rollout: Rollout) {
        self.known.insert((kind, epoch), rollout);
        // Of each kind the newest epochs stay: guards hear of no others.
        while self.known.len() > ROLLOUTS_MAX {
            let oldest = self.known.iter().min_by_key(|(_, it)| it.at).map(|(key, _)| *key);
            oldest.map(|key| self.known.remove(&key));
        }
    }
}

fn slot(at: Timestamp, length: std::time::Duration) -> u64 {
    at.as_millis() / length.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_002_800 + s)
    }

    #[test]
    fn a_snapshot_counts_once_however_many_publish_and_refuse_it() {
        let mut rollouts = Rollouts::default();
        let (kind, epoch) = (Kind::Policies, Epoch(7));
        assert_eq!(rollouts.published(kind, epoch, at(1)), Tally::new(0, 1));
        assert_eq!(rollouts.published(kind, epoch, at(2)), Tally::default(), "control began anew");
        assert_eq!(rollouts.refused(kind, epoch, at(3)), Tally::new(1, 0));
        assert_eq!(rollouts.refused(kind, epoch, at(4)), Tally::default(), "another guard");
        assert_eq!(
            rollouts.refused(Kind::Directory, epoch, at(4)),
            Tally::new(1, 1),
            "nobody said that it was published"
        );
        assert_eq!(rollouts.published(Kind::Directory, epoch, at(5)), Tally::default());
    }

    #[test]
    fn in_no_window_more_are_refused_than_there_are() {
        let mut rollouts = Rollouts::default();
        assert_eq!(rollouts.published(Kind::Policies, Epoch(1), at(0)), Tally::new(0, 1));
        assert_eq!(rollouts.refused(Kind::Policies, Epoch(1), at(7200)), Tally::new(1, 1), "two hours later");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut rollouts = Rollouts::default();
        for n in 0..ROLLOUTS_MAX as u64 + 50 {
            rollouts.published(Kind::Directory, Epoch(n), at(0).plus(Duration::from_secs(n)));
        }
        assert_eq!(rollouts.len(), ROLLOUTS_MAX);
        assert_eq!(rollouts.published(Kind::Directory, Epoch(ROLLOUTS_MAX as u64 + 49), at(9)), Tally::default());
    }
}
