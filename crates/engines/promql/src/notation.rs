//! The notation in which tests of rules write series down: `up{job="a"}` and `1+2x3 _x2 5 stale`.

use crate::error::Error;
use crate::limits::NOTATION_SAMPLES_MAX;
use crate::matcher::Op;
use crate::number;
use crate::series::{STALE, Sample, Series};

/// A series whose values stand one interval apart, the first at a moment; both in milliseconds.
///
/// # Errors
/// Where the name is no series, or the values are none.
pub fn series(name: &str, values: &str, from_ms: i64, every_ms: i64) -> Result<Series, Error> {
    let matchers = crate::parse::selector(name)?;
    if let Some(it) = matchers.iter().find(|it| it.op != Op::Is) {
        return Err(Error::text(0, format!("a series has values, and `{it}` is a condition")));
    }
    let labels = matchers.iter().map(|it| (&*it.name, &*it.value)).collect();
    let mut slots: Vec<Option<f64>> = Vec::new();
    for word in values.split_ascii_whitespace() {
        word_into(word, &mut slots)
            .ok_or_else(|| Error::text(0, format!("`{word}` is no value such as `1`, `1+2x3`, `_x4` or `stale`")))?;
    }
    let samples = slots.into_iter().zip(0_i64..);
    let samples =
        samples.filter_map(|(value, at)| Some(Sample { at_ms: from_ms + at * every_ms, value: value? })).collect();
    Ok(Series { labels, samples })
}

/// `1`, `1x3`, `1+2x3`, `1-2x3`, `_`, `_x3`, `stale`. What is repeated stands once more than its count, but for gaps.
fn word_into(word: &str, slots: &mut Vec<Option<f64>>) -> Option<()> {
    if word == "stale" {
        slots.push(Some(STALE));
        return Some(());
    }
    let (head, times) = match word.rsplit_once('x').filter(|(head, _)| !head.is_empty()) {
        Some((head, times)) => (head, Some(times.parse::<usize>().ok()?)),
        None => (word, None),
    };
    if times.unwrap_or_default() + slots.len() >= NOTATION_SAMPLES_MAX {
        return None;
    }
    if head == "_" {
        slots.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
        return Some(());
    }
    let Some(times) = times else {
        slots.push(Some(number::read(head)?));
        return Some(());
    };
    // The sign of the step is the last one that does not begin the number and is none of an exponent.
    let bytes = head.as_bytes();
    let at = (1..bytes.len())
        .rev()
        .find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E' | b'+' | b'-'));
    let (mut value, step) = match at {
        Some(at) => (number::read(&head[..at])?, number::read(&head[at..])?),
        None => (number::read(head)?, 0.0),
    };
    // Added one after the other, as Prometheus does: the same roundings.
    for _ in 0..=times {
        slots.push(Some(value));
        value += step;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(i64, f64)> {
        series("up", text, 0, 10).unwrap().samples.iter().map(|it| (it.at_ms, it.value)).collect()
    }

    #[test]
    fn refuses_what_is_no_series() {
        for (name, text) in [
            ("up{a!=\"b\"}", "1"),
            ("up offset 5m", "1"),
            ("up", "1+"),
            ("up", "x3"),
            ("up", "_y"),
            ("up", "1x999999999"),
        ] {
            assert!(series(name, text, 0, 10).is_err(), "{name} {text}");
        }
    }

    #[test]
    fn reads_steps_gaps_and_ends() {
        assert_eq!(values("1+2x2 _x2 -5"), [(0, 1.0), (10, 3.0), (20, 5.0), (50, -5.0)]);
        assert_eq!(values("-1-2x1 7x1 1e3"), [(0, -1.0), (10, -3.0), (20, 7.0), (30, 7.0), (40, 1000.0)]);
        assert_eq!(values("0x2"), [(0, 0.0), (10, 0.0), (20, 0.0)]);
        assert!(crate::is_stale(values("1 _ stale")[1].1));
    }
}
