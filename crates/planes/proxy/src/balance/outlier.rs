//! An instance that fails again and again gets nothing for a while.

use bartizan_core::edge::Outlier as Settings;
use std::time::Duration;

/// Longest time out, however often it failed before.
const OUT_MAX: Duration = Duration::from_secs(300);
/// How long an instance has to do well until its earlier times out are forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// How one instance has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    failed_in_a_row: u32,
    out_until: Option<Duration>,
    times_out: u32,
}

impl Health {
    /// Whether it gets nothing now.
    pub(super) fn is_out(&self, now: Duration) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    /// How a call ended. True where it is out from now on. `room` says whether one more may be.
    pub(super) fn ended(&mut self, settings: &Settings, failed: bool, room: bool, now: Duration) -> bool {
        if self.is_out(now) {
            return false; // began before
        }
        if !failed {
            self.failed_in_a_row = 0;
            return false;
        }
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        if settings.failures == 0 || self.failed_in_a_row < settings.failures || !room {
            return false;
        }
        if self.out_until.is_some_and(|until| now >= until + FORGET) {
            self.times_out = 0;
        }
        self.times_out = self.times_out.saturating_add(1);
        let out = Duration::from_millis(settings.eject_ms.into()).saturating_mul(self.times_out).min(OUT_MAX);
        self.out_until = Some(now + out);
        // When it comes back, one failure is enough.
        self.failed_in_a_row = settings.failures - 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn failures_in_a_row_put_it_out_each_time_for_longer() {
        let settings = Settings { failures: 3, eject_ms: 1000, ..Settings::default() };
        let mut health = Health::default();
        for (ms, failed, out) in [
            (0, true, false),
            (1, true, false),
            (2, false, false), // begins anew
            (3, true, false),
            (4, true, false),
            (5, true, true),
            (6, true, false), // one that began before
            (1006, true, true),
        ] {
            assert_eq!(health.ended(&settings, failed, true, at(ms)), out, "{ms}");
        }
        assert!(health.is_out(at(3005)) && !health.is_out(at(3006)), "two seconds the second time");
        assert!(health.ended(&settings, true, true, at(70_000)));
        assert!(!health.is_out(at(71_000)), "a minute later it is the first time again");
    }

    #[test]
    fn nobody_goes_where_there_is_no_room_or_it_is_switched_off() {
        let mut health = Health::default();
        let off = Settings { failures: 0, ..Settings::default() };
        for ms in 0..100 {
            assert!(!health.ended(&off, true, true, at(ms)));
            assert!(!health.ended(&Settings::default(), true, false, at(ms)));
        }
        assert!(health.ended(&Settings::default(), true, true, at(100)), "at once when there is room");
        let mut never = Health { times_out: u32::MAX, failed_in_a_row: u32::MAX, ..Health::default() };
        assert!(never.ended(&Settings::default(), true, true, at(0)) && !never.is_out(OUT_MAX));
    }
}
