//! What a leader knows of the others.

use crate::types::{Member, Members};
use std::collections::BTreeMap;

/// How one of the others stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Its log is ours up to here.
    pub(crate) matched: u64,
    /// What it is sent next.
    pub(crate) next: u64,
    /// Whether something is on its way to it; only heartbeats send it again.
    pub(crate) waiting: bool,
    /// Our clock when we sent the newest message that it answered.
    pub(crate) answered_ms: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Leading {
    pub(crate) all: BTreeMap<Member, Progress>,
    /// The first entry of ours.
    pub(crate) first: u64,
    /// When we began.
    pub(crate) since_ms: u64,
    /// When we have to say that we are there.
    pub(crate) beat_ms: u64,
}

impl Leading {
    pub(crate) fn new(members: &Members, first: u64, now_ms: u64) -> Self {
        let progress = Progress { matched: 0, next: first, waiting: false, answered_ms: None };
        let all = members.others().iter().map(|member| (*member, progress)).collect();
        Self { all, first, since_ms: now_ms, beat_ms: now_ms }
    }

    /// The largest number that a majority has, us included, who have all up to `own`.
    pub(crate) fn held_by_majority(&self, members: &Members, own: u64) -> u64 {
        let mut held: Vec<u64> = self.all.values().map(|it| it.matched).chain([own]).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        held[members.majority() - 1]
    }

    /// The newest moment of our clock at which we sent something that a majority has taken; now, where we are alone.
    pub(crate) fn answered_by_majority_ms(&self, members: &Members, now_ms: u64) -> Option<u64> {
        let mut answered: Vec<u64> = self.all.values().filter_map(|it| it.answered_ms).chain([now_ms]).collect();
        answered.sort_unstable_by(|a, b| b.cmp(a));
        answered.get(members.majority() - 1).copied()
    }
}
