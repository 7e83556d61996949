//! What is usual for one caller: how many requests a window has that 19 of 20 windows in which it came do not exceed.
//!
//! A quantile that is followed step by step, after twelve windows of which the largest counts: a window says whether it was above or
//! below, and not by how much, so that one flood moves it no further than one request too many would. What lasts becomes usual: in
//! the time of [`SlowDown::over_ms`] it grows at most to 2.6 times, however much comes, and falls by a twentieth. Windows in which the
//! caller does not come say nothing: who works by day is known in the morning.
//!
//! Within what is usual, times what is declared, requests go on at once, in whatever order they come in a window; beyond it they are
//! strung out to that rate.

use bartizan_core::slow_down::SlowDown;
use std::time::Duration;

/// Windows in which a caller has to have come before anything is usual for it, a count.
const KNOWN_AFTER: u16 = 12;
/// The share of windows that are above what is usual.
const ABOVE: f32 = 0.05;
/// Over what time the number fades by which it is told who came least of late.
const LATELY: Duration = Duration::from_secs(60);

/// What is declared, in the units of the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    window_ns: u64,
    /// How much of itself what is usual changes by in a window.
    step: f32,
    times: f32,
    /// Requests of a window that nobody is slowed down for.
    least: f32,
    delay_ns: u64,
}

/// What is known of one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usual {
    /// When the window began, in nanoseconds.
    began_ns: u64,
    /// When everything that was let through will have been usual, in nanoseconds.
    owed_until_ns: u64,
    /// Requests in this window, a count.
    count: f32,
    /// What is usual in a window; before it is known, the most that there was.
    usual: f32,
    /// Windows that it was learned from, a count that stops at [`KNOWN_AFTER`].
    windows: u16,
    /// Requests of late, faded.
    lately: f32,
    /// When that was, in nanoseconds.
    at_ns: u64,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It goes on.
    Now,
    /// It goes on after a while.
    Later {
        /// The while.
        wait_ns: u64,
        /// What it took of what is usual, to be given back where it does not go on after all.
        unit_ns: u64,
    },
    /// It would have to wait for too long.
    Never {
        /// When it would not, in nanoseconds from now.
        again_ns: u64,
    },
}

impl Allowance {
    /// Of what is declared.
    pub fn of(said: &SlowDown) -> Self {
        let window_ms = said.window_ms.max(1);
        Self {
            window_ns: u64::from(window_ms) * 1_000_000,
            step: window_ms as f32 / said.over_ms.max(window_ms) as f32,
            times: said.times.max(1) as f32,
            least: (said.least.max(1) as f32 * window_ms as f32 / 1000.0).max(1.0),
            delay_ns: u64::from(said.delay_ms) * 1_000_000,
        }
    }

    /// The length of a window, in nanoseconds.
    pub fn window_ns(&self) -> u64 {
        self.window_ns
    }
}

impl Usual {
    /// A request at `now_ns`. What is not let through is counted as well: it is how often the caller comes.
    pub fn comes(&mut self, by: &Allowance, now_ns: u64) -> Turn {
        let now_ns = now_ns.max(self.at_ns);
        self.turn_window(by, now_ns);
        self.count += 1.0;
        self.lately = self.lately_at(now_ns) + 1.0;
        self.at_ns = now_ns;
        if self.windows < KNOWN_AFTER {
            return Turn::Now;
        }
        let unit_ns = (by.window_ns as f32 / self.allowed(by)).max(1.0) as u64;
        let until_ns = self.owed_until_ns.max(now_ns).saturating_add(unit_ns);
        // All of a window may come at once.
        let wait_ns = until_ns.saturating_sub(now_ns.saturating_add(by.window_ns));
        if wait_ns > by.delay_ns {
            return Turn::Never { again_ns: wait_ns - by.delay_ns };
        }
        self.owed_until_ns = until_ns;
        if wait_ns == 0 { Turn::Now } else { Turn::Later { wait_ns, unit_ns } }
    }

    /// Gives back what a request took that did not go on after all.
    pub fn give_back(&mut self, unit_ns: u64) {
        self.owed_until_ns = self.owed_until_ns.saturating_sub(unit_ns);
    }

    /// How many requests it may have in a window; `None` where that is not known yet.
    pub fn allowance(&self, by: &Allowance) -> Option<f32> {
        (self.windows >= KNOWN_AFTER).then(|| self.allowed(by))
    }

    /// Nanoseconds until everything that was let through will have been usual.
    pub fn owed_ns(&self, now_ns: u64) -> u64 {
        self.owed_until_ns.saturating_sub(now_ns)
    }

    /// Requests of late, faded until `now_ns`.
    pub fn lately_at(&self, now_ns: u64) -> f32 {
        let passed_ns = now_ns.saturating_sub(self.at_ns) as f32;
        self.lately * (-passed_ns / LATELY.as_nanos() as f32).exp()
    }

    /// For another caller in its place: what was learned and used stays, how often it came does not.
    #[must_use]
    pub fn inherited(self) -> Self {
        Self { lately: 0.0, ..self }
    }

    fn allowed(&self, by: &Allowance) -> f32 {
        (self.usual * by.times).max(by.least)
    }

