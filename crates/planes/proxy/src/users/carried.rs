//! The tokens of the requests that a program works on, by their trace, for the calls that it makes meanwhile.

use crate::limits::CARRIED_MAX;
use bartizan_core::{RequestId, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A transaction token and the delegation of its minter, as they came.
#[derive(Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The token.
    pub token: Box<str>,
    /// The delegation.
    pub delegation: Box<str>,
    /// The first moment at which the token is not believed any more.
    pub expires: Timestamp,
}

/// What came under a trace.
#[derive(Clone, Debug)]
enum Held {
    One(Arc<Tokens>),
    /// Two users at once: which of them a call is for cannot be told, so it is for none.
    Several(Timestamp),
}

impl Held {
    fn expires(&self) -> Timestamp {
        match self {
            Self::One(tokens) => tokens.expires,
            Self::Several(until) => *until,
        }
    }
}

/// Tokens by trace, of all workers. Held until they run out, or so many came after them that the oldest have to go: a program
/// may call on after it answered.
#[derive(Debug, Default)]
pub struct Carried {
    held: Mutex<Generations>,
    /// Whether there ever was one: in a fleet without users no call waits for the lock.
    any: AtomicBool,
}

/// Once there are [`CARRIED_MAX`] new ones, they become the old ones, and those go. Nothing is ever searched for room, since this
/// stands in the way of each request of a user.
#[derive(Debug, Default)]
struct Generations {
    new: HashMap<RequestId, Held>,
    old: HashMap<RequestId, Held>,
}

impl Generations {
    fn get(&self, trace: RequestId) -> Option<&Held> {
        self.new.get(&trace).or_else(|| self.old.get(&trace))
    }

    fn put(&mut self, trace: RequestId, held: Held) {
        if self.new.len() >= CARRIED_MAX && !self.new.contains_key(&trace) {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(trace, held);
    }
}

impl Carried {
    /// Remembers what came with a request.
    pub fn remember(&self, trace: RequestId, tokens: Arc<Tokens>, now: Timestamp) {
        let mut held = self.lock();
        let before = held.get(trace).filter(|before| now < before.expires());
        let new = match before {
            Some(Held::One(before)) if before.token != tokens.token => {
                Held::Several(before.expires.max(tokens.expires))
            }
            Some(Held::Several(until)) => Held::Several(tokens.expires.max(*until)),
            _ => Held::One(tokens),
        };
        held.put(trace, new);
        self.any.store(true, Relaxed);
    }

    /// What a call in that trace is made with.
    pub fn find(&self, trace: RequestId, now: Timestamp) -> Option<Arc<Tokens>> {
        if !self.any.load(Relaxed) {
            return None;
        }
        match self.lock().get(trace)? {
            Held::One(tokens) if now < tokens.expires => Some(Arc::clone(tokens)),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Every change leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + s)
    }

    fn tokens(token: &str, until: u64) -> Arc<Tokens> {
        Arc::new(Tokens { token: token.into(), delegation: "d".into(), expires: at(until) })
    }

    fn trace(n: u8) -> RequestId {
        RequestId::from_random([n; 16])
    }

    #[test]
    fn two_users_in_one_trace_are_none_until_both_ran_out() {
        let carried = Carried::default();
        carried.remember(trace(1), tokens("alice", 60), at(0));
        carried.remember(trace(1), tokens("alice", 60), at(1));
        assert_eq!(&*carried.find(trace(1), at(2)).unwrap().token, "alice");
        carried.remember(trace(1), tokens("mallory", 50), at(3));
        assert_eq!(carried.find(trace(1), at(4)), None);
        carried.remember(trace(1), tokens("alice", 60), at(5));
        assert_eq!(carried.find(trace(1), at(6)), None, "neither comes back by asking again");
        carried.remember(trace(1), tokens("bob", 130), at(70));
        assert_eq!(&*carried.find(trace(1), at(71)).unwrap().token, "bob");
    }

    #[test]
    fn what_ran_out_is_gone_and_of_too_many_the_oldest_go() {
        let carried = Carried::default();
        carried.remember(trace(1), tokens("alice", 60), at(0));
        assert_eq!(carried.find(trace(1), at(60)), None);
        assert_eq!(carried.find(trace(2), at(0)), None);
        let number = |n: usize| RequestId::from_random((n as u128 + 10).to_be_bytes());
        for n in 0..CARRIED_MAX * 3 {
            carried.remember(number(n), tokens("x", 61), at(1));
            assert!(carried.find(number(n), at(1)).is_some(), "the newest is always there");
            assert!(n < CARRIED_MAX || carried.find(number(n - CARRIED_MAX + 1), at(1)).is_some(), "{n}");
        }
        assert_eq!(carried.find(number(0), at(1)), None);
        let held = carried.lock();
        assert!(held.new.len() <= CARRIED_MAX && held.old.len() <= CARRIED_MAX);
    }
}
