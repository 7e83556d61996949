//! How often somebody may ask: a bucket for each client and each address of strangers.

use crate::limits::{
    CLIENT_REQUESTS_PER_S, CONSOLE_REQUESTS_PER_S, DEVICES_PER_S, PUSHES_PER_S, REQUESTERS_MAX, STRANGER_REQUESTS_PER_S,
};
use bartizan_core::SpiffeId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Somebody with a certificate, however many connections it has.
    Client(SpiffeId),
    /// Everybody else at one address.
    Stranger(IpAddr),
    /// Requests of that address which are remembered for a while.
    Pushing(IpAddr),
    /// Devices at that address that begin.
    Device(IpAddr),
    /// Requests to the console from that address.
    Console(IpAddr),
}

impl Who {
    fn per_s(&self) -> u32 {
        match self {
            Self::Client(_) => CLIENT_REQUESTS_PER_S,
            Self::Stranger(_) => STRANGER_REQUESTS_PER_S,
            Self::Pushing(_) => PUSHES_PER_S,
            Self::Device(_) => DEVICES_PER_S,
            Self::Console(_) => CONSOLE_REQUESTS_PER_S,
        }
    }
}

/// Requests that are left, and as of when.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, per_s: u32, now: Instant) {
        let more = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(per_s);
        // A second's worth at once.
        (self.left, self.at) = ((self.left + more).min(f64::from(per_s)), now);
    }
}

/// Everybody's buckets.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<Who, Bucket>>);

impl Rates {
    /// False where that address asked the console too often of late.
    pub(crate) fn take_console(&self, address: IpAddr) -> bool {
        self.take(Who::Console(address), Instant::now())
    }

    /// Forgets everybody.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// False where `who` asked too often of late.
    pub(super) fn take(&self, who: Who, now: Instant) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= REQUESTERS_MAX && !held.contains_key(&who) {
            // Who has not asked for a second is nobody to remember.
            held.retain(|who, bucket| {
                bucket.fill(who.per_s(), now);
                bucket.left < f64::from(who.per_s())
            });
            if held.len() >= REQUESTERS_MAX {
                return false;
            }
        }
        let per_s = who.per_s();
        let bucket = held.entry(who).or_insert(Bucket { left: f64::from(per_s), at: now });
        bucket.fill(per_s, now);
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_asks_too_often_waits_and_keeps_nobody_else_out() {
        let (rates, now) = (Rates::default(), Instant::now());
        let stranger = |n: u8| Who::Stranger(IpAddr::from([10, 0, 0, n]));
        let many = (0..100).filter(|_| rates.take(stranger(1), now)).count();
        assert_eq!(many, STRANGER_REQUESTS_PER_S as usize);
        assert!(rates.take(stranger(2), now));
        assert!(!rates.take(stranger(1), now + Duration::from_millis(10)));
        assert!(rates.take(stranger(1), now + Duration::from_millis(200)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (rates, now) = (Rates::default(), Instant::now());
        let one = |n: usize| Who::Stranger(IpAddr::from(u128::to_be_bytes(n as u128)));
        assert!((0..REQUESTERS_MAX).all(|n| rates.take(one(n), now)));
        assert!(!rates.take(one(REQUESTERS_MAX), now));
        assert!(rates.take(one(REQUESTERS_MAX), now + Duration::from_secs(2)), "the others are forgotten");
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
