//! Times as texts: RFC 3339, and what syslog had before it.

use bartizan_core::Timestamp;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY_MS: i64 = 86_400_000;

/// `2026-01-02T03:04:05.678Z`, `…+02:00`; `None` for anything else, and for times before 1970.
pub(crate) fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (head, mut rest) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let fits =
        separators.iter().all(|(at, sign)| head[*at].to_ascii_uppercase() == *sign || (*at == 10 && head[10] == b' '));
    if !fits {
        return None;
    }
    let n = |range: std::ops::Range<usize>| number(&head[range]);
    let days = days(n(0..4)?, n(5..7)?, n(8..10)?)?;
    let mut ms = days * DAY_MS + clock(n(11..13)?, n(14..16)?, n(17..19)?)?;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut thousandths = [b'0'; 3];
        fraction[..digits].iter().zip(&mut thousandths).for_each(|(from, to)| *to = *from);
        ms += number(&thousandths)?;
        rest = (digits > 0).then(|| &fraction[digits..])?;
    }
    let offset_min = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = number(&[*h1, *h2])? * 60 + number(&[*m1, *m2])?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    u64::try_from(ms - offset_min * 60_000).ok().map(Timestamp::from_millis)
}

/// `Oct 11 22:14:15` at the beginning of `text`, with what follows. It says neither year nor zone: the one is chosen so that the time lies
/// nearest to `now`, the other is taken to be UTC.
pub(crate) fn bsd(text: &[u8], now: Timestamp) -> Option<(Timestamp, &[u8])> {
    let (head, rest) = text.split_at_checked(15)?;
    let month = MONTHS.iter().position(|month| head.starts_with(*month))? as i64 + 1;
    let day = number(if head[4] == b' ' { &head[5..6] } else { &head[4..6] })?;
    if head[3] != b' ' || head[6] != b' ' || head[9] != b':' || head[12] != b':' {
        return None;
    }
    let clock = clock(number(&head[7..9])?, number(&head[10..12])?, number(&head[13..15])?)?;
    let now_ms = i64::try_from(now.as_millis()).ok()?;
    let year = 1970 + now_ms / (365 * DAY_MS + DAY_MS / 4);
    let candidates = (year - 1..=year + 1).filter_map(|year| Some(days(year, month, day)? * DAY_MS + clock));
    let ms = candidates.min_by_key(|ms| (ms - now_ms).abs())?;
    Some((Timestamp::from_millis(u64::try_from(ms).ok()?), rest))
}

/// `15/Jan/2027:08:59:58 +0100`, as web servers write it.
pub(crate) fn common_log(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let signs = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if bytes.len() != 26 || signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let n = |range: std::ops::Range<usize>| number(&bytes[range]);
    let month = MONTHS.iter().position(|month| bytes[3..6] == month[..])? as i64 + 1;
    let ms = days(n(7..11)?, month, n(0..2)?)? * DAY_MS + clock(n(12..14)?, n(15..17)?, n(18..20)?)?;
    let minutes = n(22..24)? * 60 + n(24..26)?;
    let offset_min = match bytes[21] {
        b'+' => minutes,
        b'-' => -minutes,
        _ => return None,
    };
    u64::try_from(ms - offset_min * 60_000).ok().map(Timestamp::from_millis)
}

/// The inverse of [`rfc3339`], in UTC with milliseconds.
pub(crate) fn to_rfc3339(at: Timestamp) -> String {
    let ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // As `days`, the other way round.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = of_era_year + era * 400 + i64::from(month <= 2);
    let (s, ms) = (of_day / 1_000, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", s / 3_600, s / 60 % 60, s % 60)
}

fn number(digits: &[u8]) -> Option<i64> {
    let digit = |value: i64, b: &u8| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0'));
    digits.iter().try_fold(0, digit)
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // 60 is a leap second.
    (hour < 24 && minute < 60 && second <= 60).then_some(((hour * 60 + minute) * 60 + second) * 1_000)
}

/// Days since 1970-01-01 of a date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_refuses_what_is_none() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.5Z", 951_825_600_500),
            ("2026-11-27T13:43:29.123456789Z", 1_795_787_009_123),
            ("2026-11-27T15:43:29+02:00", 1_795_787_009_000),
            ("2026-11-27 13:43:29Z", 1_795_787_009_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] {
            assert_eq!(rfc3339(text), Some(Timestamp::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "2026-11-27",
            "2026-11-27T13:43:29",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27T13:43:29.Z",
            "2026-11-27T13:43:29+0200",
            "1969-12-31T23:59:59Z",
            "２026-11-27T13:43:29Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(ms in 0_u64..253_402_300_800_000) {
            let at = Timestamp::from_millis(ms);
            proptest::prop_assert_eq!(rfc3339(&to_rfc3339(at)), Some(at));
        }
    }

    #[test]
    fn web_servers_have_times_of_their_own() {
        assert_eq!(common_log("10/Oct/2000:13:55:36 -0700"), rfc3339("2000-10-10T20:55:36Z"));
        for text in [
            "",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36 *0700",
            "32/Oct/2000:13:55:36 -0700",
            "10/Oct/2000 13:55:36 -0700",
        ] {
            assert_eq!(common_log(text), None, "{text}");
        }
    }

    #[test]
    fn a_year_that_is_not_said_is_the_nearest() {
        let at = |text| rfc3339(text).unwrap();
        for (text, now, expected) in [
            (&b"Nov 27 13:43:29 rest"[..], "2026-11-27T13:50:00Z", "2026-11-27T13:43:29Z"),
            (b"Dec 31 23:59:59 rest", "2027-01-01T00:00:10Z", "2026-12-31T23:59:59Z"),
            (b"Jan  1 00:00:01 rest", "2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z"),
            (b"Feb 29 00:00:01 rest", "2024-03-01T00:00:00Z", "2024-02-29T00:00:01Z"),
        ] {
            assert_eq!(bsd(text, at(now)), Some((at(expected), &b" rest"[..])), "{now}");
        }
        for text in
            [&b""[..], b"Oct 11 22:14", b"Okt 11 22:14:15", b"Oct 32 22:14:15", b"Oct-11 22:14:15", b"Oct 1x 22:14:15"]
        {
            assert_eq!(bsd(text, at("2026-11-27T13:50:00Z")), None, "{text:?}");
        }
    }
}
