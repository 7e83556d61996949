//! A moment as people type it: a time in UTC, or how long ago.

use super::time_span;
use bartizan_core::Timestamp;
use std::time::Duration;

/// See [`moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At that time.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// When that is.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now.minus(span),
        }
    }
}

/// `2026-08-01T12:00:00Z`, with an offset in place of `Z`, or `90s`, `15m`, `2h`, `7d` ago.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(span) = time_span(text) {
        return Ok(Moment::Ago(span));
    }
    let at: Option<jiff::Timestamp> = text.parse().ok();
    let ms = at.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    ms.map(|ms| Moment::At(Timestamp::from_millis(ms))).ok_or_else(|| {
        "expected a time such as `2026-08-01T12:00:00Z`, or how long ago, such as `90s`, `15m`, `2h`, `7d`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_span_before_now() {
        let now = Timestamp::from_secs(1_000_000_000);
        for (text, seconds) in [
            ("2001-09-09T01:46:40Z", 1_000_000_000),
            ("2001-09-09T03:46:40+02:00", 1_000_000_000),
            ("1970-01-01T00:00:01Z", 1),
            ("90s", 999_999_910),
            ("2h", 999_992_800),
            ("99999d", 0),
        ] {
            assert_eq!(moment(text).map(|it| it.at(now)), Ok(Timestamp::from_secs(seconds)), "{text}");
        }
        for text in ["", "yesterday", "2001-09-09", "2001-09-09T01:46:40", "-1h", "1969-01-01T00:00:00Z", "12:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
