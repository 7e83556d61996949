//! Checks how calls of one edge are made.

use super::super::raw::RawVia;
use super::super::raw_edge::{RawBreaker, RawNarrow, RawOutlier, RawRetry};
use super::super::raw_gateway::RawGatewayCall;
use super::super::reader::{At, Field, Read, Report, Reported, did_you_mean};
use crate::edge::{Breaker, Edge, Outlier, Retry, RetryOn, Share};
use crate::limits::{EDGE_TIME_MAX, RETRIES_MAX};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

const DEFAULT: &str = "delete the line for the default";

/// What a call says besides `to` and `via`.
pub(super) struct RawEdge {
    timeout: Field<String>,
    try_timeout: Field<String>,
    retry: Field<RawRetry>,
    breaker: Field<RawBreaker>,
    outlier: Field<RawOutlier>,
}

impl RawEdge {
    /// What `via` says, and the rest.
    pub(super) fn of(raw: RawVia) -> (Self, Field<String>, Field<String>, Field<RawNarrow>) {
        let RawVia { to, via, timeout, try_timeout, retry, breaker, outlier, narrow, spot: _ } = raw;
        (Self { timeout, try_timeout, retry, breaker, outlier }, to, via, narrow)
    }

    /// Whom the gateway calls, and how.
    pub(super) fn of_gateway(raw: RawGatewayCall) -> (Self, Field<String>) {
        let RawGatewayCall { to, timeout, try_timeout, retry, breaker, outlier, spot: _ } = raw;
        (Self { timeout, try_timeout, retry, breaker, outlier }, to)
    }
}

/// `is_tcp` where nothing but connections is seen.
pub(super) fn check(report: &mut Report<'_>, is_tcp: bool, raw: RawEdge) -> Result<Edge, Reported> {
    let RawEdge { timeout, try_timeout, retry, breaker, outlier } = raw;
    let seen = if is_tcp { refuse_over_tcp(report, [&timeout, &try_timeout]) } else { Ok(()) };
    let total_at = timeout.get().map(|at| at.value.clone());
    let timeout = time(report, timeout);
    let one = try_timeout.optional().and_then(|at| at.map(|at| one_try(report, &at, &timeout, total_at)).transpose());
    let retry = retry.optional().and_then(|at| at.map(|at| check_retry(report, is_tcp, at.value)).transpose());
    let breaker = breaker.optional().and_then(|at| at.map(|at| check_breaker(report, at.value)).transpose());
    let outlier = outlier.optional().and_then(|at| at.map(|at| check_outlier(report, at.value)).transpose());
    seen?;
    Ok(Edge {
        timeout_ms: timeout?,
        try_timeout_ms: one?,
        retry: retry?.unwrap_or_default(),
        breaker: breaker?.unwrap_or_default(),
        outlier: outlier?.unwrap_or_default(),
    })
}

fn refuse_over_tcp(report: &mut Report<'_>, fields: [&Field<String>; 2]) -> Result<(), Reported> {
    let Some(at) = fields.into_iter().find_map(Field::get) else { return Ok(()) };
    let problem = "the callee speaks tcp, where no guard sees requests and answers";
    Err(report.refuse_value(at, problem, "delete the line"))
}

fn one_try(
    report: &mut Report<'_>,
    at: &At<String>,
    total: &Result<Option<u32>, Reported>,
    total_at: Option<String>,
) -> Result<u32, Reported> {
    let one = read_time(report, at)?;
    match (total, total_at) {
        (Ok(Some(total)), Some(text)) if one > *total => {
            let problem = format!("longer than all tries together may take (`timeout: {text}`)");
            Err(report.refuse_value(at, problem, "make it shorter, or delete it"))
        }
        _ => Ok(one),
    }
}

fn check_retry(report: &mut Report<'_>, is_tcp: bool, raw: RawRetry) -> Result<Retry, Reported> {
    let RawRetry { attempts, on, budget } = raw;
    let unsaid = Retry::default();
    let attempts = number(report, attempts, 0..=RETRIES_MAX);
    let budget = share(report, budget);
    let on = on.optional().and_then(|at| at.map(|at| check_on(report, is_tcp, at.value)).transpose());
    Ok(Retry {
        attempts: attempts?.unwrap_or(unsaid.attempts),
        on: on?.unwrap_or(unsaid.on),
        budget: budget?.unwrap_or(unsaid.budget),
    })
}

