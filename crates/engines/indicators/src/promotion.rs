//! Whether something new may be put in force: not while an objective that locks promotion is overdrawn, or burns so fast that what was
//! changed last may be the cause.
//!
//! What was in force before may always be gone back to, and that alone ends a lock by burning. A budget that is used up comes back with
//! time. Somebody may say that locks do not count for a while.

use crate::burn::{Pace, Urgency};
use crate::limits::{BURN_LOCKS_ABOVE, FAILURES_AT_HAND, LOCK_RECOVERED_OVER, LOCK_WINDOW, VERSIONS_MAX};
use crate::objective::Objective;
use crate::series::Series;
use bartizan_core::Timestamp;
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::promotion::{LockCause, Overridden, PromotionLock, PromotionStatus};
use serde::{Deserialize, Serialize};

/// An objective that locks promotion, with what was counted.
#[derive(Clone, Copy, Debug)]
pub struct Locking<'a> {
    /// Of which indicator.
    pub indicator: Indicator,
    /// Where.
    pub place: &'a Place,
    /// What is asked.
    pub objective: Objective,
    /// What was counted; `None` where that is nothing.
    pub series: Option<&'a Series>,
}

/// The locks, and what was in force when. It can be written down and read back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    locks: Vec<PromotionLock>,
    /// The oldest first; the last one is in force.
    versions: Vec<Version>,
    overridden: Option<Overridden>,
    /// When somebody went back: what was counted before that says nothing of what is in force since.
    went_back: Option<Timestamp>,
}

/// Something that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    /// Equal for what is the same.
    mark: String,
    at: Timestamp,
}

/// What putting something in force would be.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It is in force.
    Same,
    /// It was in force before, since that moment.
    Back(Timestamp),
    /// It is new.
    Forward,
    /// It is new, and that is locked.
    Locked(Vec<PromotionLock>),
}

/// What became of locks.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// A lock is there.
    Began(PromotionLock),
    /// It is not any more.
    Ended(PromotionLock),
    /// What somebody said is over.
    OverrideEnded(Overridden),
}

impl Promotion {
    /// Takes in how the objectives that lock stand now. What they do not name any more locks nothing.
    pub fn look(&mut self, all: &[Locking<'_>], now: Timestamp) -> Vec<Turn> {
        let mut turns = Vec::new();
        let before = std::mem::take(&mut self.locks);
        for it in all {
            let held = |cause| before.iter().find(|lock| is_of(lock, it, cause));
            let found = [self.exhausted(it, now), self.burning(it, held(LockCause::Burning).is_some(), now)];
            for mut lock in found.into_iter().flatten() {
                match held(lock.cause) {
                    Some(held) => (lock.since, lock.version) = (held.since, held.version),
                    None => turns.push(Turn::Began(lock.clone())),
                }
                self.locks.push(lock);
            }
        }
        let is_there = |lock: &PromotionLock| {
            let key = |it: &PromotionLock| (it.indicator.clone(), it.place.clone(), it.cause);
            self.locks.iter().any(|it| key(it) == key(lock))
        };
        turns.extend(before.into_iter().filter(|it| !is_there(it)).map(Turn::Ended));
        if self.overridden.as_ref().is_some_and(|it| now >= it.until) {
            turns.extend(self.overridden.take().map(Turn::OverrideEnded));
        }
        turns
    }

    /// What putting this in force would be.
    pub fn judge(&self, mark: &str, now: Timestamp) -> Step {
        let Some((current, before)) = self.versions.split_last() else { return Step::Forward };
        if current.mark == mark {
            return Step::Same;
        }
        if let Some(it) = before.iter().rev().find(|it| it.mark == mark) {
            return Step::Back(it.at);
        }
        if self.is_locked(now) { Step::Locked(self.locks.clone()) } else { Step::Forward }
    }

    /// It was put in force. What came after it is forgotten where somebody went back, so that going on to it again is something new.
    pub fn took(&mut self, mark: &str, now: Timestamp) -> Vec<Turn> {
        match self.versions.iter().rposition(|it| it.mark == mark) {
            Some(at) if at + 1 == self.versions.len() => Vec::new(),
            Some(at) => {
                self.versions.truncate(at + 1);
                self.went_back = Some(now);
                let (gone, stay) =
                    std::mem::take(&mut self.locks).into_iter().partition(|it| it.cause == LockCause::Burning);
                self.locks = stay;
                let gone: Vec<PromotionLock> = gone;
                gone.into_iter().map(Turn::Ended).collect()
            }
            None => {
                if self.versions.len() >= VERSIONS_MAX {
                    self.versions.remove(0);
                }
                self.versions.push(Version { mark: mark.to_owned(), at: now });
                Vec::new()
            }
        }
    }

    /// Locks do not count until that one's end, nor what holds versions back; `false` where there is nothing that could be said of:
    /// neither a lock, nor (`is_held`) a version.
    pub fn override_by(&mut self, said: Overridden, is_held: bool) -> bool {
        let is_there = is_held || !self.locks.is_empty();
        if is_there {
            self.overridden = Some(said);
        }
        is_there
    }

    /// Locks count again; what was said, where somebody had.
    pub fn end_override(&mut self) -> Option<Overridden> {
        self.overridden.take()
    }

    /// Whether something new is refused.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        !self.locks.is_empty() && self.overridden(now).is_none()
    }

