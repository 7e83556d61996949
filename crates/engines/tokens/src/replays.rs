//! Which proofs were shown already. Bounded: when it is full, further proofs are refused rather than old ones forgotten.

use crate::limits::{PROOF_AGE_MAX, PROOFS_MAX, SKEW};
use bartizan_core::Timestamp;
use std::collections::HashSet;

/// Proofs that were shown within the time in which they could be shown again, as hashes of key and `jti`.
///
/// Two generations: the young one becomes the old one after as long as a proof is good, so that each is held at least that
/// long. It is shared by all who take proofs for one address, or a proof counts once for each of them.
#[derive(Debug)]
pub struct ProofReplays {
    young: HashSet<Hash>,
    old: HashSet<Hash>,
    since: Timestamp,
    /// Most in one generation.
    room: usize,
}

/// The first half of a SHA-256. Who finds two proofs of one hash, at 2^64 tries, has found a proof of theirs that is refused.
type Hash = [u8; 16];

impl Default for ProofReplays {
    fn default() -> Self {
        Self::with_room(PROOFS_MAX)
    }
}

/// What became of a proof that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    First,
    Again,
    /// It cannot be told, since there is no room to remember it.
    NoRoom,
}

impl ProofReplays {
    /// Nothing noted; holds `most` at most, of some 20 bytes each. Half of that may be shown within two minutes.
    pub fn with_room(most: usize) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), since: Timestamp::default(), room: most / 2 }
    }

    /// Notes a proof by its hash.
    pub(crate) fn note(&mut self, proof: &[u8; 32], now: Timestamp) -> Shown {
        self.turn(now);
        let mut half = [0; 16];
        half.copy_from_slice(&proof[..16]);
        let proof = half;
        if self.old.contains(&proof) || self.young.contains(&proof) {
            return Shown::Again;
        }
        if self.young.len() >= self.room {
            return Shown::NoRoom;
        }
        self.young.insert(proof);
        Shown::First
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
        let window = PROOF_AGE_MAX + SKEW;
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
    use std::time::Duration;

    #[test]
    fn holds_each_as_long_as_it_could_be_shown_again() {
        let begin = Timestamp::from_secs(1_790_000_000);
        let window = (PROOF_AGE_MAX + SKEW).as_secs();
        for first_s in [0, 1, window / 2, window - 1] {
            for later_s in 0..=window {
                let mut replays = ProofReplays::default();
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
        let mut replays = ProofReplays::default();
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
