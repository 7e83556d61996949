//! Under which addresses control is found, which one is next, and how long to wait before.

use crate::limits::{CONTROL_ADDRESSES_MAX, NEXT_ADDRESS_WITHIN};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Why a list of addresses is none of control's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressesError {
    /// Name one at least.
    #[error("no address of control is given; give one")]
    None,
    /// Leave some out.
    #[error("{count} addresses of control are given; give {CONTROL_ADDRESSES_MAX} at most")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Leave one of the two out.
    #[error("`{addr}` is given twice; give each address of control once")]
    Twice {
        /// Which.
        addr: SocketAddr,
    },
}

/// Where control is to be found: one address or several, tried in turn. Whoever shares a value shares the turn, so that what
/// one user of it found dead is not tried first by the next.
#[derive(Debug)]
pub struct Addresses {
    all: Vec<SocketAddr>,
    at: AtomicUsize,
}

impl Addresses {
    /// Checks the list; the first one is tried first.
    ///
    /// # Errors
    /// [`AddressesError`].
    pub fn new(all: Vec<SocketAddr>) -> Result<Self, AddressesError> {
        let mut seen = BTreeSet::new();
        match all.iter().find(|addr| !seen.insert(**addr)) {
            _ if all.is_empty() => Err(AddressesError::None),
            _ if all.len() > CONTROL_ADDRESSES_MAX => Err(AddressesError::TooMany { count: all.len() }),
            Some(addr) => Err(AddressesError::Twice { addr: *addr }),
            None => Ok(Self { all, at: AtomicUsize::new(0) }),
        }
    }

    /// How many there are; never none.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The one in turn.
    pub fn current(&self) -> SocketAddr {
        self.all[self.at.load(Relaxed) % self.all.len()]
    }

    /// `addr` did not do: where it is in turn still, the next one is from now on.
    pub fn did_not_do(&self, addr: SocketAddr) {
        let at = self.at.load(Relaxed);
        if self.all[at % self.all.len()] == addr {
            // Somebody else may have gone on meanwhile, which is as good.
            let _ = self.at.compare_exchange(at, (at + 1) % self.all.len(), Relaxed, Relaxed);
        }
    }
}

impl Clone for Addresses {
    /// With a turn of its own.
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), at: AtomicUsize::new(self.at.load(Relaxed)) }
    }
}

impl From<SocketAddr> for Addresses {
    fn from(addr: SocketAddr) -> Self {
        Self { all: vec![addr], at: AtomicUsize::new(0) }
    }
}

/// Pauses between tries: short ones from address to address, and longer and longer ones each time that all of them failed.
#[derive(Clone, Debug)]
pub struct Pauses {
    first: Duration,
    most: Duration,
    next: Duration,
    failed: usize,
}

impl Pauses {
    /// Pauses that double from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first, failed: 0 }
    }

    /// A try had success, for a while at least.
    pub fn had_success(&mut self) {
        (self.next, self.failed) = (self.first, 0);
    }

    /// How long to wait after one more failure, where there are `count` addresses. `random` is from 0 to 1: many who lost the
    /// same control are not to come to the next one at the same moment.
    pub fn after_failure(&mut self, count: usize, random: f64) -> Duration {
        self.failed += 1;
        if self.failed < count {
            return NEXT_ADDRESS_WITHIN.mul_f64(random);
        }
        let pause = self.next.mul_f64(0.5 + random);
        (self.next, self.failed) = ((self.next * 2).min(self.most), 0);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn lists_that_are_none_are_refused_with_a_way_out() {
        let refused =
            |ports: &[u16]| Addresses::new(ports.iter().copied().map(addr).collect()).unwrap_err().to_string();
        assert_eq!(refused(&[]), "no address of control is given; give one");
        assert_eq!(refused(&[1, 2, 1]), "`127.0.0.1:1` is given twice; give each address of control once");
        let many: Vec<u16> = (1..=8).collect();
        assert_eq!(refused(&many), "8 addresses of control are given; give 7 at most");
        assert_eq!(Addresses::new(many[..7].iter().copied().map(addr).collect()).unwrap().count(), 7);
    }

    #[test]
    fn what_did_not_do_is_tried_again_after_the_others_and_a_late_word_about_it_counts_for_nothing() {
        let three = Addresses::new([1, 2, 3].map(addr).to_vec()).unwrap();
        assert_eq!(three.current(), addr(1));
        three.did_not_do(addr(1));
        three.did_not_do(addr(1)); // another user of it found out too
        assert_eq!(three.current(), addr(2));
        let own = three.clone();
        three.did_not_do(addr(2));
        three.did_not_do(addr(3));
        assert_eq!((three.current(), own.current()), (addr(1), addr(2)));
        let one = Addresses::from(addr(9));
        one.did_not_do(addr(9));
        assert_eq!(one.current(), addr(9));
    }

    #[test]
    fn pauses_grow_with_rounds_and_not_with_addresses() {
        let (first, most) = (Duration::from_millis(200), Duration::from_secs(5));
        let mut one = Pauses::new(first, most);
        let alone: Vec<_> = (0..7).map(|_| one.after_failure(1, 0.5).as_millis()).collect();
        assert_eq!(alone, [200, 400, 800, 1600, 3200, 5000, 5000]);
        let mut three = Pauses::new(first, most);
        let pauses: Vec<_> = (0..6).map(|_| three.after_failure(3, 0.5)).collect();
        let short = NEXT_ADDRESS_WITHIN / 2;
        assert_eq!(pauses, [short, short, first, short, short, 2 * first]);
        three.had_success();
        assert_eq!(three.after_failure(3, 0.0), Duration::ZERO, "who just lost one goes to the next at once");
        assert!(three.after_failure(3, 1.0) <= NEXT_ADDRESS_WITHIN);
        assert_eq!(three.after_failure(3, 0.5), first);
    }
}
