//! Challenges for machines: nothing is kept of one before its answer was found good, so strangers who ask for many cost no
//! memory. What makes one ours is a seal under a key of this process.

use crate::limits::{ANSWERED_MAX, CHALLENGE_TTL};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{hash, random, seal};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bound into the seal.
const USE: &[u8] = b"bartizan node challenge v1";

/// Why a challenge does not count. Ask for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChallengeError {
    /// Not one of this process, or altered.
    #[error("the challenge is not one of ours")]
    Unknown,
    /// It ran out.
    #[error("the challenge has run out")]
    Expired,
    /// It was answered before. Worth a look: somebody repeats what was heard.
    #[error("the challenge was answered before")]
    Used,
    /// [`ANSWERED_MAX`] were answered within [`CHALLENGE_TTL`].
    #[error("{ANSWERED_MAX} challenges were answered within {} s", CHALLENGE_TTL.as_secs())]
    Full,
}

/// Makes challenges, knows its own, and takes each once.
#[derive(Debug)]
pub(crate) struct Challenges {
    key: Secret<[u8; 32]>,
    /// Those that were answered well, with when they run out.
    answered: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl Challenges {
    pub(crate) fn new() -> Self {
        Self { key: Secret::new(random::bytes()), answered: Mutex::default() }
    }

    /// A new one, which counts for [`CHALLENGE_TTL`].
    pub(crate) fn make(&self, now: Timestamp) -> Vec<u8> {
        seal::seal(&self.key, USE, &now.plus(CHALLENGE_TTL).as_millis().to_be_bytes())
    }

    /// When a challenge runs out, where it counts at `now`. Changes nothing.
    pub(crate) fn check(&self, challenge: &[u8], now: Timestamp) -> Result<Timestamp, ChallengeError> {
        let opened = seal::open(&self.key, USE, challenge).map_err(|_| ChallengeError::Unknown)?;
        let bytes = <[u8; 8]>::try_from(opened.expose().as_slice()).map_err(|_| ChallengeError::Unknown)?;
        let expires = Timestamp::from_millis(u64::from_be_bytes(bytes));
        if now < expires { Ok(expires) } else { Err(ChallengeError::Expired) }
    }

    /// Takes a challenge whose answer was good: it never counts again. One lock over looking and marking.
    pub(crate) fn take(&self, challenge: &[u8], now: Timestamp) -> Result<(), ChallengeError> {
        let expires = self.check(challenge, now)?;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= ANSWERED_MAX {
            answered.retain(|_, expires| now < *expires);
        }
        let id = hash::sha256(challenge);
        if answered.contains_key(&id) {
            return Err(ChallengeError::Used);
        }
        if answered.len() >= ANSWERED_MAX {
            return Err(ChallengeError::Full);
        }
        answered.insert(id, expires);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn counts_once_and_for_some_seconds() {
        let challenges = Challenges::new();
        let one = challenges.make(NOW);
        assert_ne!(one, challenges.make(NOW), "no two are alike");
        challenges.take(&one, NOW).unwrap();
        assert_eq!(challenges.take(&one, NOW), Err(ChallengeError::Used));
        let late = challenges.make(NOW);
        assert_eq!(challenges.take(&late, NOW.plus(CHALLENGE_TTL)), Err(ChallengeError::Expired));
    }

    #[test]
    fn knows_its_own_alone() {
        let (ours, theirs) = (Challenges::new(), Challenges::new());
        let good = ours.make(NOW);
        for at in 0..good.len() {
            let mut altered = good.clone();
            altered[at] ^= 1;
            assert_eq!(ours.take(&altered, NOW), Err(ChallengeError::Unknown), "byte {at}");
            assert_eq!(ours.take(&good[..at], NOW), Err(ChallengeError::Unknown), "cut at {at}");
        }
        for (wrong, why) in [(theirs.make(NOW), "another process's"), (Vec::new(), "none"), (vec![1; 1 << 20], "huge")]
        {
            assert_eq!(ours.take(&wrong, NOW), Err(ChallengeError::Unknown), "{why}");
        }
        ours.take(&good, NOW).unwrap();
    }

    #[test]
    fn of_many_who_answer_the_same_one_at_once_one_is_first() {
        let challenges = Challenges::new();
        let one = challenges.make(NOW);
        let first = std::thread::scope(|scope| {
            let all: Vec<_> = (0..16).map(|_| scope.spawn(|| challenges.take(&one, NOW).is_ok())).collect();
            all.into_iter().map(|it| it.join().unwrap()).filter(|it| *it).count()
        });
        assert_eq!(first, 1);
    }

    #[test]
    fn asking_costs_no_memory_and_answers_are_bounded() {
        let challenges = Challenges::new();
        for _ in 0..ANSWERED_MAX {
            challenges.take(&challenges.make(NOW), NOW).unwrap();
        }
        for _ in 0..1_000 {
            challenges.make(NOW);
        }
        assert_eq!(challenges.answered.lock().unwrap().len(), ANSWERED_MAX);
        assert_eq!(challenges.take(&challenges.make(NOW), NOW), Err(ChallengeError::Full));
        let later = NOW.plus(CHALLENGE_TTL);
        challenges.take(&challenges.make(later), later).expect("those that ran out make room");
    }
}
