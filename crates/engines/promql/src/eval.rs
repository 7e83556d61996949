//! Answers a query at one moment.

mod aggregate;
mod binary;
mod calls;
mod histogram;
mod over_time;
mod quantile;
mod rates;
mod relabel;
mod sums;

use crate::error::Error;
use crate::expr::{Expr, Selector};
use crate::labels::Labels;
use crate::limits::{LOOK_BACK_MS, WORK_MAX};
use crate::series::{Sample, Series, between, is_stale};
use crate::value::{Element, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// A series, and its samples within a window.
type Windowed<'a> = (&'a Labels, Cow<'a, [Sample]>);

/// What one query may still do.
#[derive(Debug)]
pub(crate) struct Work {
    left: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self { left: WORK_MAX }
    }
}

impl Work {
    /// So many samples are touched, or elements made.
    pub(crate) fn spend(&mut self, count: usize) -> Result<(), Error> {
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or_else(|| {
            Error::limit(format!(
                "the query touches more than {WORK_MAX} samples; ask for less of them, or for fewer moments"
            ))
        })?;
        Ok(())
    }
}

/// A moment, and the series that the selectors of the query found around it.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// By the selectors' numbers.
    pub(crate) found: &'a [Vec<Series>],
    pub(crate) work: &'a mut Work,
}

impl<'a> Moment<'a> {
    /// The answer at this moment.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Value, Error> {
        Ok(match expr {
            Expr::Number(it) => Value::Scalar(*it),
            Expr::Text(it) => Value::Text(it.clone()),
            Expr::Selector(it) => Value::Vector(self.newest(it)?.into_iter().map(|(it, _)| it).collect()),
            Expr::Window(it, window_ms) => {
                let all = self.windows(it, *window_ms)?.into_iter();
                Value::Matrix(
                    all.map(|(labels, of)| Series { labels: labels.clone(), samples: of.into_owned() }).collect(),
                )
            }
            Expr::Negative(of) => match self.value(of)? {
                Value::Scalar(it) => Value::Scalar(-it),
                _ => {
                    let of = self.vector(of)?;
                    let negative = of.into_iter().map(|it| unnamed(it.labels, -it.value));
                    Value::Vector(distinct(negative.collect())?)
                }
            },
            Expr::Call(function, of) => self.call(function, of)?,
            Expr::Aggregate(it) => Value::Vector(self.aggregate(it)?),
            Expr::Binary(it) => self.binary(it)?,
        })
    }

    fn vector(&mut self, expr: &Expr) -> Result<Vec<Element>, Error> {
        match self.value(expr)? {
            Value::Vector(it) => Ok(it),
            _ => Err(Error::data(format!("`{expr}` is no instant vector"))),
        }
    }

    fn scalar(&mut self, expr: &Expr) -> Result<f64, Error> {
        match self.value(expr)? {
            Value::Scalar(it) => Ok(it),
            _ => Err(Error::data(format!("`{expr}` is no number"))),
        }
    }

    /// The newest values that count, each with when it was.
    fn newest(&mut self, selector: &Selector) -> Result<Vec<(Element, i64)>, Error> {
        let until = self.at_ms - selector.offset_ms;
        let found = self.found.get(selector.id).map_or(&[][..], Vec::as_slice);
        self.work.spend(found.len())?;
        let mut out = Vec::with_capacity(found.len());
        for series in found {
            let after = series.samples.partition_point(|it| it.at_ms <= until);
            let Some(last) = after.checked_sub(1).map(|at| series.samples[at]) else { continue };
            if last.at_ms >= until - LOOK_BACK_MS && !is_stale(last.value) {
                out.push((Element { labels: series.labels.clone(), value: last.value }, last.at_ms));
            }
        }
        Ok(out)
    }

    /// The values of each series within a window, those with none left out.
    fn windows(&mut self, selector: &Selector, window_ms: i64) -> Result<Vec<Windowed<'a>>, Error> {
        let until = self.at_ms - selector.offset_ms;
        let found = self.found.get(selector.id).map_or(&[][..], Vec::as_slice);
        let mut out = Vec::with_capacity(found.len());
        for series in found {
            let within = between(&series.samples, until - window_ms, until);
            self.work.spend(within.len() + 1)?;
            let samples = match within.iter().any(|it| is_stale(it.value)) {
                false => Cow::Borrowed(within),
                true => within.iter().copied().filter(|it| !is_stale(it.value)).collect(),
            };
            if !samples.is_empty() {
                out.push((&series.labels, samples));
            }
        }
        Ok(out)
    }
}

fn unnamed(labels: Labels, value: f64) -> Element {
    Element { labels: labels.without_name(), value }
}

/// Refuses a vector of which two elements have the same labels: one of them would be lost.
fn distinct(elements: Vec<Element>) -> Result<Vec<Element>, Error> {
    let mut seen = HashSet::with_capacity(elements.len());
    match elements.iter().find(|it| !seen.insert(&it.labels)) {
        Some(twice) => {
            Err(Error::data(format!("vector cannot contain metrics with the same labelset: {}", twice.labels)))
        }
        None => Ok(elements),
    }
}
