//! Whether one more request goes to a service now.

use super::{Capacity, Usual};
use crate::limits::{OVERLOAD_CLIENTS, OVERLOAD_QUIET};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces of what is remembered of clients, with a lock each, a count.
const SHARDS: usize = 16;

/// Who is let through to one service.
#[derive(Debug)]
pub struct Admission {
    capacity: Mutex<Capacity>,
    /// What `capacity` says, to be read without waiting.
    limit: AtomicU32,
    under_way: AtomicU32,
    usual: [Mutex<Usual>; SHARDS],
    hash: RandomState,
    refused: AtomicU64,
    /// Milliseconds at which the last one was refused, and one more; 0 for never.
    refused_ms: AtomicU64,
}

/// A request under way, until the head of its answer is there or it is dropped.
#[derive(Debug)]
pub struct Admitted {
    by: Arc<Admission>,
    began_ns: u64,
}

impl Default for Admission {
    fn default() -> Self {
        let capacity = Capacity::default();
        Self {
            limit: AtomicU32::new(capacity.limit()),
            capacity: Mutex::new(capacity),
            under_way: AtomicU32::new(0),
            usual: std::array::from_fn(|_| Mutex::new(Usual::new(OVERLOAD_CLIENTS / SHARDS))),
            hash: RandomState::new(),
            refused: AtomicU64::new(0),
            refused_ms: AtomicU64::new(0),
        }
    }
}

impl Admission {
    /// One more request of `client`; `None` where there are too many already.
    ///
    /// Who comes as usual may have half as much again as the service bears well; all others share three quarters of that, so that
    /// there is always room for the former.
    pub fn admit(self: &Arc<Self>, client: impl Hash, now_ns: u64) -> Option<Admitted> {
        let now_ms = now_ns / 1_000_000;
        let refused_ms = self.refused_ms.load(Relaxed);
        let calm = refused_ms == 0 || now_ms.saturating_sub(refused_ms) > OVERLOAD_QUIET.as_millis() as u64;
        let key = self.hash.hash_one(client);
        let shard = &self.usual[key as usize % SHARDS];
        let as_usual = shard.lock().unwrap_or_else(PoisonError::into_inner).comes(key, now_ms, calm);
        let limit = self.limit.load(Relaxed);
        let most = if as_usual { limit + limit / 2 } else { limit - limit / 4 };
        let room = self.under_way.fetch_update(Relaxed, Relaxed, |count| (count < most).then_some(count + 1));
        if room.is_err() {
            self.refused.fetch_add(1, Relaxed);
            self.refused_ms.store(now_ms.max(1), Relaxed);
            return None;
        }
        Some(Admitted { by: Arc::clone(self), began_ns: now_ns })
    }

    /// Requests that were refused, a count.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Requests that the service bears well at once, as far as is known, and those under way, a count each.
    pub fn stands(&self) -> (u32, u32) {
        (self.limit.load(Relaxed), self.under_way.load(Relaxed))
    }
}

impl Admitted {
    /// The head of its answer is there.
    pub fn answered(self, now_ns: u64) {
        let by = &self.by;
        let under_way = by.under_way.load(Relaxed);
        let mut capacity = by.capacity.lock().unwrap_or_else(PoisonError::into_inner);
        capacity.answered(now_ns.saturating_sub(self.began_ns), now_ns, under_way);
        by.limit.store(capacity.limit(), Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.by.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_those_who_come_as_usual() {
        let admission = Arc::new(Admission::default());
        let second = 1_000_000_000u64;
        for n in 0..40 {
            admission.admit("known", n * second / 4).unwrap().answered(n * second / 4 + 1000);
        }
        let now = 10 * second;
        let strangers: Vec<_> = (0..100).filter_map(|n| admission.admit(n, now)).collect();
        assert_eq!(strangers.len(), 24, "three quarters of 32");
        let known: Vec<_> = (0..4).filter_map(|_| admission.admit("known", now)).collect();
        assert_eq!(known.len(), 4);
        assert!(admission.admit("stranger", now).is_none());
        assert_eq!((admission.refused(), admission.stands().1), (77, 28));
        drop((strangers, known));
        assert_eq!(admission.stands().1, 0);
    }
}
