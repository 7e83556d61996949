//! Units in each hour or day of the UTC clock: one number for each count, with the window above and the units used below.

use super::Outcome;

/// How many there are, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    count: u32,
    window_s: u64,
}

impl Quota {
    /// `count` units in each `window_s` seconds; neither of them 0.
    pub fn new(count: u32, window_s: u32) -> Self {
        Self { count, window_s: window_s.max(1).into() }
    }

    /// Takes `cost` units from `state`, 0 for a count that was never used, at `now_s` of the UTC clock; `state` stays as it is where
    /// there are not so many.
    pub fn take(&self, state: &mut u64, now_s: u64, cost: u32) -> Outcome {
        // A clock that steps back does not begin an earlier window anew.
        let (then, window) = (*state >> 32, (now_s / self.window_s).max(*state >> 32));
        let used = if then == window { *state as u32 } else { 0 };
        let wait_s = ((window + 1) * self.window_s).saturating_sub(now_s);
        let left = |used: u32| self.count.saturating_sub(used).into();
        match used.checked_add(cost).filter(|sum| *sum <= self.count) {
            None => Outcome { passed: false, left: left(used), wait_s },
            Some(sum) => {
                *state = window << 32 | u64::from(sum);
                Outcome { passed: true, left: left(sum), wait_s }
            }
        }
    }

    /// The window of `now_s`, and when it ends.
    pub fn window(&self, now_s: u64) -> (u64, u64) {
        let window = now_s / self.window_s;
        (window, (window + 1) * self.window_s)
    }

    /// The number by which `used` units were used in `window`.
    pub fn state_of(&self, window: u64, used: i64) -> u64 {
        window << 32 | u64::from(u32::try_from(used.max(0)).unwrap_or(u32::MAX))
    }

    /// Gives `cost` units back that were taken.
    pub fn give_back(&self, state: &mut u64, cost: u32) {
        let used = (*state as u32).saturating_sub(cost);
        *state = *state >> 32 << 32 | u64::from(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn a_day_begins_at_midnight_and_a_step_back_begins_none() {
        let (quota, mut state) = (Quota::new(3, DAY as u32), 0);
        let now = 100 * DAY + 5;
        assert_eq!(quota.take(&mut state, now, 2), Outcome { passed: true, left: 1, wait_s: DAY - 5 });
        assert_eq!(quota.take(&mut state, now, 2), Outcome { passed: false, left: 1, wait_s: DAY - 5 });
        assert!(quota.take(&mut state, now, 1).passed);
        assert!(!quota.take(&mut state, now - DAY, 1).passed, "the clock stepped back");
        assert!(!quota.take(&mut state, now + DAY - 6, 1).passed);
        assert!(quota.take(&mut state, now + DAY - 5, 3).passed);
        quota.give_back(&mut state, 1);
        assert_eq!(quota.take(&mut state, now + DAY, 0).left, 1);
    }

    proptest! {
        #[test]
        fn never_more_in_a_window_however_the_clock_steps(moments in prop::collection::vec(0u64..4 * DAY, 1..300)) {
            let (quota, mut state) = (Quota::new(5, DAY as u32), 0);
            let mut taken = [0; 4];
            for now in moments {
                let before = state;
                if quota.take(&mut state, now, 1).passed {
                    taken[(state >> 32) as usize] += 1;
                }
                prop_assert!(state >= before);
            }
            prop_assert!(taken.iter().all(|taken| *taken <= 5), "{taken:?}");
        }
    }
}
