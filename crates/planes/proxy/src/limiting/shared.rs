//! Counts that several guards share. Each counts by itself, at once and without asking anybody; what it counted goes to one place a
//! few times a second, and comes back as what all of them counted.
//!
//! How far that is from one count: N guards let through at most N bursts where one would let through one, once; whoever took too much
//! owes it, since every guard that took part keeps looking until all of it has come back. From then on it is what the others let
//! through since the last look. Where the place does not answer, each guard is left with its own.

use super::Now;
use crate::limits::{COUNTS_ACTIVE_MAX, COUNTS_LOST, COUNTS_PAUSE};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The name of a count in the common place: a hash, so that nobody reads users' names there.
pub type Id = [u8; 16];

/// The shared side of one limit.
#[derive(Debug)]
pub struct Shared {
    active: Mutex<HashMap<u64, Active>>,
    /// When the place last answered, on the steady clock; at first, when this was made.
    heard_ns: AtomicU64,
}

/// A count that somebody used lately.
#[derive(Clone, Copy, Debug)]
struct Active {
    id: Id,
    /// Units that nobody was told of yet.
    pending: i64,
    /// Units on their way.
    sent: i64,
    /// Until when it is worth looking at: then all of it has come back, as far as is known. Of the limit's own clock.
    until: u64,
}

/// One count to be told and asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it stands in this guard.
    pub key: u64,
    /// Where it stands in the common place.
    pub id: Id,
    /// Units.
    pub units: i64,
}

impl Shared {
    /// Nothing counted, the place heard of just now.
    pub fn new(now: Now) -> Self {
        Self { active: Mutex::default(), heard_ns: AtomicU64::new(now.steady_ns) }
    }

    /// Whether the place has not answered for too long.
    pub fn is_lost(&self, now: Now) -> bool {
        self.silence_ns(now) > u64::try_from(COUNTS_LOST.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Nanoseconds since the place answered.
    pub fn silence_ns(&self, now: Now) -> u64 {
        now.steady_ns.saturating_sub(self.heard_ns.load(Relaxed))
    }

    /// It answered.
    pub fn heard(&self, now: Now) {
        self.heard_ns.store(now.steady_ns, Relaxed);
    }

    /// Units were taken, or given back. Where too many counts are in use, this one stays with this guard.
    pub fn note(&self, key: u64, units: i64, until: u64, id: impl FnOnce() -> Id) {
        let mut active = self.lock();
        if let Some(known) = active.get_mut(&key) {
            known.pending += units;
            known.until = known.until.max(until);
        } else if active.len() < COUNTS_ACTIVE_MAX {
            active.insert(key, Active { id: id(), pending: units, sent: 0, until });
        }
    }

    /// At most `most` counts to be told and asked. `clock` is what `until` is of.
    pub fn batch(&self, clock: u64, most: usize) -> Vec<Told> {
        let mut active = self.lock();
        active.retain(|_, it| it.pending != 0 || it.sent != 0 || it.until > clock);
        let mut batch = Vec::new();
        for (key, it) in active.iter_mut().filter(|(_, it)| it.sent == 0).take(most) {
            it.sent = std::mem::take(&mut it.pending);
            batch.push(Told { key: *key, id: it.id, units: it.sent });
        }
        batch
    }

    /// A count came back; units that were taken since. `None` where nobody uses it any more.
    pub fn settle(&self, key: u64, until: u64) -> Option<i64> {
        let mut active = self.lock();
        let it = active.get_mut(&key)?;
        it.sent = 0;
        it.until = it.until.max(until);
        Some(it.pending)
    }

    /// A count was not told: its units wait for the next time.
    pub fn unsent(&self, key: u64) {
        if let Some(it) = self.lock().get_mut(&key) {
            it.pending += std::mem::take(&mut it.sent);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Active>> {
        // Every change leaves it whole.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest time that units can have been counted and not told while the place answers, in nanoseconds.
pub(super) fn told_within_ns(silence_ns: u64) -> u64 {
    let most = u64::try_from(COUNTS_LOST.as_nanos()).unwrap_or(u64::MAX);
    silence_ns.clamp(u64::try_from(COUNTS_PAUSE.as_nanos()).unwrap_or(0), most)
}