    /// What somebody said, while it counts.
    pub fn overridden(&self, now: Timestamp) -> Option<&Overridden> {
        self.overridden.as_ref().filter(|it| now < it.until)
    }

    /// Forgets locks and what was in force, where no objective locks any more. What somebody said counts until its end.
    pub fn forget(&mut self) {
        *self = Self { overridden: self.overridden.take(), ..Self::default() };
    }

    /// How it stands.
    pub fn status(&self, now: Timestamp) -> PromotionStatus {
        PromotionStatus {
            locked: self.is_locked(now),
            locks: self.locks.clone(),
            overridden: self.overridden(now).cloned(),
            held: Vec::new(),
            versions: self.versions.iter().rev().map(|it| it.at).collect(),
        }
    }

    /// Whether it is as this file would make it.
    pub fn is_sound(&self) -> bool {
        self.versions.len() <= VERSIONS_MAX
    }

    fn exhausted(&self, it: &Locking<'_>, now: Timestamp) -> Option<PromotionLock> {
        let budget = it.objective.budget(it.series?, now);
        let left = budget.left.filter(|left| *left <= 0.0)?;
        // A lone failure locks nobody out. Among few calls a budget is less than one failure: there it has to be sure.
        let pace = Pace { long: it.objective.window, short: it.objective.window, rate: 1.0, urgency: Urgency::Ticket };
        let is_sure = budget.allowed >= 1.0 || pace.burn(&it.objective, it.series?, now).alight;
        if budget.tally.bad as f64 <= FAILURES_AT_HAND || !is_sure {
            return None;
        }
        let text = format!(
            "the error budget of {} at {} is used up: {} bad where {:.1} are allowed within {} days",
            it.indicator,
            it.place,
            budget.tally.bad,
            budget.allowed,
            it.objective.window.as_secs() / 86_400
        );
        Some(self.lock(it, LockCause::Exhausted, left, text, now))
    }

