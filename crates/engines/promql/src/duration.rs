//! Spans of time as PromQL writes them: `1h30m`.

use crate::limits::SPAN_MS_MAX;

/// Units from the longest to the shortest, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `1h30m` as milliseconds. Each unit comes once, the longer before the shorter.
pub fn read(text: &str) -> Option<i64> {
    let (mut rest, mut units, mut sum) = (text, &UNITS[..], 0_i64);
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.bytes().take_while(u8::is_ascii_lowercase).count();
        let at = units.iter().position(|(name, _)| *name == &rest[..unit])?;
        sum = sum.checked_add(count.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[unit..];
    }
    (sum <= SPAN_MS_MAX).then_some(sum)
}

/// Writes milliseconds so that [`read`] reads them back; 0 is `0s`.
pub fn write(ms: i64) -> String {
    let (mut rest, mut out) = (ms, String::new());
    for (name, unit) in UNITS {
        // Weeks and years come out of `read` alone, as Prometheus prints them too.
        if rest >= unit {
            out.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_span() {
        for text in ["", "5", "m", "5x", "5m5m", "5s1m", "-5m", "1.5h", "5 m", "99999999999999999999s", "200y", "5mé"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn reads_and_writes() {
        for (text, ms) in [("5m", 300_000), ("1h30m", 5_400_000), ("1d1ms", 86_400_001), ("1w", 604_800_000), ("0s", 0)]
        {
            assert_eq!(read(text), Some(ms));
            assert_eq!(write(ms), text);
        }
    }
}
