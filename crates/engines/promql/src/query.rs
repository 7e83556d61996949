//! The public verb: a query, over series, at one moment or at many.

use crate::error::Error;
use crate::eval::{Moment, Work};
use crate::expr::{Expr, Selector};
use crate::functions::Type;
use crate::labels::Labels;
use crate::limits::{LOOK_BACK_MS, MOMENT_MS_MAX, POINTS_MAX, STEPS_MAX};
use crate::series::{Loaded, Sample, Series, Source};
use crate::value::Value;
use std::collections::HashMap;

/// Moments, from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first, in milliseconds since 1970.
    pub from_ms: i64,
    /// The last, if a step meets it.
    pub until_ms: i64,
    /// From one to the next, in milliseconds.
    pub step_ms: i64,
}

/// Answers a query at one moment, in milliseconds since 1970.
///
/// # Errors
/// Where it asks for more than one query may, or the series do not fit it.
pub fn instant(expr: &Expr, source: &dyn Source, at_ms: i64) -> Result<Value, Error> {
    let range = Range { from_ms: at_ms, until_ms: at_ms, step_ms: 1 };
    sensible(range)?;
    let found = load(expr, source, range)?;
    Moment { at_ms, found: &found, work: &mut Work::default() }.value(expr)
}

/// Answers a query at each moment of a range: a matrix, its series in the order of their labels.
///
/// # Errors
/// As [`instant`]; where there are too many moments; where the query is a text or a range vector.
pub fn range(expr: &Expr, source: &dyn Source, range: Range) -> Result<Value, Error> {
    sensible(range)?;
    if !matches!(expr.is(), Type::Scalar | Type::Vector) {
        let is = expr.is().as_str();
        return Err(Error::text(
            0,
            format!("over a range a number or an instant vector is answered, and this is {is}"),
        ));
    }
    let found = load(expr, source, range)?;
    let (mut work, mut points) = (Work::default(), 0);
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut out: Vec<Series> = Vec::new();
    let mut at_ms = range.from_ms;
    while at_ms <= range.until_ms {
        work.spend(1)?;
        let values = match (Moment { at_ms, found: &found, work: &mut work }).value(expr)? {
            Value::Scalar(value) => vec![(Labels::default(), value)],
            Value::Vector(all) => all.into_iter().map(|it| (it.labels, it.value)).collect(),
            Value::Text(_) | Value::Matrix(_) => Vec::new(),
        };
        points += values.len();
        if points > POINTS_MAX {
            return Err(Error::limit(format!(
                "the answer has more than {POINTS_MAX} points; ask for fewer series or moments"
            )));
        }
        for (labels, value) in values {
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                out.push(Series { labels, samples: Vec::new() });
                out.len() - 1
            });
            out[place].samples.push(Sample { at_ms, value });
        }
        at_ms += range.step_ms;
    }
    out.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(Value::Matrix(out))
}

fn sensible(range: Range) -> Result<(), Error> {
    let Range { from_ms, until_ms, step_ms } = range;
    if from_ms.unsigned_abs().max(until_ms.unsigned_abs()) > MOMENT_MS_MAX.unsigned_abs() {
        return Err(Error::limit("the query is about a time that is too far away"));
    }
    if until_ms < from_ms {
        return Err(Error::text(0, "the range ends before it begins"));
    }
    if step_ms <= 0 || step_ms > MOMENT_MS_MAX {
        return Err(Error::text(0, "the step of a range is more than nothing"));
    }
    if (until_ms - from_ms) / step_ms > STEPS_MAX {
        return Err(Error::limit(format!("a range has at most {STEPS_MAX} moments; take a longer step")));
    }
    Ok(())
}

/// The series of every selector, by its number.
fn load(expr: &Expr, source: &dyn Source, range: Range) -> Result<Vec<Vec<Series>>, Error> {
    let mut selectors = Vec::new();
    collect(expr, &mut selectors);
    let (mut found, mut room) = (Vec::new(), Loaded::default());
    for (it, back_ms) in selectors {
        let (from, until) = (range.from_ms - it.offset_ms - back_ms, range.until_ms - it.offset_ms);
        let mut series = source.select(&it.matchers, from, until, &mut room)?;
        // Of equals, `topk` keeps the first: the same one each time.
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        if found.len() <= it.id {
            found.resize(it.id + 1, Vec::new());
        }
        found[it.id] = series;
    }
    Ok(found)
}

/// Each selector with how far back it looks, in milliseconds.
fn collect<'a>(expr: &'a Expr, into: &mut Vec<(&'a Selector, i64)>) {
    match expr {
        Expr::Number(_) | Expr::Text(_) => {}
        Expr::Selector(it) => into.push((it, LOOK_BACK_MS)),
        Expr::Window(it, window_ms) => into.push((it, *window_ms)),
        Expr::Negative(of) => collect(of, into),
        Expr::Call(_, of) => of.iter().for_each(|it| collect(it, into)),
        Expr::Aggregate(it) => it.parameter.iter().chain([&it.of]).for_each(|it| collect(it, into)),
        Expr::Binary(it) => [&it.left, &it.right].into_iter().for_each(|it| collect(it, into)),
    }
}