    fn burning(&self, it: &Locking<'_>, held: bool, now: Timestamp) -> Option<PromotionLock> {
        let pace = Pace { long: LOCK_WINDOW, short: LOCK_WINDOW, rate: BURN_LOCKS_ABOVE, urgency: Urgency::Page };
        let series = it.series?;
        let burn = pace.burn(&it.objective, series, now);
        // Until then the window holds what was counted before somebody went back.
        let is_fresh = self.went_back.is_none_or(|at| now.since(at) >= LOCK_WINDOW);
        let begins = burn.alight && is_fresh;
        let hour = series.over(now, LOCK_RECOVERED_OVER);
        let goes_on = held && hour.ratio().is_some_and(|bad| bad > it.objective.bad_max);
        if !begins && !goes_on {
            return None;
        }
        let rate = burn.rate.unwrap_or_default();
        let minutes = LOCK_WINDOW.as_secs() / 60;
        let burns = match burn.rate {
            Some(rate) => format!("burns {rate:.1} times as fast as it may (over {minutes} minutes)"),
            None => "burnt too fast within the last hour".to_owned(),
        };
        let text = format!("the error budget of {} at {} {burns}", it.indicator, it.place);
        Some(self.lock(it, LockCause::Burning, rate, text, now))
    }

    fn lock(&self, it: &Locking<'_>, cause: LockCause, value: f64, text: String, now: Timestamp) -> PromotionLock {
        PromotionLock {
            indicator: it.indicator.to_string(),
            place: it.place.to_string(),
            cause,
            value,
            since: now,
            version: self.versions.last().map(|it| it.at),
            text,
        }
    }
}