    /// Learns from a window that is over, and begins another.
    fn turn_window(&mut self, by: &Allowance, now_ns: u64) {
        if self.count == 0.0 {
            self.began_ns = now_ns;
        }
        if now_ns.saturating_sub(self.began_ns) < by.window_ns {
            return;
        }
        if self.windows < KNOWN_AFTER {
            self.windows += 1;
            self.usual = self.usual.max(self.count);
        } else if self.count > self.usual {
            self.usual *= ((1.0 - ABOVE) * by.step).exp();
        } else {
            self.usual *= (-ABOVE * by.step).exp();
        }
        (self.began_ns, self.count) = (now_ns, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::limit::Per;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn by() -> Allowance {
        Allowance::of(&SlowDown { least: 1, ..SlowDown::per(Per::Caller) })
    }

    /// Comes `rate` times a second, evenly; how many went on at once, waited, and were too much.
    fn come(it: &mut Usual, rate: u64, from_s: u64, seconds: u64) -> (u64, u64, u64) {
        let mut sum = (0, 0, 0);
        for n in 0..rate * seconds {
            match it.comes(&by(), from_s * SECOND + n * SECOND / rate) {
                Turn::Now => sum.0 += 1,
                Turn::Later { .. } => sum.1 += 1,
                Turn::Never { .. } => sum.2 += 1,
            }
        }
        sum
    }

    /// One that came 20 times a second for five minutes.
    fn known() -> Usual {
        let mut it = Usual::default();
        assert_eq!(come(&mut it, 20, 0, 300), (6000, 0, 0));
        it
    }

    #[test]
    fn ten_times_the_usual_waits_first_and_is_then_refused_but_for_twice_the_usual() {
        let mut it = known();
        let (now, later, never) = come(&mut it, 200, 300, 60);
        // Two windows' worth at most at once; all that goes on is twice the usual rate, and one window more.
        assert!(now <= 800, "{now}");
        assert!(later >= 1_800, "{later} were slowed down");
        // 40 a second, a window at once, two seconds of waiting; and what is usual grows by a hundredth or two.
        assert!(now + later <= (40 * 60 + 400 + 80) * 102 / 100, "{now} and {later}");
        assert_eq!(now + later + never, 12_000);
    }

    #[test]
    fn nobody_is_refused_before_it_was_slowed_down_and_waits_grow() {
        let mut it = known();
        let (mut longest, mut refused) = (0, false);
        for n in 0..4_000 {
            match it.comes(&by(), 300 * SECOND + n * SECOND / 200) {
                Turn::Now => assert_eq!(longest, 0, "all that is usual comes first"),
                Turn::Later { wait_ns, .. } => longest = longest.max(wait_ns),
                Turn::Never { again_ns } => {
                    assert!(longest > 19 * SECOND / 10, "refused after waits of {longest} ns");
                    assert!(again_ns <= SECOND / 10, "{again_ns}");
                    refused = true;
                }
            }
        }
        assert!(refused);
    }

    #[test]
    fn what_is_usual_goes_on_at_once_also_where_it_comes_in_bursts() {
        let mut it = Usual::default();
        for window in 0..200 {
            for n in 0..500 {
                let turn = it.comes(&by(), window * 10 * SECOND + n);
                assert_eq!(turn, Turn::Now, "window {window}, request {n}");
            }
        }
        // Twice that is still nothing to speak of.
        assert!((0..990).all(|n| it.comes(&by(), 2_000 * SECOND + n) == Turn::Now));
    }

    #[test]
    fn a_flood_does_not_become_usual_by_being_large_and_only_slowly_by_lasting() {
        let mut once = known();
        let before = once.allowance(&by()).unwrap();
        come(&mut once, 5_000, 300, 60);
        assert!(once.allowance(&by()).unwrap() < before * 1.03, "a minute of it");
        let mut lasting = known();
        come(&mut lasting, 200, 300, 3600);
        let after = lasting.allowance(&by()).unwrap();
        assert!(after > before * 2.3 && after < before * 2.7, "{after} of {before} in an hour");
    }

    #[test]
    fn what_lasts_becomes_usual() {
        let mut it = known();
        come(&mut it, 40, 300, 2 * 3600);
        let (now, later, never) = come(&mut it, 78, 300 + 2 * 3600, 60);
        assert_eq!((later, never), (0, 0), "{now} went on");
    }

    #[test]
    fn who_was_away_is_known_when_it_comes_again() {
        let mut it = known();
        let before = it.allowance(&by()).unwrap();
        come(&mut it, 20, 100_000, 10);
        assert!((it.allowance(&by()).unwrap() - before).abs() < before * 0.01);
    }

    #[test]
    fn few_requests_are_never_slowed_down() {
        let by = Allowance::of(&SlowDown::per(Per::Caller));
        let mut it = Usual::default();
        (0..100).for_each(|n| _ = it.comes(&by, n * 20 * SECOND));
        let from = 3_000 * SECOND;
        assert!((0..600).all(|n| it.comes(&by, from + n * SECOND / 10) == Turn::Now), "10 a second is the least");
    }

    #[test]
    fn what_did_not_go_on_costs_nothing() {
        let mut it = known();
        come(&mut it, 200, 300, 10);
        let before = it;
        for _ in 0..10_000 {
            if let Turn::Later { unit_ns, .. } = it.comes(&by(), 310 * SECOND) {
                it.give_back(unit_ns);
            }
        }
        assert_eq!(it.owed_ns(310 * SECOND), before.owed_ns(310 * SECOND));
    }

    proptest! {
        /// Whatever comes whenever: waits are within what was declared, and a clock that steps back breaks nothing.
        #[test]
        fn waits_are_bounded(moments in prop::collection::vec(0u64..2_000 * SECOND, 1..2_000), lasts in 1u64..40) {
            let mut it = Usual::default();
            for at in moments.into_iter().flat_map(|at| (0..lasts).map(move |n| at + n)) {
                if let Turn::Later { wait_ns, .. } = it.comes(&by(), at) {
                    prop_assert!(wait_ns <= 2 * SECOND, "{wait_ns}");
                }
                prop_assert!(it.allowed(&by()).is_finite() && it.allowed(&by()) >= 1.0);
            }
        }
    }
}
