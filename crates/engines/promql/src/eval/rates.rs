//! What counters did over a window, made good for what lies between its ends and the samples.

use crate::series::Sample;

/// A window, as an extrapolation needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

/// A counter begins anew where it falls; a gauge does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

/// By how much a series grew over a window.
pub(super) fn grown(samples: &[Sample], span: Span, kind: Kind) -> Option<f64> {
    let [first, .., last] = samples else { return None };
    let mut grown = last.value - first.value;
    if kind == Kind::Counter {
        grown += samples.windows(2).filter(|it| it[1].value < it[0].value).map(|it| it[0].value).sum::<f64>();
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let mut to_start = seconds(first.at_ms - span.from_ms);
    let to_end = seconds(span.until_ms - last.at_ms);
    let sampled = seconds(last.at_ms - first.at_ms);
    let average = sampled / (samples.len() - 1) as f64;
    if kind == Kind::Counter && grown > 0.0 && first.value >= 0.0 {
        // A counter began with 0 at some time: it is not carried on beyond that.
        to_start = to_start.min(sampled * (first.value / grown));
    }
    // Where the next sample would be further away than usual, the series began or ended within: half an interval is added.
    let near = |distance: f64| if distance < average * 1.1 { distance } else { average / 2.0 };
    Some(grown * ((sampled + near(to_start) + near(to_end)) / sampled))
}

/// By how much the last two samples differ, and how far apart they are in seconds.
pub(super) fn last_step(samples: &[Sample], kind: Kind) -> Option<(f64, f64)> {
    let [.., before, last] = samples else { return None };
    let anew = kind == Kind::Counter && last.value < before.value;
    let grown = if anew { last.value } else { last.value - before.value };
    (last.at_ms != before.at_ms).then_some((grown, (last.at_ms - before.at_ms) as f64 / 1000.0))
}
