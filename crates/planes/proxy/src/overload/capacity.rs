//! How many requests at once are good for a service, by the gradient of its answers' time (as in Netflix's concurrency-limits and
//! Envoy's adaptive concurrency): as long as answers take hardly longer than without load, more are let through; where they take
//! longer, requests wait there for each other, and fewer are.

use std::time::Duration;

/// Requests at once before anything is known, a count.
const LIMIT_FIRST: f64 = 32.0;
/// Fewest and most, a count each.
const LIMIT_MIN: f64 = 4.0;
const LIMIT_MAX: f64 = 4_096.0;
/// Times are judged in windows of at least this time and so many answers.
const WINDOW: Duration = Duration::from_millis(100);
const WINDOW_ANSWERS: u32 = 8;
/// How much longer than without load an answer may take before fewer are let through.
const TOLERANCE: f64 = 1.25;
/// Part of a new limit that is taken up in one window; the rest stays as it was.
const STEP: f64 = 0.3;
/// How much the time without load may grow in a window in which there was load; a program may have become slower by itself.
const DRIFT: f64 = 1.000_5;
/// How often, under load, fewer are let through for a moment, so that the time without load is seen again.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// The part of the limit that is let through then.
const PROBE_PART: f64 = 0.25;

/// What is known of one service.
#[derive(Clone, Debug)]
pub struct Capacity {
    limit: f64,
    /// Nanoseconds of an answer without load; 0 before the first window.
    base_ns: f64,
    window: Window,
    probe: Probe,
    /// When it was looked for last, or seen by itself; `None` for never.
    probed_ns: Option<u64>,
}

/// What was seen since the last judgement.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began_ns: u64,
    answers: u32,
    sum_ns: f64,
    most: u32,
}

/// Whether the time without load is being looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Probe {
    No,
    /// What was let through before is finished first.
    Draining(f64),
    Looking(f64),
}

impl Default for Capacity {
    fn default() -> Self {
        Self { limit: LIMIT_FIRST, base_ns: 0.0, window: Window::default(), probe: Probe::No, probed_ns: None }
    }
}

impl Capacity {
    /// Requests that may be under way at once, a count.
    pub fn limit(&self) -> u32 {
        let part = if self.probe == Probe::No { 1.0 } else { PROBE_PART };
        (self.limit * part).max(LIMIT_MIN) as u32
    }

    /// An answer came after `took_ns`, at `now_ns`, when `under_way` requests were, itself among them.
    pub fn answered(&mut self, took_ns: u64, now_ns: u64, under_way: u32) {
        let window = &mut self.window;
        window.answers += 1;
        window.sum_ns += took_ns as f64;
        window.most = window.most.max(under_way);
        let long = now_ns.saturating_sub(window.began_ns) >= WINDOW.as_nanos() as u64;
        if long && window.answers >= WINDOW_ANSWERS {
            let window = std::mem::take(window);
            self.window.began_ns = now_ns;
            self.judge(window.sum_ns / f64::from(window.answers), window.most, now_ns);
        }
    }

    fn judge(&mut self, mean_ns: f64, most: u32, now_ns: u64) {
        match self.probe {
            Probe::Draining(limit) => return self.probe = Probe::Looking(limit),
            Probe::Looking(limit) => {
                (self.base_ns, self.limit, self.probe, self.probed_ns) = (mean_ns, limit, Probe::No, Some(now_ns));
                return;
            }
            Probe::No => {}
        }
        let loaded = f64::from(most) * 2.0 >= self.limit;
        self.base_ns = match self.base_ns {
            0.0 => mean_ns,
            base if mean_ns < base => mean_ns,
            base if loaded => base * DRIFT,
            base => base * 0.9 + mean_ns * 0.1,
        };
        if !loaded {
            self.probed_ns = Some(now_ns); // this was a look at the time without load
        } else if self.probed_ns.is_none_or(|then| now_ns.saturating_sub(then) >= PROBE_EVERY.as_nanos() as u64) {
            self.probe = Probe::Draining(self.limit);
        }
        let gradient = (TOLERANCE * self.base_ns / mean_ns.max(1.0)).clamp(0.5, 1.0);
        let next = self.limit * gradient + self.limit.sqrt();
        // Who does not use what there is says nothing about more.
        if next < self.limit || loaded {
            self.limit = (self.limit * (1.0 - STEP) + next * STEP).clamp(LIMIT_MIN, LIMIT_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A service that works on `slots` requests at once, each for 20 ms, while as many as are let through come at once.
    fn driven(capacity: &mut Capacity, slots: u64, from_ns: u64, seconds: u64) -> u64 {
        let mut now = from_ns;
        while now < from_ns + seconds * 1000 * MS {
            let under_way = u64::from(capacity.limit());
            let took = 20 * MS * under_way.max(slots) / slots;
            now += took;
            (0..under_way).for_each(|_| capacity.answered(took, now, under_way as u32));
        }
        now
    }

    #[test]
    fn finds_what_a_service_bears_and_follows_it() {
        for slots in [8u64, 50, 400] {
            let mut capacity = Capacity::default();
            let now = driven(&mut capacity, slots, 0, 60);
            let found = u64::from(capacity.limit());
            assert!(found >= slots && found <= slots * 3 + 8, "{found} of {slots}");
            // It loses three quarters of its strength.
            driven(&mut capacity, slots / 4, now, 90);
            let found = u64::from(capacity.limit());
            assert!(found <= slots * 3 / 2 + 8, "{found} of {}", slots / 4);
        }
    }

    #[test]
    fn a_service_that_is_hardly_used_is_not_held_back_by_it() {
        let mut capacity = Capacity::default();
        let before = capacity.limit();
        (0..10_000).for_each(|n| capacity.answered(5 * MS, n * 10 * MS, 1));
        assert_eq!(capacity.limit(), before);
    }

    #[test]
    fn never_less_than_a_few_nor_without_end() {
        let mut capacity = Capacity::default();
        for n in 0..20_000 {
            capacity.answered(if n < 100 { MS } else { 60_000 * MS }, n * 50 * MS, 5_000);
            assert!((4..=4_096).contains(&capacity.limit()));
        }
        let mut capacity = Capacity::default();
        (0..100_000).for_each(|n| capacity.answered(MS, n * MS, 5_000));
        assert_eq!(capacity.limit(), 4_096);
    }
}