fn is_of(lock: &PromotionLock, it: &Locking<'_>, cause: LockCause) -> bool {
    lock.cause == cause && lock.indicator == it.indicator.to_string() && lock.place == it.place.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;
    use proptest::prelude::*;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: u32) -> Timestamp {
        Timestamp::from_secs(1_700_000_000).plus(MINUTE * minutes)
    }

    struct World {
        it: Promotion,
        series: Series,
    }

    impl World {
        fn new() -> Self {
            let mut it = Promotion::default();
            assert_eq!(it.judge("one", at(0)), Step::Forward);
            it.took("one", at(0));
            Self { it, series: Series::default() }
        }

        fn look(&mut self, minutes: u32) -> Vec<Turn> {
            let objective = Objective { bad_max: 0.01, window: Duration::from_secs(30 * 86_400) };
            let of = Locking { indicator: Indicator::M3, place: &Place::Fleet, objective, series: Some(&self.series) };
            self.it.look(&[of], at(minutes))
        }

        /// So many calls, all of them good, long before.
        fn history(mut self, calls: u64) -> Self {
            self.series.add(at(0).minus(Duration::from_secs(3 * 86_400)), Tally::new(0, calls));
            self
        }

        fn count(&mut self, minutes: u32, bad: u64, all: u64) {
            self.series.add(at(minutes), Tally::new(bad, all));
        }

        fn causes(&self) -> Vec<LockCause> {
            self.it.locks.iter().map(|it| it.cause).collect()
        }
    }

    #[test]
    fn a_few_failures_among_few_calls_lock_nobody_out() {
        for (bad, all) in [(0, 0), (1, 1), (1, 10), (2, 50), (3, 50)] {
            let mut world = World::new();
            world.count(1, bad, all);
            assert_eq!(world.look(2), [], "{bad} of {all}");
        }
    }

    #[test]
    fn a_burn_locks_until_somebody_goes_back() {
        let mut world = World::new().history(1_000_000);
        world.it.took("two", at(10));
        world.count(11, 50, 1000);
        assert!(matches!(&world.look(12)[..], [Turn::Began(it)] if it.version == Some(at(10))), "{:?}", world.it);
        assert_eq!(world.causes(), [LockCause::Burning]);
        assert!(matches!(world.it.judge("three", at(12)), Step::Locked(locks) if locks.len() == 1));
        assert_eq!(world.it.judge("two", at(12)), Step::Same);
        assert_eq!(world.it.judge("one", at(12)), Step::Back(at(0)));
        assert!(matches!(&world.it.took("one", at(13))[..], [Turn::Ended(_)]));
        assert_eq!(world.look(14), [], "the window still holds what was counted before");
        assert_eq!(world.it.judge("three", at(14)), Step::Forward);
        // What was gone back from is something new: it is not let through as a way back.
        world.count(19, 50, 1000);
        assert!(matches!(&world.look(20)[..], [Turn::Began(_)]), "it burns still, so that it was something else");
        assert!(matches!(world.it.judge("two", at(20)), Step::Locked(_)));
    }

    #[test]
    fn a_burn_that_is_over_locks_until_an_hour_was_good() {
        let mut world = World::new().history(1_000_000);
        world.count(1, 50, 1000);
        world.look(2);
        world.count(20, 0, 1000);
        assert_eq!(world.look(30), [], "50 of 2,000 within the hour");
        assert!(world.it.is_locked(at(30)));
        world.count(50, 0, 9000);
        assert!(matches!(&world.look(55)[..], [Turn::Ended(_)]), "50 of 11,000");
        world.count(56, 50, 1000);
        world.look(57);
        assert!(matches!(&world.look(180)[..], [Turn::Ended(_)]), "nobody calls any more");
    }

    #[test]
    fn a_budget_that_is_used_up_locks_also_who_goes_back() {
        let mut world = World::new().history(1000);
        world.count(1, 11, 11);
        world.look(60 * 5);
        assert_eq!(world.causes(), [LockCause::Exhausted], "11 of 1,011");
        world.it.took("two", at(301));
        assert_eq!(world.it.judge("one", at(302)), Step::Back(at(0)));
        world.it.took("one", at(303));
        world.look(304);
        assert!(matches!(world.it.judge("three", at(304)), Step::Locked(_)));
        world.count(305, 0, 1000);
        assert!(matches!(&world.look(306)[..], [Turn::Ended(_)]), "11 of 2,011");
    }

    #[test]
    fn somebody_may_say_that_it_does_not_count_for_a_while() {
        let said = |until| Overridden { by: "ana".into(), why: "w".into(), from: at(2), until: at(until) };
        let mut world = World::new().history(1_000_000);
        assert!(!world.it.override_by(said(9), false), "nothing is locked");
        let mut other = world.it.clone();
        assert!(other.override_by(said(9), true), "a version is held back");
        other.forget();
        assert_eq!((other.overridden(at(8)), other.overridden(at(9))), (Some(&said(9)), None));
        world.count(1, 50, 1000);
        world.look(2);
        assert!(world.it.override_by(said(9), false));
        assert_eq!(world.it.judge("two", at(3)), Step::Forward);
        assert!(!world.it.status(at(3)).locked && world.it.status(at(3)).locks.len() == 1);
        assert!(matches!(world.it.judge("two", at(9)), Step::Locked(_)));
        assert!(world.look(9).contains(&Turn::OverrideEnded(said(9))));
        world.it.override_by(said(20), false);
        assert_eq!(world.it.end_override(), Some(said(20)));
        assert!(world.it.is_locked(at(10)));
    }

    proptest! {
        /// What was in force is never refused, and what never was is never let through while it is locked.
        #[test]
        fn the_way_back_is_always_open(
            deeds in prop::collection::vec((0u8..6, 0u64..200, any::<bool>()), 1..60),
        ) {
            let mut world = World::new().history(10_000);
            for (n, (mark, bad, look)) in deeds.into_iter().enumerate() {
                let minutes = n as u32 + 1;
                world.count(minutes, bad, 200);
                if look {
                    world.look(minutes);
                }
                let known = |mark: &str, world: &World| world.it.versions.iter().any(|it| it.mark == mark);
                let mark = format!("v{mark}");
                let step = world.it.judge(&mark, at(minutes));
                prop_assert_eq!(matches!(step, Step::Same | Step::Back(_)), known(&mark, &world));
                prop_assert_eq!(matches!(step, Step::Locked(_)), !known(&mark, &world) && world.it.is_locked(at(minutes)));
                if !matches!(step, Step::Locked(_)) {
                    world.it.took(&mark, at(minutes));
                    prop_assert_eq!(world.it.judge(&mark, at(minutes)), Step::Same);
                }
                prop_assert!(world.it.is_sound());
            }
        }
    }
}
