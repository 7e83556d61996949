//! Whose clock is away from ours: certificates count by the clock of whoever looks at them.

use crate::app::App;
use bartizan_core::event::{Clock, What};
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::status::ClockStatus;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_runtime::control_v1;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Clocks of those who are attached and away by more than certificates allow for, in seconds ahead.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    wrong: Mutex<BTreeMap<String, i64>>,
}

impl Clocks {
    /// Takes a reading of the clock of `of`; gives what is worth telling.
    fn read(&self, of: &str, reading: control_v1::Clock, now: Timestamp) -> Option<Clock> {
        let ahead_s = ahead_ms(reading, now) / 1000;
        let wrong = ahead_s.unsigned_abs() > CLOCK_SKEW.as_secs();
        let mut held = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let was_wrong = match wrong {
            true => held.insert(of.to_owned(), ahead_s),
            false => held.remove(of),
        };
        (was_wrong.is_some() != wrong).then(|| Clock { of: of.into(), ahead_s, wrong })
    }

    fn forget(&self, of: &str) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(of);
    }

    /// Those that are away, by name.
    pub(crate) fn status(&self) -> Vec<ClockStatus> {
        let held = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().map(|(of, ahead_s)| ClockStatus { of: of.clone(), ahead_s: *ahead_s }).collect()
    }
}

/// How far ahead a clock is at least, in milliseconds; negative where it is behind. It was read after we sent the tick and
/// before we heard of it, so what lies between the two says nothing: the network, a process that was stopped, or our own
/// clock that was set.
fn ahead_ms(reading: control_v1::Clock, now: Timestamp) -> i64 {
    let (read, heard) = (signed(reading.now_ms), signed(now.as_millis()));
    let sent = signed(reading.tick_ms).min(heard);
    if read > heard { read - heard } else { (read - sent).min(0) }
}

/// Within 292 million years, so that differences fit.
fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// One whose clock is read for as long as its stream is open.
#[derive(Debug)]
pub(crate) struct Watched(String);

impl Watched {
    pub(crate) fn guard(service: &ServiceName) -> Self {
        Self(format!("guard {service}"))
    }

    pub(crate) fn node(name: &ServiceName) -> Self {
        Self(format!("node {name}"))
    }

    /// Takes a reading, and tells where it crosses the line.
    pub(crate) fn read(&self, app: &App, service: Option<&ServiceName>, reading: control_v1::Clock, now: Timestamp) {
        let Some(clock) = app.clocks.read(&self.0, reading, now) else { return };
        if clock.wrong {
            tracing::warn!(
                "{} of control's: certificates count too early or too late there; set one of the two",
                clock.text()
            );
        } else {
            tracing::info!("{} of control's, which certificates allow for", clock.text());
        }
        app.own_events.write(service, What::Clock(clock));
    }

    /// The stream has ended.
    pub(crate) fn end(&self, app: &App) {
        app.clocks.forget(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_delay_counts() {
        let at = |s: u64| Timestamp::from_secs(1_000_000 + s);
        let ms = |s: u64| at(s).as_millis();
        // Sent at 100, heard of at 110, read there at:
        for (read, ahead_s, why) in [
            (100, 0, "right away"),
            (105, 0, "in between"),
            (110, 0, "just before the answer"),
            (170, 60, "a minute ahead at least"),
            (200, 90, "ahead"),
            (40, -60, "a minute behind at least"),
            (10, -90, "behind"),
        ] {
            let reading = control_v1::Clock { now_ms: ms(read), tick_ms: ms(100) };
            assert_eq!(ahead_ms(reading, at(110)) / 1000, ahead_s, "{why}");
        }
        for (now_ms, tick_ms) in [(u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (0, 0)] {
            let _ = ahead_ms(control_v1::Clock { now_ms, tick_ms }, at(0)); // whatever a guard sends
        }
    }

    #[test]
    fn each_crossing_is_told_once() {
        let clocks = Clocks::default();
        let now = Timestamp::from_secs(1_000_000);
        let read = |ahead_s: i64| {
            let now_ms = now.as_millis().saturating_add_signed(ahead_s * 1000);
            clocks.read("node a", control_v1::Clock { now_ms, tick_ms: now.as_millis() }, now)
        };
        assert_eq!(read(60), None, "a minute is allowed for");
        assert_eq!(read(-60), None);
        let told = read(-61).unwrap();
        assert_eq!((told.wrong, told.text().as_str()), (true, "clock of node a is 61 s behind"));
        assert_eq!(read(-600), None, "it is known");
        assert_eq!(clocks.status()[0].ahead_s, -600);
        assert!(!read(3).unwrap().wrong);
        assert!(clocks.status().is_empty() && read(0).is_none());
    }
}
