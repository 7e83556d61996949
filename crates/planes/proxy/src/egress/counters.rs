//! What went out, counted; and which destinations are known.

use crate::limits;
use bartizan_core::egress::Refusal;
use bartizan_core::stats::EgressStats;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Totals of one guard since it started. Off the hot path of calls between services, so one lock does.
#[derive(Debug, Default)]
pub struct Counters {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stats: EgressStats,
    seen: HashSet<(Box<str>, u16)>,
}

impl Counters {
    /// The totals so far.
    pub fn stats(&self) -> EgressStats {
        self.lock().stats.clone()
    }

    /// True the first time that a destination is named.
    pub(super) fn is_new(&self, destination: &str, port: u16) -> bool {
        let mut inner = self.lock();
        if inner.seen.len() >= limits::EGRESS_SEEN_MAX {
            return false;
        }
        let new = inner.seen.insert((destination.into(), port));
        inner.stats.destinations += u64::from(new);
        new
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        *self.lock().stats.refused.entry(refusal).or_default() += 1;
    }

    pub(super) fn looked_up(&self) {
        self.lock().stats.lookups += 1;
    }

    pub(super) fn failed(&self) {
        self.lock().stats.failed += 1;
    }

    pub(super) fn passed(&self, learned: bool, bytes_up: u64, bytes_down: u64) {
        let stats = &mut self.lock().stats;
        stats.passed += 1;
        stats.learned += u64::from(learned);
        stats.bytes_up += bytes_up;
        stats.bytes_down += bytes_down;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Sums and a set: whole whatever happened to whoever held it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