fn check_on(report: &mut Report<'_>, is_tcp: bool, words: Vec<Read<String>>) -> Result<RetryOn, Reported> {
    const KNOWN: [&str; 4] = ["connect", "reset", "5xx", "timeout"];
    let (mut on, mut failed) = (RetryOn::default(), None);
    for word in words {
        let read = word.and_then(|at| {
            let slot = match at.value.as_str() {
                "connect" => &mut on.connect,
                "reset" => &mut on.reset,
                "5xx" => &mut on.status_5xx,
                "timeout" => &mut on.timeout,
                _ => {
                    let near = report.nearest(&at.value, KNOWN.into_iter());
                    let way_out = did_you_mean(near, "known are `connect`, `reset`, `5xx` and `timeout`");
                    return Err(report.refuse_value(&at, "nothing after which can be tried again", way_out));
                }
            };
            *slot = true;
            if is_tcp && at.value != "connect" {
                let problem = "the callee speaks tcp, where only a connection that was never made can be tried again";
                return Err(report.refuse_value(&at, problem, "keep `connect` alone"));
            }
            Ok(())
        });
        failed = read.err().or(failed);
    }
    failed.map_or(Ok(on), Err)
}

fn check_breaker(report: &mut Report<'_>, raw: RawBreaker) -> Result<Breaker, Reported> {
    let RawBreaker { failures, calls, open } = raw;
    let unsaid = Breaker::default();
    if failures.get().is_some_and(|at| is_off(&at.value)) {
        return Ok(Breaker { calls: 0, ..unsaid });
    }
    let failures = share(report, failures);
    let calls = number(report, calls, 1..=1_000_000);
    let open = time(report, open);
    Ok(Breaker {
        failures: failures?.unwrap_or(unsaid.failures),
        calls: calls?.unwrap_or(unsaid.calls),
        open_ms: open?.unwrap_or(unsaid.open_ms),
    })
}

fn check_outlier(report: &mut Report<'_>, raw: RawOutlier) -> Result<Outlier, Reported> {
    let RawOutlier { failures, eject, most } = raw;
    let unsaid = Outlier::default();
    if failures.get().is_some_and(|at| is_off(&at.value)) {
        return Ok(Outlier { failures: 0, ..unsaid });
    }
    let failures = number(report, failures, 1..=10_000);
    let eject = time(report, eject);
    let most = share(report, most);
    Ok(Outlier {
        failures: failures?.unwrap_or(unsaid.failures),
        eject_ms: eject?.unwrap_or(unsaid.eject_ms),
        most: most?.unwrap_or(unsaid.most),
    })
}

/// YAML readers differ on whether `off` is a text.
fn is_off(text: &str) -> bool {
    matches!(text, "off" | "false")
}

/// A share such as `20%`.
pub(super) fn share(report: &mut Report<'_>, field: Field<String>) -> Result<Option<Share>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let read = Share::parse(&at.value);
    read.map(Some).ok_or_else(|| report.refuse_value(&at, "not a share from 0% to 100%", "write it as `20%`"))
}

/// A whole number of a range.
pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    report: &mut Report<'_>,
    field: Field<String>,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let read = at.value.parse().ok().filter(|number| range.contains(number));
    let problem = || format!("not a whole number from {} to {}", range.start(), range.end());
    read.map(Some).ok_or_else(|| report.refuse_value(&at, problem(), DEFAULT))
}

/// A time in milliseconds.
fn time(report: &mut Report<'_>, field: Field<String>) -> Result<Option<u32>, Reported> {
    time_within(report, field, EDGE_TIME_MAX)
}

/// A time in milliseconds, no longer than `longest`.
pub(super) fn time_within(
    report: &mut Report<'_>,
    field: Field<String>,
    longest: Duration,
) -> Result<Option<u32>, Reported> {
    field.optional()?.map(|at| read_time_within(report, &at, longest)).transpose()
}

fn read_time(report: &mut Report<'_>, at: &At<String>) -> Result<u32, Reported> {
    read_time_within(report, at, EDGE_TIME_MAX)
}

fn read_time_within(report: &mut Report<'_>, at: &At<String>, longest: Duration) -> Result<u32, Reported> {
    let (number, unit_ms) = match (at.value.strip_suffix("ms"), at.value.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => ("", 0),
    };
    let whole = Some(number).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let ms = whole.and_then(|text| text.parse::<u32>().ok()?.checked_mul(unit_ms));
    let ms = ms.filter(|ms| *ms > 0 && u128::from(*ms) <= longest.as_millis());
    let problem = || format!("not a time from 1ms to {}s", longest.as_secs());
    ms.ok_or_else(|| report.refuse_value(at, problem(), "write it as `250ms` or `2s`"))
}
