//! What is remembered for minutes, in memory alone: codes, pushed requests, devices. A restart loses them, and whoever waits begins
//! again.

use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shortest time between two looks for what is over, where there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// States under the hashes of what names them: who reads this memory cannot use what it finds.
#[derive(Debug)]
pub(super) struct Once<T> {
    most: usize,
    held: Mutex<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    states: HashMap<[u8; 32], (T, Timestamp)>,
    swept: Timestamp,
}

/// There is no room. Whoever asks may try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl<T> Once<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(Held { states: HashMap::new(), swept: Timestamp::default() }) }
    }

    /// Remembers `state` under `name` until `until`.
    pub(super) fn put(&self, name: &str, state: T, until: Timestamp, now: Timestamp) -> Result<(), NoRoom> {
        let mut held = self.lock();
        if held.states.len() >= self.most {
            if now.since(held.swept) < SWEEP_EVERY {
                return Err(NoRoom);
            }
            held.swept = now;
            held.states.retain(|_, (_, until)| now < *until);
            if held.states.len() >= self.most {
                return Err(NoRoom);
            }
        }
        held.states.insert(key(name), (state, until));
        Ok(())
    }

    /// Looks at what is under `name` and decides what stays there, for how long: one at a time. `None` where nothing is.
    pub(super) fn change<A>(
        &self,
        name: &str,
        now: Timestamp,
        change: impl FnOnce(T, Timestamp) -> (Option<(T, Timestamp)>, A),
    ) -> Option<A> {
        let mut held = self.lock();
        let (state, until) = held.states.remove(&key(name)).filter(|(_, until)| now < *until)?;
        let (next, answer) = change(state, until);
        if let Some(next) = next {
            held.states.insert(key(name), next);
        }
        Some(answer)
    }

    /// Takes what is under `name`, where `wanted` says so; it stays otherwise.
    pub(super) fn take(&self, name: &str, now: Timestamp, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        self.change(name, now, |state, until| match wanted(&state) {
            true => (None, Some(state)),
            false => (Some((state, until)), None),
        })?
    }

    /// A copy of what is under `name`.
    pub(super) fn get(&self, name: &str, now: Timestamp) -> Option<T>
    where
        T: Clone,
    {
        self.lock().states.get(&key(name)).filter(|(_, until)| now < *until).map(|(state, _)| state.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        // Every change leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str) -> [u8; 32] {
    hash::sha256(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    #[test]
    fn what_is_taken_is_gone_and_what_is_over_was_never_there() {
        let once = Once::new(2);
        once.put("a", 1, at(10), at(0)).unwrap();
        assert_eq!(once.take("b", at(0), |_| true), None);
        assert_eq!(once.take("a", at(0), |_| false), None, "it stays");
        assert_eq!(once.get("a", at(9)), Some(1));
        assert_eq!(once.get("a", at(10)), None);
        assert_eq!(once.take("a", at(9), |_| true), Some(1));
        assert_eq!(once.take("a", at(9), |_| true), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_nothing_that_counts() {
        let once = Once::new(2);
        once.put("a", 1, at(10), at(0)).unwrap();
        once.put("b", 2, at(20), at(0)).unwrap();
        assert_eq!(once.put("c", 3, at(20), at(5)), Err(NoRoom));
        once.put("c", 3, at(20), at(10)).unwrap();
        assert_eq!((once.get("a", at(1)), once.get("b", at(10))), (None, Some(2)));
        assert_eq!(once.put("d", 4, at(20), at(10)), Err(NoRoom), "looked just now");
    }

    #[test]
    fn a_change_says_what_stays() {
        let once = Once::new(2);
        once.put("a", 1, at(10), at(0)).unwrap();
        let added = once.change("a", at(1), |n, until| (Some((n + 1, until)), n));
        assert_eq!((added, once.get("a", at(1))), (Some(1), Some(2)));
        assert_eq!(once.change("a", at(1), |_, _| (None::<(i32, _)>, ())), Some(()));
        assert_eq!(once.get("a", at(1)), None);
    }
}
