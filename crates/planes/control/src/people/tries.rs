//! How often somebody may guess: a few times at once, then with pauses that double. Whoever is named is counted, whether there
//! is such a person or not, so that the pauses tell nobody who has an account.

use crate::limits::TRIERS_MAX;
use bartizan_crypto::hash;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the pauses grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Tries without a pause, a count.
    pub(crate) free: u32,
    /// The first pause; doubled by each further try.
    pub(crate) first: Duration,
    /// The longest one.
    pub(crate) most: Duration,
}

impl Rule {
    /// The pause after so many tries.
    fn pause(&self, tries: u32) -> Duration {
        match tries.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(more) => self.first.saturating_mul(1 << more.min(31)).min(self.most),
        }
    }
}

/// Whose tries are counted together: a hash, so that what was typed is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who([u8; 32]);

impl Who {
    /// `kind` keeps apart what is counted apart.
    pub(crate) fn new(kind: &str, name: &str) -> Self {
        Self(hash::sha256(format!("{kind} {name}").as_bytes()))
    }
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    tries: u32,
    last: Instant,
    rule: Rule,
}

impl Tally {
    /// After its pause and then as long again as the longest one, twice, nobody remembers.
    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= self.rule.pause(self.tries) + 2 * self.rule.most
    }
}

/// Everybody's tries. They are lost with the process, which no guesser can end.
#[derive(Debug, Default)]
pub(crate) struct Tries(Mutex<HashMap<Who, Tally>>);

impl Tries {
    /// Counts a try before it is looked at, so that many at once are many. How long to wait, where it is too early; that try
    /// is not counted.
    pub(crate) fn take(&self, who: Who, rule: Rule, now: Instant) -> Result<(), Duration> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= TRIERS_MAX && !held.contains_key(&who) {
            make_room(&mut held, now);
        }
        let tally = held.entry(who).or_insert(Tally { tries: 0, last: now, rule });
        if tally.is_forgotten(now) {
            tally.tries = 0;
        }
        let wait = rule.pause(tally.tries).saturating_sub(now.saturating_duration_since(tally.last));
        if !wait.is_zero() {
            return Err(wait);
        }
        (tally.tries, tally.last) = (tally.tries.saturating_add(1), now);
        Ok(())
    }

    /// The person was who it said: nothing is held against the name any more.
    pub(crate) fn forgive(&self, who: Who) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&who);
    }

    /// Takes one try back. The others stay: whoever has one account could wash away guesses at all others from its address.
    pub(crate) fn undo(&self, who: Who) {
        if let Some(tally) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&who) {
            tally.tries = tally.tries.saturating_sub(1);
        }
    }
}

/// Forgets who would be forgotten anyway; where that is nobody, those with the fewest tries: whose name is guessed at most stays.
fn make_room(held: &mut HashMap<Who, Tally>, now: Instant) {
    held.retain(|_, tally| !tally.is_forgotten(now));
    if held.len() < TRIERS_MAX {
        return;
    }
    let mut tries: Vec<_> = held.values().map(|tally| tally.tries).collect();
    let (_, median, _) = tries.select_nth_unstable(TRIERS_MAX / 2);
    let median = *median;
    held.retain(|_, tally| tally.tries > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { free: 3, first: Duration::from_secs(2), most: Duration::from_secs(60) };

    fn allowed(tries: &Tries, who: Who, from: Instant, span: Duration) -> usize {
        (0..span.as_secs()).filter(|s| tries.take(who, RULE, from + Duration::from_secs(*s)).is_ok()).count()
    }

    #[test]
    fn guessing_becomes_slower_and_slower() {
        let (tries, now, who) = (Tries::default(), Instant::now(), Who::new("name", "ana"));
        for _ in 0..3 {
            assert!(tries.take(who, RULE, now).is_ok());
        }
        assert_eq!(tries.take(who, RULE, now), Err(Duration::from_secs(2)));
        assert_eq!(tries.take(who, RULE, now + Duration::from_secs(1)), Err(Duration::from_secs(1)));
        assert!(tries.take(who, RULE, now + Duration::from_secs(2)).is_ok());
        assert_eq!(tries.take(who, RULE, now + Duration::from_secs(2)), Err(Duration::from_secs(4)));
        assert!(tries.take(Who::new("name", "bob"), RULE, now).is_ok(), "nobody else waits");

        let (tries, hour) = (Tries::default(), Duration::from_secs(3600));
        let first = allowed(&tries, who, now, hour);
        assert!((55..=70).contains(&first), "{first}: five doublings, then one a minute");
        assert!(allowed(&tries, who, now + hour, hour) <= 61);
    }

    #[test]
    fn who_was_right_is_forgiven_and_an_address_only_that_one_try() {
        let (tries, now, who) = (Tries::default(), Instant::now(), Who::new("name", "ana"));
        while tries.take(who, RULE, now).is_ok() {}
        tries.undo(who);
        assert!(tries.take(who, RULE, now).is_ok() && tries.take(who, RULE, now).is_err());
        tries.forgive(who);
        assert!(tries.take(who, RULE, now).is_ok());
        while tries.take(who, RULE, now).is_ok() {}
        assert!(tries.take(who, RULE, now + Duration::from_secs(200)).is_ok());
        assert!(tries.take(who, RULE, now + Duration::from_secs(200)).is_ok(), "forgotten after a while");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgets_the_least_guessed() {
        let (tries, now) = (Tries::default(), Instant::now());
        let victim = Who::new("name", "ana");
        while tries.take(victim, RULE, now).is_ok() {}
        for n in 0..2 * TRIERS_MAX {
            assert!(tries.take(Who::new("name", &n.to_string()), RULE, now).is_ok());
        }
        assert!(tries.0.lock().unwrap().len() <= TRIERS_MAX);
        assert!(tries.take(victim, RULE, now).is_err(), "names that are not guessed at wash nobody away");
    }
}
