//! Where every event ended up. One lock, so that the sums balance whenever they are read.

use crate::limits::EVENTS_WAITING_MAX;
use bartizan_core::status::StoreStatus;
use bartizan_events::Appended;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Why events are nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// More came than could be stored.
    QueueFull,
    /// There is no space on the disk, or events have filled theirs.
    DiskFull,
    /// The store failed in another way.
    StoreFailed,
    /// Not an event, too long, or written in another service's name.
    Unreadable,
}

impl Loss {
    /// The word used as a label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::DiskFull => "disk_full",
            Self::StoreFailed => "store_failed",
            Self::Unreadable => "unreadable",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    offered: u64,
    stored: u64,
    known: u64,
    lost: BTreeMap<Loss, u64>,
    waiting: u64,
    reason: Option<String>,
    /// Of those lost, what tells of a decision or is about security; never left out by choice, so that this is 0 unless something failed.
    security_lost: u64,
    /// The last attempt to store found no room.
    is_full: bool,
}

impl Counters {
    /// Takes `count` events in, of which so many are about security. False: there is no room, they are lost already.
    pub(crate) fn enter(&self, count: u64, security: u64) -> bool {
        let mut inner = self.lock();
        inner.offered += count;
        if inner.waiting + count > EVENTS_WAITING_MAX as u64 {
            *inner.lost.entry(Loss::QueueFull).or_default() += count;
            inner.security_lost += security;
            return false;
        }
        inner.waiting += count;
        true
    }

    /// Events that never were in the queue.
    pub(crate) fn lose_at_once(&self, count: u64, why: Loss) {
        let mut inner = self.lock();
        inner.offered += count;
        inner.security_lost += count; // nobody can say what they were
        *inner.lost.entry(why).or_default() += count;
    }

    /// A batch is in the store. True where the one before was not.
    pub(crate) fn stored(&self, appended: Appended) -> bool {
        let mut inner = self.lock();
        inner.waiting -= appended.new + appended.known;
        inner.stored += appended.new;
        inner.known += appended.known;
        inner.is_full = false;
        inner.reason.take().is_some()
    }

    /// A batch is not in the store and never will be. True where the one before was.
    pub(crate) fn lost(&self, count: u64, security: u64, why: Loss, reason: String) -> bool {
        let mut inner = self.lock();
        inner.waiting -= count;
        inner.security_lost += security;
        inner.is_full = why == Loss::DiskFull;
        *inner.lost.entry(why).or_default() += count;
        inner.reason.replace(reason).is_none()
    }

    pub(crate) fn status(&self) -> StoreStatus {
        let inner = self.lock();
        StoreStatus {
            offered: inner.offered,
            stored: inner.stored,
            known: inner.known,
            lost: inner.lost.iter().map(|(why, count)| (why.as_str().to_owned(), *count)).collect(),
            waiting: inner.waiting,
            reason: inner.reason.clone(),
        }
    }

    /// Lost events that tell of a decision or are about security, a count.
    pub(crate) fn security_lost(&self) -> u64 {
        self.lock().security_lost
    }

    /// Whether the last attempt to store found no room.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().is_full
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the counters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(counters: &Counters) -> StoreStatus {
        let s = counters.status();
        assert_eq!(s.offered, s.stored + s.known + s.lost_total() + s.waiting, "{s:?}");
        s
    }

    #[test]
    fn the_sums_balance_on_every_way() {
        let counters = Counters::default();
        assert!(counters.enter(10, 10) && counters.enter(5, 2));
        balanced(&counters);
        assert!(!counters.stored(Appended { new: 8, known: 2 }), "nothing had failed before");
        assert_eq!((counters.security_lost(), counters.is_full()), (0, false));
        assert!(counters.lost(5, 2, Loss::DiskFull, "full".to_owned()), "the first failure");
        assert_eq!((counters.security_lost(), counters.is_full()), (2, true));
        counters.lose_at_once(3, Loss::Unreadable);
        let status = balanced(&counters);
        assert_eq!((status.stored, status.known, status.lost_total(), status.waiting), (8, 2, 8, 0));
        assert_eq!(status.reason.as_deref(), Some("full"));

        assert_eq!(counters.security_lost(), 5, "nobody can say what could not be read");
        assert!(counters.enter(2, 2));
        assert!(counters.stored(Appended { new: 2, known: 0 }), "it works again");
        assert_eq!(balanced(&counters).reason, None);
        assert_eq!((counters.security_lost(), counters.is_full()), (5, false));
    }

    #[test]
    fn a_full_queue_loses_the_whole_batch_and_says_so() {
        let counters = Counters::default();
        assert!(counters.enter(EVENTS_WAITING_MAX as u64, 0));
        assert!(!counters.enter(1, 1));
        assert_eq!((counters.security_lost(), counters.is_full()), (1, false));
        assert_eq!(balanced(&counters).lost, BTreeMap::from([("queue_full".to_owned(), 1)]));
    }
}
