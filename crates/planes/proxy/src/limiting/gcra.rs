//! Units in time, by the generic cell rate algorithm (ITU-T I.371): one number for each count, whole nanoseconds.
//!
//! The number is the moment at which everything that was taken has come back. Nobody ever gets more than the burst and, from then
//! on, the rate; a clock that steps back only makes it less.

use super::Outcome;

const NS: u64 = 1_000_000_000;

/// How fast units come back, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Nanoseconds in which one unit comes back.
    unit_ns: u64,
    /// Nanoseconds in which all of them do.
    whole_ns: u64,
}

impl Gcra {
    /// `count` units in `period_s` seconds, `burst` at once; none of them 0.
    pub fn new(count: u32, period_s: u32, burst: u32) -> Self {
        // Rounded up, so that it is never more than was said.
        let unit_ns = (u64::from(period_s) * NS).div_ceil(count.max(1).into()).max(1);
        Self { unit_ns, whole_ns: unit_ns.saturating_mul(burst.into()) }
    }

    /// Takes `cost` units from `state`, 0 for a count that was never used, at `now_ns`; `state` stays as it is where there are not
    /// so many.
    pub fn take(&self, state: &mut u64, now_ns: u64, cost: u32) -> Outcome {
        let from = (*state).max(now_ns);
        let to = from.saturating_add(self.cost_ns(cost));
        let limit = now_ns.saturating_add(self.whole_ns);
        if to > limit {
            return Outcome { passed: false, left: self.left(from, limit), wait_s: (to - limit).div_ceil(NS) };
        }
        *state = to;
        Outcome { passed: true, left: self.left(to, limit), wait_s: (to - now_ns).div_ceil(NS) }
    }

    /// Gives `cost` units back that were taken.
    pub fn give_back(&self, state: &mut u64, cost: u32) {
        *state = state.saturating_sub(self.cost_ns(cost));
    }

    /// Nanoseconds until everything that was taken from `state` has come back.
    pub fn owed_ns(&self, state: u64, now_ns: u64) -> u64 {
        state.saturating_sub(now_ns)
    }

    /// What `units` take, in nanoseconds; less than nothing where they were given back.
    pub fn units_ns(&self, units: i64) -> i64 {
        i64::try_from(self.unit_ns).unwrap_or(i64::MAX).saturating_mul(units)
    }

    /// The number by which `owed_ns` come back from `now_ns` on.
    pub fn state_of(&self, owed_ns: i64, now_ns: u64) -> u64 {
        now_ns.saturating_add_signed(owed_ns.max(0))
    }

    fn cost_ns(&self, cost: u32) -> u64 {
        self.unit_ns.saturating_mul(cost.into())
    }

    fn left(&self, used_until: u64, limit: u64) -> u64 {
        limit.saturating_sub(used_until) / self.unit_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let (gcra, mut state) = (Gcra::new(3, 1, 5), 0);
        let at_once: Vec<_> = (0..7).map(|_| gcra.take(&mut state, NS, 1).passed).collect();
        assert_eq!(at_once, [true, true, true, true, true, false, false]);
        let third = NS.div_ceil(3);
        assert!(!gcra.take(&mut state, NS + third - 1, 1).passed, "a nanosecond early");
        assert!(gcra.take(&mut state, NS + third, 1).passed);
        assert!(!gcra.take(&mut state, NS + third, 1).passed);
    }

    #[test]
    fn says_what_is_left_and_when_to_come_again() {
        let (gcra, mut state) = (Gcra::new(1, 1, 10), 0);
        assert_eq!(gcra.take(&mut state, 0, 4), Outcome { passed: true, left: 6, wait_s: 4 });
        assert_eq!(gcra.take(&mut state, 0, 8), Outcome { passed: false, left: 6, wait_s: 2 });
        assert!(gcra.take(&mut state, 2 * NS, 8).passed);
        assert_eq!(gcra.take(&mut state, 2 * NS, 0), Outcome { passed: true, left: 0, wait_s: 10 });
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (gcra, mut state) = (Gcra::new(1, 60, 2), 0);
        assert!(gcra.take(&mut state, 0, 2).passed);
        gcra.give_back(&mut state, 2);
        assert!(gcra.take(&mut state, 0, 2).passed);
        assert!(!gcra.take(&mut state, 0, 1).passed);
    }

    proptest! {
        /// In every window, not only from the start: that is what fixed windows get wrong.
        #[test]
        fn never_more_than_burst_and_rate_in_any_window(
            count in 1u32..2000,
            period_s in prop::sample::select(vec![1u32, 60, 3600]),
            burst in 1u32..50,
            steps in prop::collection::vec((0u64..3 * NS, 0u32..7), 1..120),
        ) {
            let (gcra, mut state, mut now) = (Gcra::new(count, period_s, burst), 0, 5 * NS);
            let mut taken = Vec::new();
            for (pause, cost) in steps {
                now += pause;
                if gcra.take(&mut state, now, cost).passed {
                    taken.push((now, u128::from(cost)));
                }
            }
            for from in 0..taken.len() {
                let mut sum = 0;
                for (at, cost) in &taken[from..] {
                    sum += cost;
                    let came_back = u128::from(at - taken[from].0) * u128::from(count) / (u128::from(period_s) * u128::from(NS));
                    prop_assert!(sum <= u128::from(burst) + came_back, "{sum} in {} ns", at - taken[from].0);
                }
            }
        }

        /// Whatever the clock does: no more than the burst and what the largest step forward brings.
        #[test]
        fn a_clock_that_steps_gives_nobody_more(
            count in 1u32..50,
            burst in 1u32..20,
            moments in prop::collection::vec(0u64..20 * NS, 1..200),
        ) {
            let (gcra, mut state) = (Gcra::new(count, 1, burst), 0);
            let passed = moments.iter().filter(|now| gcra.take(&mut state, **now, 1).passed).count() as u64;
            let (first, last) = (moments.iter().min().unwrap(), moments.iter().max().unwrap());
            prop_assert!(passed <= u64::from(burst) + (last - first) * u64::from(count) / NS);
        }

        #[test]
        fn numbers_at_their_ends_do_not_break_it(count: u32, period_s: u32, burst: u32, mut state: u64, now: u64, cost: u32) {
            let gcra = Gcra::new(count, period_s, burst);
            let before = state;
            let outcome = gcra.take(&mut state, now, cost);
            prop_assert!(outcome.passed || state == before);
            gcra.give_back(&mut state, cost);
        }
    }
}
