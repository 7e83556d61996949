//! How much one caller may take: connections, streams and messages, by process and by user. No clock in here.

use crate::limits::{
    CALLS_BURST, CALLS_PER_S, CONNECTIONS_PER_PID_MAX, CONNECTIONS_PER_UID_MAX, RATES_MAX, STREAMS_PER_PID_MAX,
    STREAMS_PER_UID_MAX,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Connection,
    Stream,
}

impl What {
    /// Most of one process, and of one user.
    fn most(self) -> (u32, u32) {
        match self {
            Self::Connection => (CONNECTIONS_PER_PID_MAX, CONNECTIONS_PER_UID_MAX),
            Self::Stream => (STREAMS_PER_PID_MAX, STREAMS_PER_UID_MAX),
        }
    }
}

/// Knows what everybody has taken.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_pid: HashMap<(What, i32), u32>,
    by_uid: HashMap<(What, u32), u32>,
    rates: HashMap<i32, Rate>,
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    left: f64,
    at: Instant,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    what: What,
    pid: i32,
    uid: u32,
}

impl Gate {
    /// Takes a place; `None` where process or user has too many.
    pub(super) fn enter(self: &Arc<Self>, what: What, pid: i32, uid: u32) -> Option<Slot> {
        let mut inner = self.lock();
        let (pid_most, uid_most) = what.most();
        let of_pid = inner.by_pid.get(&(what, pid)).copied().unwrap_or(0);
        let of_uid = inner.by_uid.get(&(what, uid)).copied().unwrap_or(0);
        if of_pid >= pid_most || of_uid >= uid_most {
            return None;
        }
        inner.by_pid.insert((what, pid), of_pid + 1);
        inner.by_uid.insert((what, uid), of_uid + 1);
        Some(Slot { gate: Arc::clone(self), what, pid, uid })
    }

    /// Counts a message of a process; false where there were too many of late.
    pub(super) fn hear(&self, pid: i32, now: Instant) -> bool {
        let mut inner = self.lock();
        let full = f64::from(CALLS_BURST);
        let left = |rate: &Rate| {
            let since = now.saturating_duration_since(rate.at).as_secs_f64();
            (rate.left + since * f64::from(CALLS_PER_S)).min(full)
        };
        if inner.rates.len() >= RATES_MAX {
            inner.rates.retain(|_, rate| left(rate) < full); // the others are as new
        }
        let before = inner.rates.get(&pid).map_or(full, left);
        let allowed = before >= 1.0;
        // Where so many were busy at once, a new one is not remembered, which lets it through: its connections are counted.
        if inner.rates.len() < RATES_MAX || inner.rates.contains_key(&pid) {
            let left = if allowed { before - 1.0 } else { before };
            inner.rates.insert(pid, Rate { left, at: now });
        }
        allowed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        let Inner { by_pid, by_uid, .. } = &mut *inner;
        leave(by_pid, (self.what, self.pid));
        leave(by_uid, (self.what, self.uid));
    }
}

fn leave<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    match counts.get_mut(&key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_has_taken_much_gets_no_more_and_others_do() {
        let gate = Arc::new(Gate::default());
        let taken: Vec<_> =
            (0..CONNECTIONS_PER_PID_MAX).map(|_| gate.enter(What::Connection, 7, 1000).unwrap()).collect();
        assert!(gate.enter(What::Connection, 7, 1000).is_none());
        assert!(gate.enter(What::Connection, 8, 1000).is_some(), "another process");
        assert!(gate.enter(What::Stream, 7, 1000).is_some(), "something else");
        drop(taken);
        assert!(gate.enter(What::Connection, 7, 1000).is_some(), "places come back");
        assert!(gate.lock().by_pid.is_empty() && gate.lock().by_uid.is_empty(), "nothing is left behind");
    }

    #[test]
    fn many_processes_of_one_user_leave_room_for_another_user() {
        let gate = Arc::new(Gate::default());
        let pids = i32::try_from(CONNECTIONS_PER_UID_MAX).unwrap();
        let _taken: Vec<_> = (0..pids).map(|pid| gate.enter(What::Connection, pid, 1000).unwrap()).collect();
        assert!(gate.enter(What::Connection, pids, 1000).is_none());
        assert!(gate.enter(What::Connection, pids, 1001).is_some());
    }

    #[test]
    fn messages_are_bounded_over_time() {
        let (gate, now) = (Gate::default(), Instant::now());
        assert!((0..CALLS_BURST).all(|_| gate.hear(7, now)));
        assert!(!gate.hear(7, now));
        assert!(gate.hear(8, now), "another process");
        let later = now + Duration::from_secs(1);
        assert!((0..CALLS_PER_S).all(|_| gate.hear(7, later)));
        assert!(!gate.hear(7, later));
    }
}
