//! What was shown already and must not be shown again. Bounded: when it is full, more is refused rather than old forgotten.

use crate::limits::{PROOF_AGE_MAX, PROOFS_MAX, SKEW};
use bartizan_core::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

/// What was shown within the time in which it could be shown again, as hashes: of proofs of possession, that of key and `jti`.
///
/// Two generations: the young one becomes the old one after as long as something is good, so that each is held at least that
/// long. It is shared by all who take what is shown in one place, or it counts once for each of them.
#[derive(Debug)]
pub struct Replays {
    young: HashSet<Hash>,
    old: HashSet<Hash>,
    since: Timestamp,
    /// Most in one generation.
    room: usize,
    /// How long something that was shown is good.
    window: Duration,
}

/// The first half of a SHA-256. Who finds two proofs of one hash, at 2^64 tries, has found a proof of theirs that is refused.
type Hash = [u8; 16];

impl Default for Replays {
    fn default() -> Self {
        Self::of_proofs(PROOFS_MAX)
    }
}

/// What became of something that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    First,
    Again,
    /// It cannot be told, since there is no room to remember it.
    NoRoom,
}

impl Replays {
    /// For proofs of possession; see [`Replays::new`].
    pub fn of_proofs(most: usize) -> Self {
        Self::new(most, PROOF_AGE_MAX + SKEW)
    }

    /// Nothing noted; holds `most` at most, of some 20 bytes each. Half of that may be shown within `window`, which is how long
    /// something is good.
    pub fn new(most: usize, window: Duration) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), since: Timestamp::default(), room: most / 2, window }
    }

    /// Notes something by its hash.
    pub(crate) fn note(&mut self, shown: &[u8; 32], now: Timestamp) -> Shown {
        self.turn(now);
        let mut shown_half = [0; 16];
        shown_half.copy_from_slice(&shown[..16]);
        let shown = shown_half;
        if self.old.contains(&shown) || self.young.contains(&shown) {
            return Shown::Again;
        }
        if self.young.len() >= self.room {
            return Shown::NoRoom;
        }
        self.young.insert(shown);
        Shown::First
    }

    /// Forgets something: it came to nothing.
    pub(crate) fn forget(&mut self, shown: &[u8; 32]) {
        let mut half = [0; 16];
        half.copy_from_slice(&shown[..16]);
        self.young.remove(&half);
        self.old.remove(&half);
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn turn(&mut self, now: Timestamp) {
        let window = self.window;
        let passed = now.since(self.since);
        if passed >= window * 2 {
            self.young.clear();
        }
        if passed >= window {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_each_as_long_as_it_could_be_shown_again() {
        let begin = Timestamp::from_secs(1_790_000_000);
        let window = (PROOF_AGE_MAX + SKEW).as_secs();
        for first_s in [0, 1, window / 2, window - 1] {
            for later_s in 0..=window {
                let mut replays = Replays::default();
                replays.note(&[0; 32], begin);
                let first = begin.plus(Duration::from_secs(first_s));
                assert_eq!(replays.note(&[1; 32], first), Shown::First);
                assert_eq!(replays.note(&[2; 32], first.plus(Duration::from_secs(later_s / 2))), Shown::First);
                assert_eq!(
                    replays.note(&[1; 32], first.plus(Duration::from_secs(later_s))),
                    Shown::Again,
                    "{first_s} {later_s}"
                );
            }
        }
    }

    #[test]
    fn is_bounded_and_forgets_nothing_for_room() {
        let mut replays = Replays::default();
        let now = Timestamp::from_secs(1_790_000_000);
        let proof = |n: usize| {
            let mut proof = [0; 32];
            proof[..8].copy_from_slice(&n.to_le_bytes());
            proof
        };
        for n in 0..PROOFS_MAX / 2 {
            assert_eq!(replays.note(&proof(n), now), Shown::First);
        }
        assert_eq!(replays.note(&proof(PROOFS_MAX), now), Shown::NoRoom);
        assert_eq!(replays.note(&proof(0), now), Shown::Again);
        let later = now.plus((PROOF_AGE_MAX + SKEW) * 2);
        assert_eq!(replays.note(&proof(0), later), Shown::First, "by now it is too old to be good");
        assert_eq!(replays.len(), 1);
    }
}
