//! One request where callers are slowed down.

use super::{Allowance, Memory, Turn};
use crate::limiting::{Asked, Hold, Holds, Outcome, Told, key_of};
use crate::limits;
use bartizan_core::limit::Per;
use bartizan_core::slow_down::SlowDown;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Its name in answers and metrics.
pub const NAME: &str = "slow_down";

/// How callers of a route or a service are slowed down.
#[derive(Debug)]
pub struct Pace {
    /// What is declared.
    pub said: SlowDown,
    by: Allowance,
    learned: Arc<Learned>,
    /// Who waits, by caller; and all together, under one key of their own.
    waiting: Arc<Holds>,
    all: Arc<Holds>,
    slowed: AtomicU64,
    refused: AtomicU64,
}

/// What was learned of callers; it outlives a change of what is declared besides.
#[derive(Debug)]
struct Learned {
    memory: Memory,
    /// Random, so that nobody outside can foretell where a caller stands.
    hash: RandomState,
}

/// A request that has to wait. Dropped before it went on, it gives back what it took: a client that goes away costs nothing.
#[derive(Debug)]
pub struct Slowed {
    /// For how long.
    pub wait: Duration,
    /// What the operator learns.
    pub why: String,
    /// What the caller is told once it waited.
    pub told: Told,
    by: Arc<Pace>,
    key: u64,
    unit_ns: u64,
    went_on: bool,
    _places: [Hold; 2], // free again when this is dropped
}

/// A request that would have to wait for too long, or beside too many.
#[derive(Debug)]
pub struct TooMuch {
    /// Seconds after which it may come again; at least 1.
    pub wait_s: u64,
    /// What the operator learns.
    pub why: String,
    /// What the caller is told.
    pub told: Told,
}

