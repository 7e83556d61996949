//! Opens when most of an edge's calls fail, so that a callee in trouble is left alone and callers are told at once; then
//! lets a few calls find out whether it is over.

use super::window::Window;
use bartizan_core::edge::Breaker as Settings;
use std::time::Duration;

/// Calls that find out at once whether it is over, a count; as many have to go well.
const PROBES: u32 = 3;

/// How a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    #[default]
    Closed,
    /// None does.
    Open,
    /// A few do, to find out.
    HalfOpen,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing is sent from now on.
    Opened,
    /// Everything is again.
    Closed,
}

/// The breaker of one edge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    stand: Stand,
    window: Window,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stand {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        out: u32,
        went_well: u32,
    },
}

/// A call that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// It is one of those that find out.
    pub(super) probe: bool,
}

impl Breaker {
    /// `None` where nothing is sent now.
    pub(super) fn admit(&mut self, settings: &Settings, now: Duration) -> Option<Admitted> {
        if settings.calls == 0 {
            return Some(Admitted { probe: false });
        }
        if let Stand::Open { until } = self.stand {
            if now < until {
                return None;
            }
            self.stand = Stand::HalfOpen { out: 0, went_well: 0 };
        }
        match &mut self.stand {
            Stand::HalfOpen { out, .. } if *out >= PROBES => None,
            Stand::HalfOpen { out, .. } => {
                *out += 1;
                Some(Admitted { probe: true })
            }
            Stand::Closed | Stand::Open { .. } => Some(Admitted { probe: false }),
        }
    }

    /// How an admitted call ended; `None` where nobody knows.
    pub(super) fn ended(
        &mut self,
        settings: &Settings,
        probe: bool,
        failed: Option<bool>,
        now: Duration,
    ) -> Option<Change> {
        if probe {
            return self.probed(settings, failed, now);
        }
        // What began before it opened says nothing of how things are now.
        if !matches!(self.stand, Stand::Closed) || settings.calls == 0 {
            return None;
        }
        self.window.push(now, failed?);
        let (calls, failures) = self.window.sums(now);
        let many = failures > 0 && failures * 1000 >= calls * u64::from(settings.failures.thousandths());
        (failed == Some(true) && many && calls >= u64::from(settings.calls)).then(|| self.open(settings, now))
    }

    fn probed(&mut self, settings: &Settings, failed: Option<bool>, now: Duration) -> Option<Change> {
        let Stand::HalfOpen { out, went_well } = &mut self.stand else { return None };
        *out = out.saturating_sub(1);
        match failed {
            None => None,
            Some(true) => Some(self.open(settings, now)),
            Some(false) => {
                *went_well += 1;
                (*went_well >= PROBES).then(|| {
                    *self = Self::default();
                    Change::Closed
                })
            }
        }
    }

    fn open(&mut self, settings: &Settings, now: Duration) -> Change {
        self.window.clear();
        self.stand = Stand::Open { until: now + Duration::from_millis(settings.open_ms.into()) };
        Change::Opened
    }

    pub(super) fn state(&self) -> State {
        match self.stand {
            Stand::Closed => State::Closed,
            Stand::Open { .. } => State::Open,
            Stand::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Calls every 10 ms from `from` to `to` that end at once; the time of the first refusal and of the last change.
    fn drive(breaker: &mut Breaker, from: u64, to: u64, failed: bool) -> (Option<u64>, Option<(u64, Change)>) {
        let (settings, mut refused, mut changed) = (Settings::default(), None, None);
        for ms in (from..to).step_by(10) {
            match breaker.admit(&settings, at(ms)) {
                None => refused = refused.or(Some(ms)),
                Some(Admitted { probe }) => {
                    let change = breaker.ended(&settings, probe, Some(failed), at(ms));
                    changed = change.map(|change| (ms, change)).or(changed);
                }
            }
        }
        (refused, changed)
    }

    #[test]
    fn opens_within_a_second_and_recovers() {
        let mut breaker = Breaker::default();
        assert_eq!(drive(&mut breaker, 0, 5000, false), (None, None));
        let (refused, changed) = drive(&mut breaker, 5000, 6000, true);
        let refused = refused.expect("it opened");
        assert!((5000..6000).contains(&refused), "{refused}");
        assert!(matches!(changed, Some((_, Change::Opened))));
        // Still failing: each time it looks, it opens again.
        let (refused, _) = drive(&mut breaker, 6000, 9000, true);
        assert!(refused.is_some());
        let (_, changed) = drive(&mut breaker, 9000, 12_000, false);
        assert!(matches!(changed, Some((ms, Change::Closed)) if ms <= 10_100), "{changed:?}");
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_few_failures_are_no_trouble() {
        let settings = Settings::default();
        let mut breaker = Breaker::default();
        for _ in 0..settings.calls - 1 {
            assert_eq!(breaker.ended(&settings, false, Some(true), at(0)), None, "too few calls to tell");
        }
        let mut breaker = Breaker::default();
        for n in 0..1000 {
            assert_eq!(breaker.ended(&settings, false, Some(n % 5 == 0), at(n)), None, "a fifth of many");
        }
        let off = Settings { calls: 0, ..settings };
        for n in 0..1000 {
            assert!(breaker.admit(&off, at(n)).is_some() && breaker.ended(&off, false, Some(true), at(n)).is_none());
        }
    }

    #[test]
    fn a_probe_that_nobody_waits_for_makes_room_for_another() {
        let settings = Settings::default();
        let mut breaker = Breaker { stand: Stand::Open { until: at(10) }, ..Breaker::default() };
        assert_eq!(breaker.admit(&settings, at(9)), None);
        for _ in 0..PROBES {
            assert_eq!(breaker.admit(&settings, at(10)), Some(Admitted { probe: true }));
        }
        assert_eq!(breaker.admit(&settings, at(11)), None);
        assert_eq!(breaker.ended(&settings, true, None, at(12)), None);
        assert_eq!(breaker.admit(&settings, at(12)), Some(Admitted { probe: true }));
        assert_eq!(breaker.ended(&settings, true, Some(true), at(13)), Some(Change::Opened));
        assert_eq!(breaker.ended(&settings, true, Some(false), at(13)), None, "one of before");
    }

    proptest! {
        #[test]
        fn never_more_than_the_probes_while_it_finds_out(steps in prop::collection::vec((0u64..400, 0u8..4), 1..300)) {
            let settings = Settings { calls: 2, ..Settings::default() };
            let (mut breaker, mut now, mut out) = (Breaker::default(), 0, Vec::new());
            for (pause, what) in steps {
                now += pause;
                match what {
                    0 => out.extend(breaker.admit(&settings, at(now)).map(|admitted| admitted.probe)),
                    what => if let Some(probe) = out.pop() {
                        let failed = [Some(true), Some(false), None][usize::from(what) - 1];
                        if breaker.ended(&settings, probe, failed, at(now)).is_some() {
                            out.iter_mut().for_each(|probe| *probe = false); // of another time now
                        }
                    },
                }
                prop_assert!(out.iter().filter(|probe| **probe).count() <= PROBES as usize);
            }
        }
    }
}
