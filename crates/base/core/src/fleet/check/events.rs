//! Checks how long events are kept, and how many.

use super::super::raw_events::{RawEvents, RawKeepEach};
use super::super::reader::{At, Field, Report, Reported};
use crate::limits::{EVENTS_BYTES_MAX, EVENTS_BYTES_MIN, EVENTS_KEEP_MAX, EVENTS_KEEP_MIN};
use crate::retention::{Retention, Sort, WhenFull};
use std::time::Duration;

pub(super) fn check(report: &mut Report<'_>, events: At<RawEvents>) -> Result<Retention, Reported> {
    let RawEvents { keep, keep_each, bytes, when_full } = events.value;
    let (keep, each, bytes) = (age(report, keep), ages(report, keep_each), size(report, bytes));
    let when_full = full(report, when_full);
    Ok(Retention { keep: keep?, keep_each: each?, bytes_max: bytes?, when_full: when_full? })
}

fn ages(report: &mut Report<'_>, field: Field<RawKeepEach>) -> Result<[Option<Duration>; Sort::COUNT], Reported> {
    let Some(at) = field.optional()? else { return Ok(Default::default()) };
    let RawKeepEach { calls, telemetry, denied, people, changes, findings } = at.value;
    // All are looked at before the first that is wrong ends it.
    let read = [
        (Sort::Calls, calls),
        (Sort::Telemetry, telemetry),
        (Sort::Denied, denied),
        (Sort::People, people),
        (Sort::Changes, changes),
        (Sort::Findings, findings),
    ]
    .map(|(sort, field)| (sort, age(report, field)));
    let mut ages: [Option<Duration>; Sort::COUNT] = Default::default();
    for (sort, age) in read {
        ages[sort as usize] = age?;
    }
    Ok(ages)
}

fn age(report: &mut Report<'_>, field: Field<String>) -> Result<Option<Duration>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let seconds = with_unit(&at.value, &[("h", 3_600), ("d", 86_400)]);
    let read = seconds.map(Duration::from_secs).filter(|span| (EVENTS_KEEP_MIN..=EVENTS_KEEP_MAX).contains(span));
    let problem = || "not a time from 1h to 3650d".to_owned();
    read.map(Some).ok_or_else(|| {
        report.refuse_value(
            &at,
            problem(),
            "write hours or days, such as `12h` or `30d`; delete the line to keep all, or as `keep` says",
        )
    })
}

fn size(report: &mut Report<'_>, field: Field<String>) -> Result<Option<u64>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let read = with_unit(&at.value, &[("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)]);
    let read = read.filter(|bytes| (EVENTS_BYTES_MIN..=EVENTS_BYTES_MAX).contains(bytes));
    let problem = || "not a size from 16M to 64T".to_owned();
    read.map(Some).ok_or_else(|| report.refuse_value(&at, problem(), "write it with its unit, such as `500M` or `10G`"))
}

fn full(report: &mut Report<'_>, field: Field<String>) -> Result<WhenFull, Reported> {
    let Some(at) = field.optional()? else { return Ok(WhenFull::default()) };
    let known = [WhenFull::Refuse, WhenFull::Drop].into_iter().find(|it| it.as_str() == at.value);
    known.ok_or_else(|| {
        let way_out = "write `refuse`, so that nothing that was recorded goes, or `drop`, so that the oldest make room";
        report.refuse_value(&at, "not known".to_owned(), way_out)
    })
}

/// A whole number with one of these units; `None` for anything else.
pub(super) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = units.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(unit)
}