impl Pace {
    /// As declared. What `before` learned stays where it means the same.
    pub fn of(said: &SlowDown, before: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(before) = before.filter(|before| before.said == *said) {
            return Arc::clone(before);
        }
        let same = before.filter(|before| before.said.per == said.per && before.said.window_ms == said.window_ms);
        let learned = same.map(|before| Arc::clone(&before.learned)).unwrap_or_else(|| Arc::new(Learned::of(said)));
        Arc::new(Self {
            said: said.clone(),
            by: Allowance::of(said),
            learned,
            waiting: Arc::default(),
            all: Arc::default(),
            slowed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// A request; `None` where it may go on at once.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn comes(self: &Arc<Self>, asked: &Asked<'_>, now_ns: u64) -> Result<Option<Slowed>, TooMuch> {
        let key = key_of(&self.learned.hash, &self.said.per, asked);
        let (turn, known) = self.learned.memory.comes(key, &self.by, now_ns);
        let allowed = known.allowance(&self.by).unwrap_or_default();
        match turn {
            Turn::Now => Ok(None),
            Turn::Never { again_ns } => Err(self.too_much(allowed, again_ns, known.owed_ns(now_ns))),
            Turn::Later { wait_ns, unit_ns } => {
                let own = self.waiting.hold(key, self.said.waiting);
                let place = own.zip(self.all.hold(0, limits::SLOWED_MAX));
                let Some(((own, _), (all, _))) = place else {
                    self.learned.memory.give_back(key, unit_ns);
                    return Err(self.too_much(allowed, wait_ns, known.owed_ns(now_ns)));
                };
                self.slowed.fetch_add(1, Relaxed);
                let wait = Duration::from_nanos(wait_ns);
                let why = format!("waited {} ms: more than {}", wait.as_millis(), self.usual(allowed));
                let told = self.told(allowed, known.owed_ns(now_ns.saturating_add(wait_ns)));
                let by = Arc::clone(self);
                Ok(Some(Slowed { wait, why, told, by, key, unit_ns, went_on: false, _places: [own, all] }))
            }
        }
    }

    /// Requests that waited, and that were refused, a count each.
    pub fn counts(&self) -> (u64, u64) {
        (self.slowed.load(Relaxed), self.refused.load(Relaxed))
    }

    /// Requests that wait now, a count.
    pub fn waiting(&self) -> u32 {
        self.all.count(0)
    }

    fn too_much(&self, allowed: f32, again_ns: u64, owed_ns: u64) -> TooMuch {
        self.refused.fetch_add(1, Relaxed);
        let wait_s = again_ns.div_ceil(1_000_000_000).max(1);
        let why = format!("more than {}; again in {wait_s} s", self.usual(allowed));
        TooMuch { wait_s, why, told: self.told(allowed, owed_ns) }
    }

    /// Nothing is left: what is usual was used up, or nobody would have had to wait.
    fn told(&self, allowed: f32, owed_ns: u64) -> Told {
        let whole = |ns: u64| ns.div_ceil(1_000_000_000);
        let window_s = whole(self.by.window_ns());
        // Windows are told in whole seconds, so of a shorter one it is told how many there may be in a second.
        let count = f64::from(allowed) * window_s as f64 * 1e9 / self.by.window_ns() as f64;
        let outcome = Outcome { passed: true, left: 0, wait_s: whole(owed_ns) };
        Told::apart(NAME, (count as u64, window_s), outcome)
    }

    fn usual(&self, allowed: f32) -> String {
        format!("{allowed:.0} requests in {} ms ({})", self.said.window_ms, self.said)
    }
}

impl Slowed {
    /// It waited, and goes on.
    pub fn goes_on(mut self) {
        self.went_on = true;
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        if !self.went_on {
            self.by.learned.memory.give_back(self.key, self.unit_ns);
        }
    }
}

impl Learned {
    fn of(said: &SlowDown) -> Self {
        // Names of callers and routes come from the fleet file; everything else is for strangers to choose.
        let known = said.per.iter().all(|per| matches!(per, Per::Caller | Per::Route));
        let callers = if known { limits::LIMIT_ENTRIES_KNOWN } else { limits::SLOWED_CALLERS };
        Self { memory: Memory::new(callers), hash: RandomState::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const SECOND: u64 = 1_000_000_000;

    fn asked(caller: &str) -> Asked<'_> {
        let address = IpAddr::from([127, 0, 0, 1]);
        Asked { caller: Some(caller), user: None, address, route: None, method: "GET" }
    }

    /// One for which 20 requests a second are usual.
    fn pace(waiting: u32) -> Arc<Pace> {
        let pace = Pace::of(&SlowDown { least: 1, waiting, ..SlowDown::per(Per::Caller) }, None);
        for n in 0..300 * 20 {
            assert!(pace.comes(&asked("web"), n * SECOND / 20).unwrap().is_none());
        }
        pace
    }

    /// All that come at once, with what they came to.
    fn burst(pace: &Arc<Pace>, count: usize) -> (Vec<Slowed>, usize) {
        let (mut slowed, mut refused) = (Vec::new(), 0);
        for _ in 0..count {
            match pace.comes(&asked("web"), 310 * SECOND) {
                Ok(it) => slowed.extend(it),
                Err(too_much) => {
                    assert!(too_much.wait_s >= 1 && too_much.why.contains("more than "), "{too_much:?}");
                    refused += 1;
                }
            }
        }
        (slowed, refused)
    }

    #[test]
    fn only_so_many_wait_and_their_places_are_free_again_once_they_are_gone() {
        let pace = pace(5);
        let (slowed, refused) = burst(&pace, 500);
        assert_eq!((slowed.len(), pace.waiting()), (5, 5));
        assert!(refused >= 90, "{refused}");
        assert_eq!(pace.counts(), (5, refused as u64));
        assert!(pace.comes(&asked("other"), 310 * SECOND).unwrap().is_none(), "others do not wait");
        drop(slowed);
        assert_eq!(pace.waiting(), 0);
        assert_eq!(burst(&pace, 50).0.len(), 5, "who went away took nothing with it");
    }

    #[test]
    fn who_waited_and_went_on_has_used_it_up() {
        let pace = pace(1_000);
        let (slowed, _) = burst(&pace, 1_000);
        let count = slowed.len();
        assert!((70..90).contains(&count), "{count}: twice the usual rate for 2 s");
        slowed.into_iter().for_each(Slowed::goes_on);
        assert_eq!(burst(&pace, 100).0.len(), 0);
    }

    #[test]
    fn what_was_learned_outlives_a_change_of_what_is_declared_besides() {
        let before = pace(5);
        let said = SlowDown { times: 3, ..before.said.clone() };
        let after = Pace::of(&said, Some(&before));
        let all: Vec<_> = (0..1_000).map(|_| after.comes(&asked("web"), 310 * SECOND)).collect();
        let refused = all.iter().filter(|it| it.is_err()).count();
        assert!(refused > 300, "{refused}: it is known");
        assert!(Arc::ptr_eq(&Pace::of(&said, Some(&after)), &after));
        let other = Pace::of(&SlowDown { per: vec![Per::Address], ..said }, Some(&after));
        assert!((0..1_000).all(|_| other.comes(&asked("web"), 310 * SECOND).is_ok()), "others are counted now");
    }
}
