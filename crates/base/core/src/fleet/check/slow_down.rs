//! Checks how callers are slowed down.

use super::super::raw_slow_down::RawSlowDown;
use super::super::reader::{At, Field, Report, Reported};
use super::edge::number;
use super::limits::{Place, check_per};
use crate::limit::{COUNT_MAX, Per};
use crate::slow_down::{DELAY_MS_MAX, SlowDown, TIME_MS_MAX, TIMES_MAX, WAITING_MAX};

/// Units of time, longest first, in milliseconds. `ms` is looked for before `s`, which ends it.
const UNITS: [(&str, u32); 4] = [("ms", 1), ("min", 60_000), ("s", 1_000), ("h", 3_600_000)];
/// Shortest window in milliseconds: in less, two requests would be many.
const WINDOW_MS_MIN: u32 = 100;

pub(super) fn check(
    report: &mut Report<'_>,
    place: Place,
    slow_down: Field<RawSlowDown>,
) -> Result<Option<SlowDown>, Reported> {
    let Some(At { value, spot }) = slow_down.optional()? else { return Ok(None) };
    let RawSlowDown { per, window, over, times, least, delay, waiting } = value;
    let unsaid = SlowDown::per(match place {
        Place::Gateway { .. } => Per::Client,
        Place::Service { .. } => Per::Caller,
    });
    let per = check_per(report, place, per);
    let window = time(report, window, WINDOW_MS_MIN..=TIME_MS_MAX);
    let over_at = over.get().map(|at| At { value: at.value.clone(), spot: at.spot.clone() });
    let over = time(report, over, WINDOW_MS_MIN..=TIME_MS_MAX);
    let times = number(report, times, 1..=TIMES_MAX);
    let least = number(report, least, 1..=COUNT_MAX);
    let delay = time(report, delay, 1..=DELAY_MS_MAX);
    let waiting = number(report, waiting, 1..=WAITING_MAX);
    let (window, over) = (window?.unwrap_or(unsaid.window_ms), over?.unwrap_or(unsaid.over_ms));
    if over < window {
        let problem = format!("shorter than one window, which is {window} ms");
        let way_out = "make it many windows long, such as `1h`";
        return Err(match over_at {
            Some(at) => report.refuse_value(&at, problem, way_out),
            None => report.refuse(&spot, format!("`over`, an hour where left out, is {problem}"), "say `over`"),
        });
    }
    let per = per?;
    Ok(Some(SlowDown {
        per: if per.is_empty() { unsaid.per } else { per },
        window_ms: window,
        over_ms: over,
        times: times?.unwrap_or(unsaid.times),
        least: least?.unwrap_or(unsaid.least),
        delay_ms: delay?.unwrap_or(unsaid.delay_ms),
        waiting: waiting?.unwrap_or(unsaid.waiting),
    }))
}

/// A time in milliseconds.
pub(super) fn time(
    report: &mut Report<'_>,
    field: Field<String>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    let split = UNITS.iter().find_map(|(word, ms)| Some((at.value.strip_suffix(word)?, *ms)));
    let whole = split.filter(|(text, _)| text.bytes().all(|b| b.is_ascii_digit()));
    let ms = whole.and_then(|(text, unit)| text.parse::<u32>().ok()?.checked_mul(unit));
    let problem = || format!("not a time from {} to {}", words(*range.start()), words(*range.end()));
    let ms = ms.filter(|ms| range.contains(ms));
    ms.map(Some).ok_or_else(|| report.refuse_value(&at, problem(), "write it as `250ms`, `10s`, `5min` or `1h`"))
}

/// A time as it is written.
fn words(ms: u32) -> String {
    match ms {
        ms if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        ms if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}
