//! What becomes of the values of a window.

use super::quantile::quantile;
use super::rates::{Kind, Span, grown, last_step};
use super::sums::{Mean, Sum, larger, smaller, sum, variance};
use crate::functions::Over;
use crate::series::Sample;

/// The value of a function over a window that is not empty; `None` where it needs more samples. `number` is the one that some take besides.
pub(super) fn over(how: Over, samples: &[Sample], span: Span, at_ms: i64, number: f64) -> Option<f64> {
    let values = || samples.iter().map(|it| it.value);
    Some(match how {
        Over::Rate => grown(samples, span, Kind::Counter)? / ((span.until_ms - span.from_ms) as f64 / 1000.0),
        Over::Increase => grown(samples, span, Kind::Counter)?,
        Over::Delta => grown(samples, span, Kind::Gauge)?,
        Over::Irate => last_step(samples, Kind::Counter).map(|(grown, seconds)| grown / seconds)?,
        Over::Idelta => last_step(samples, Kind::Gauge)?.0,
        Over::Changes => pairs(samples, |a, b| a != b && !(a.is_nan() && b.is_nan())),
        Over::Resets => pairs(samples, |a, b| b < a),
        Over::Deriv => line(samples, samples.first()?.at_ms)?.0,
        Over::PredictLinear => {
            let (slope, at_moment) = line(samples, at_ms)?;
            slope * number + at_moment
        }
        Over::Sum => sum(values()),
        Over::Avg => {
            let mut mean = Mean::default();
            values().for_each(|it| mean.add(it));
            mean.total()
        }
        Over::Min => values().reduce(smaller)?,
        Over::Max => values().reduce(larger)?,
        Over::Count => samples.len() as f64,
        Over::Last => samples.last()?.value,
        Over::Present => 1.0,
        Over::Stddev => variance(values()).sqrt(),
        Over::Stdvar => variance(values()),
        Over::Quantile => quantile(number, values().collect()),
    })
}

fn pairs(samples: &[Sample], fits: impl Fn(f64, f64) -> bool) -> f64 {
    samples.windows(2).filter(|it| fits(it[0].value, it[1].value)).count() as f64
}

/// The line of least squares through samples: its slope for each second, and its value at a moment.
fn line(samples: &[Sample], at_ms: i64) -> Option<(f64, f64)> {
    let [first, _, ..] = samples else { return None };
    if samples.iter().all(|it| it.value == first.value) {
        return Some(if first.value.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.value) });
    }
    let (mut xs, mut ys, mut products, mut squares) = <(Sum, Sum, Sum, Sum)>::default();
    for it in samples {
        let x = (it.at_ms - at_ms) as f64 / 1000.0;
        xs.add(x);
        ys.add(it.value);
        products.add(x * it.value);
        squares.add(x * x);
    }
    let count = samples.len() as f64;
    let (x, y, xy, xx) = (xs.both(), ys.both(), products.both(), squares.both());
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Some((slope, y / count - slope * x / count))
}
