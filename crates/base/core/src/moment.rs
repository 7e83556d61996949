//! Moments as people and other programs write them (RFC 3339), to and from [`Timestamp`].

use crate::time::Timestamp;
use std::time::Duration;

/// Longest text that is read, in bytes: nine digits of a second and an offset.
const BYTES_MAX: usize = 40;
const DAY_S: i64 = 86_400;

/// A moment such as `2026-12-01T22:00:00Z`, `2026-12-01T22:00:00.5+01:00` or `2026-12-01T22:00Z`; `None` for anything else, and before 1970.
pub fn read(text: &str) -> Option<Timestamp> {
    if text.len() > BYTES_MAX || !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset_s) = offset(rest)?;
    let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(whole, it)| (whole, Some(it)));
    let mut parts = whole.split(':');
    let hour = number(parts.next()?, 2, 23)?;
    let minute = number(parts.next()?, 2, 59)?;
    // A leap second is the one after it.
    let second = parts.next().map_or(Some(0), |it| number(it, 2, 60))?;
    if parts.next().is_some() {
        return None;
    }
    let ms = fraction.map_or(Some(0), millis)?;
    let s = day(date)?.checked_mul(DAY_S)?.checked_add(hour * 3600 + minute * 60 + second)?.checked_sub(offset_s)?;
    Some(Timestamp::from_millis(u64::try_from(s).ok()?.checked_mul(1000)?.checked_add(ms)?))
}

/// The first moment after a day such as `2026-12-31`, in UTC; `None` for anything else.
pub fn end_of_day(text: &str) -> Option<Timestamp> {
    let next = day(text)?.checked_add(1)?.checked_mul(DAY_S)?;
    u64::try_from(next).ok().map(Timestamp::from_secs)
}

/// As it is written in answers: UTC, to the millisecond.
pub fn write(at: Timestamp) -> String {
    let (days, second) = (at.as_secs() / 86_400, at.as_secs() % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, s, ms) = (second / 3600, second / 60 % 60, second % 60, at.as_millis() % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{s:02}.{ms:03}Z")
}

/// A time such as `90s`, `10m`, `12h` or `30d`; `None` for anything else.
pub fn span(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let (digits, unit) = units.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)))?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(unit).map(Duration::from_secs)
}

/// As [`span`] reads it, in the largest unit that fits.
pub fn write_span(span: Duration) -> String {
    let s = span.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("m", 60)];
    let fits = units.iter().find(|(_, unit)| s >= *unit && s.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{s}s"), |(word, unit)| format!("{}{word}", s / unit))
}

/// What stands before the offset, and the offset in seconds.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = text.len().checked_sub(6)?;
    let (clock, offset) = text.split_at_checked(at)?;
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    Some((clock, sign * (number(hours, 2, 23)? * 3600 + number(minutes, 2, 59)? * 60)))
}

fn millis(fraction: &str) -> Option<u64> {
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| fraction.bytes().chain(*b"00").take(3).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
}

fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= most)
}

/// Days since 1970 of `2026-12-31`.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4, 9999)?, number(parts.next()?, 2, 12)?, number(parts.next()?, 2, 31)?);
    let days = days(year, month, day);
    // What does not come back is no day of its month.
    (parts.next().is_none() && civil(days) == (year, month, day)).then_some(days)
}

/// Days since 1970 of a date: Hinnant, `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let of_era = year - era * 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026",
            "2026-12-01",
            "2026-12-01T22:00:00",
            "2026-13-01T22:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-12-01T24:00:00Z",
            "2026-12-01T22:60:00Z",
            "2026-12-01T22:00:00.Z",
            "2026-12-01T22:00:00+1:00",
            "2026-12-01T22:00:00+01:0",
            "1969-12-31T23:59:59Z",
            "2026-12-01T22:00:00:00Z",
            "+026-12-01T22:00:00Z",
            "2026-12-01T2é:00:00Z",
            "2025-02-29T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!((end_of_day("2026-02-30"), end_of_day("tomorrow")), (None, None));
        for text in ["", "s", "1", "1w", "-1s", "1.5h", "+1s", "99999999999999999999d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn reads_what_others_write() {
        // `date -u -d … +%s`
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-12-01T22:00:00Z", 1_796_162_400_000),
            ("2026-12-01T22:00Z", 1_796_162_400_000),
            ("2026-12-01T23:00:00.5+01:00", 1_796_162_400_500),
            ("2024-02-29T12:00:00.123456789-00:30", 1_709_209_800_123),
        ] {
            assert_eq!(read(text), Some(Timestamp::from_millis(ms)), "{text}");
        }
        assert_eq!(end_of_day("2026-12-01"), Some(Timestamp::from_secs(1_796_169_600)));
        assert_eq!((span("90s"), span("30d")), (Some(Duration::from_secs(90)), Some(Duration::from_secs(2_592_000))));
        assert_eq!(write(Timestamp::from_millis(1_796_162_400_500)), "2026-12-01T22:00:00.500Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0u64..253_402_300_799_000, s in 0u64..10_000_000) {
            let at = Timestamp::from_millis(ms);
            prop_assert_eq!(read(&write(at)), Some(at));
            let time = Duration::from_secs(s);
            prop_assert_eq!(span(&write_span(time)), Some(time));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,50}") {
            let _ = (read(&text), end_of_day(&text), span(&text));
        }
    }
}
