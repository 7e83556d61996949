//! The values of `format` that are checked. Others say something to people, as JSON Schema has it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Int32,
    Int64,
    Date,
    Time,
    DateTime,
    Duration,
    Uuid,
    Ipv4,
    Ipv6,
    Email,
    Hostname,
    Uri,
    Base64,
}

impl Format {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "date" => Self::Date,
            "time" => Self::Time,
            "date-time" => Self::DateTime,
            "duration" => Self::Duration,
            "uuid" => Self::Uuid,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "uri" => Self::Uri,
            "byte" => Self::Base64,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "date-time",
            Self::Duration => "duration",
            Self::Uuid => "uuid",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Uri => "uri",
            Self::Base64 => "byte",
        }
    }

    /// Whether a text has it.
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            Self::Int32 | Self::Int64 => true,
            Self::Date => is_date(text),
            Self::Time => is_time(text),
            Self::DateTime => is_date_time(text),
            Self::Duration => is_duration(text),
            Self::Uuid => is_uuid(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => !text.contains('%') && text.parse::<Ipv6Addr>().is_ok(),
            Self::Email => is_email(text),
            Self::Hostname => is_hostname(text),
            Self::Uri => is_uri(text),
            Self::Base64 => is_base64(text),
        }
    }
}

/// So many digits at the start, as a number, and the rest.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())??;
    Some((number, rest))
}

fn is_date(text: &str) -> bool {
    date(text).is_some_and(str::is_empty)
}

/// What follows a date (RFC 3339 `full-date`).
fn date(text: &str) -> Option<&str> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let most = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    (1..=most).contains(&day).then_some(rest)
}

fn is_date_time(text: &str) -> bool {
    date(text).and_then(|rest| rest.strip_prefix(['T', 't'])).is_some_and(is_time)
}

/// RFC 3339 `full-time`, leap seconds at the end of a day of UTC alone.
fn is_time(text: &str) -> bool {
    time(text).is_some()
}

fn time(text: &str) -> Option<()> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
            (count > 0).then(|| &fraction[count..])?
        }
        None => rest,
    };
    let offset = match rest {
        "Z" | "z" => 0,
        rest => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, rest) = digits(rest.strip_prefix(['+', '-'])?, 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
            (rest.is_empty() && hours < 24 && minutes < 60).then(|| sign * (hours * 60 + minutes) as i32)?
        }
    };
    let of_day = (hour * 60 + minute) as i32 - offset;
    let is_last_minute = of_day.rem_euclid(24 * 60) == 24 * 60 - 1;
    (hour < 24 && minute < 60 && (second < 60 || (second == 60 && is_last_minute))).then_some(())
}

/// RFC 3339 appendix A.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    if let Some(weeks) = rest.strip_suffix('W') {
        return !weeks.is_empty() && weeks.bytes().all(|b| b.is_ascii_digit());
    }
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    let parts = |text: &str, units: &str| -> Option<usize> {
        let (mut rest, mut last, mut count) = (text, None, 0);
        while !rest.is_empty() {
            let len = rest.bytes().take_while(u8::is_ascii_digit).count();
            let unit = units.find(rest[len..].chars().next()?)?;
            // Units come one after the other, without a gap.
            let follows = last.is_none_or(|last| unit == last + 1);
            (len > 0 && follows).then_some(())?;
            (last, rest, count) = (Some(unit), &rest[len + 1..], count + 1);
        }
        Some(count)
    };
    match (parts(date, "YMD"), time.map(|time| parts(time, "HMS"))) {
        (Some(count), None) => count > 0,
        (Some(_), Some(Some(count))) => count > 0,
        _ => false,
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A mailbox of RFC 5321 without comments: what services of today take.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let is_atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    };
    let is_quoted =
        |text: &str| !text[1..text.len() - 1].contains(['"', '\\']) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let good_local = if quoted { is_quoted(local) } else { local.len() <= 64 && local.split('.').all(is_atom) };
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good_domain = match literal {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => address.parse::<Ipv4Addr>().is_ok(),
        },
        None => is_hostname(domain),
    };
    good_local && good_domain
}

/// RFC 1123 section 2.1.
fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && edge(label.bytes().next())
            && edge(label.bytes().last())
            // Only names of IDNA have these, and those are checked by nobody here.
            && label.get(2..4).is_none_or(|two| two != "--" || label.get(..2).is_some_and(|xn| xn.eq_ignore_ascii_case("xn")))
    };
    !text.is_empty() && text.len() <= 253 && text.split('.').all(is_label)
}

/// A scheme and, after it, only characters that may stand in a URI (RFC 3986).
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let good_scheme = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let may_stand = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let escapes =
        rest.split('%').skip(1).all(|part| part.get(..2).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())));
    good_scheme && rest.bytes().all(may_stand) && escapes && rest.matches('#').count() <= 1
}

/// RFC 4648 section 4, padded.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_only_looks_like_it() {
        for (name, text) in [
            ("date", "2026-02-29"),
            ("date", "2026-13-01"),
            ("date", "2026-1-01"),
            ("date-time", "2026-01-01 00:00:00Z"),
            ("date-time", "2026-01-01T24:00:00Z"),
            ("time", "12:00:60Z"),
            ("time", "12:00:00"),
            ("uuid", "2eb8aa08aa9811eab4aa73b441d16380"),
            ("ipv4", "127.0.0.1.1"),
            ("ipv4", "0x7f.0.0.1"),
            ("ipv6", "fe80::1%eth0"),
            ("email", "a@b@c d"),
            ("email", ".a@b"),
            ("hostname", "-a.b"),
            ("uri", "//host/x"),
            ("uri", "http://a/%zz"),
            ("byte", "abc"),
            ("duration", "P1D1Y"),
            ("duration", "PT"),
        ] {
            assert!(!Format::named(name).unwrap().fits(text), "{name} {text}");
        }
        for (name, text) in [
            ("date", "2024-02-29"),
            ("date-time", "1998-12-31T23:59:60Z"),
            ("date-time", "1998-12-31T15:59:60.123-08:00"),
            ("email", "joe.bloggs@example.com"),
            ("uri", "urn:isbn:1"),
            ("byte", "YQ=="),
            ("duration", "P1DT2H"),
        ] {
            assert!(Format::named(name).unwrap().fits(text), "{name} {text}");
        }
    }
}
