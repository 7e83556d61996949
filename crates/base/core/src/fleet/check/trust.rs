//! Checks for how long trust is to hold.

use super::super::raw::RawTrust;
use super::super::reader::{At, Field, Report, Reported};
use crate::limits::{GRACE_MAX, SILENCE_MIN};
use crate::snapshot::Trust;
use std::ops::RangeInclusive;

pub(super) fn check(report: &mut Report<'_>, trust: At<RawTrust>) -> Result<Trust, Reported> {
    let RawTrust { grace_seconds, silence_seconds } = trust.value;
    let unsaid = Trust::default();
    let grace = seconds(report, grace_seconds, 0..=GRACE_MAX.as_secs());
    let silence = seconds(report, silence_seconds, SILENCE_MIN.as_secs()..=u64::from(unsaid.silence_s));
    Ok(Trust { grace_s: grace?.unwrap_or(unsaid.grace_s), silence_s: silence?.unwrap_or(unsaid.silence_s) })
}

fn seconds(report: &mut Report<'_>, field: Field<String>, range: RangeInclusive<u64>) -> Result<Option<u32>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let read = at.value.parse::<u64>().ok().filter(|seconds| range.contains(seconds));
    let read = read.and_then(|seconds| u32::try_from(seconds).ok());
    let problem = || format!("not a whole number of seconds from {} to {}", range.start(), range.end());
    read.map(Some).ok_or_else(|| report.refuse_value(&at, problem(), "delete the line for the default"))
}
