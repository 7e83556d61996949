//! Functions.

use super::over_time::over;
use super::quantile::ascending;
use super::rates::Span;
use super::{Moment, distinct, histogram, relabel, unnamed};
use crate::error::Error;
use crate::expr::{Expr, Selector};
use crate::functions::{Does, Function, Map, Over};
use crate::labels::{Labels, NAME};
use crate::matcher::{Matcher, Op};
use crate::value::{Element, Value};

impl Moment<'_> {
    pub(super) fn call(&mut self, function: &Function, of: &[Expr]) -> Result<Value, Error> {
        let none = Expr::Number(f64::NAN);
        let argument = |at: usize| of.get(at).unwrap_or(&none);
        Ok(Value::Vector(match function.does {
            Does::Time => return Ok(Value::Scalar(self.at_ms as f64 / 1000.0)),
            Does::Scalar => {
                let of = self.vector(argument(0))?;
                return Ok(Value::Scalar(if let [one] = &of[..] { one.value } else { f64::NAN }));
            }
            Does::Vector => vec![Element { labels: Labels::default(), value: self.scalar(argument(0))? }],
            Does::Map(how) => self.mapped(argument(0), |value| map(how, value))?,
            Does::Round => {
                let to = if of.len() > 1 { self.scalar(argument(1))? } else { 1.0 };
                let inverse = 1.0 / to;
                self.mapped(argument(0), |value| (value * inverse + 0.5).floor() / inverse)?
            }
            Does::Clamp => {
                let (least, most) = (self.scalar(argument(1))?, self.scalar(argument(2))?);
                let of = self.mapped(argument(0), |value| greatest(least, least_of(most, value)))?;
                if most < least { Vec::new() } else { of }
            }
            Does::ClampMin => {
                let least = self.scalar(argument(1))?;
                self.mapped(argument(0), |value| greatest(least, value))?
            }
            Does::ClampMax => {
                let most = self.scalar(argument(1))?;
                self.mapped(argument(0), |value| least_of(most, value))?
            }
            Does::Timestamp => self.timestamps(argument(0))?,
            Does::Absent => {
                let of = self.vector(argument(0))?;
                let matchers = if let Expr::Selector(it) = argument(0) { &it.matchers[..] } else { &[] };
                absent(of.is_empty(), matchers)
            }
            Does::AbsentOverTime => {
                let Expr::Window(selector, window_ms) = argument(0) else { return Err(no_window(function)) };
                absent(self.windows(selector, *window_ms)?.is_empty(), &selector.matchers)
            }
            Does::HistogramQuantile => {
                let q = self.scalar(argument(0))?;
                let series = self.vector(argument(1))?;
                histogram::quantiles(q, series)
            }
            Does::LabelReplace => {
                let vector = self.vector(argument(0))?;
                let [to, template, from, pattern] = texts(&of[1..])?.try_into().unwrap_or_default();
                relabel::replace(vector, &to, &template, &from, &pattern)?
            }
            Does::LabelJoin => {
                let vector = self.vector(argument(0))?;
                let texts = texts(&of[1..])?;
                let [to, between, from @ ..] = &texts[..] else { return Err(Error::data("`label_join` takes texts")) };
                relabel::join(vector, to, between, from)?
            }
            Does::Sort => self.sorted(argument(0), false)?,
            Does::SortDesc => self.sorted(argument(0), true)?,
            Does::Over(how) => self.over_window(function, how, of)?,
        }))
    }

    fn mapped(&mut self, of: &Expr, map: impl Fn(f64) -> f64) -> Result<Vec<Element>, Error> {
        let of = self.vector(of)?;
        self.work.spend(of.len())?;
        distinct(of.into_iter().map(|it| unnamed(it.labels, map(it.value))).collect())
    }

    fn sorted(&mut self, of: &Expr, down: bool) -> Result<Vec<Element>, Error> {
        let mut of = self.vector(of)?;
        // What is no number stands at the end both ways.
        of.sort_by(|a, b| match (a.value.is_nan(), b.value.is_nan(), down) {
            (false, false, true) => ascending(b.value, a.value),
            (false, false, false) => ascending(a.value, b.value),
            (a, b, _) => a.cmp(&b),
        });
        Ok(of)
    }

    /// When a selector's values were; of anything else, this moment.
    fn timestamps(&mut self, of: &Expr) -> Result<Vec<Element>, Error> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let at: Vec<(Element, i64)> = match of {
            Expr::Selector(it) => self.newest(it)?,
            of => self.vector(of)?.into_iter().map(|it| (it, self.at_ms)).collect(),
        };
        distinct(at.into_iter().map(|(it, at_ms)| unnamed(it.labels, seconds(at_ms))).collect())
    }

    fn over_window(&mut self, function: &Function, how: Over, of: &[Expr]) -> Result<Vec<Element>, Error> {
        let (mut window, mut number) = (None, f64::NAN);
        for it in of {
            match it {
                Expr::Window(selector, window_ms) => window = Some((selector, *window_ms)),
                other => number = self.scalar(other)?,
            }
        }
        let (selector, window_ms): (&Selector, i64) = window.ok_or_else(|| no_window(function))?;
        let until_ms = self.at_ms - selector.offset_ms;
        let span = Span { from_ms: until_ms - window_ms, until_ms };
        let mut out = Vec::new();
        for (labels, samples) in self.windows(selector, window_ms)? {
            if let Some(value) = over(how, &samples, span, self.at_ms, number) {
                let labels = if how == Over::Last { labels.clone() } else { labels.without_name() };
                out.push(Element { labels, value });
            }
        }
        distinct(out)
    }
}

fn no_window(function: &Function) -> Error {
    Error::data(format!("`{}` takes a range vector", function.name))
}

fn texts(of: &[Expr]) -> Result<Vec<String>, Error> {
    let text = |it: &Expr| match it {
        Expr::Text(text) => Ok(text.clone()),
        other => Err(Error::data(format!("`{other}` is no text"))),
    };
    of.iter().map(text).collect()
}

fn map(how: Map, value: f64) -> f64 {
    match how {
        Map::Abs => value.abs(),
        Map::Ceil => value.ceil(),
        Map::Floor => value.floor(),
        Map::Sqrt => value.sqrt(),
        Map::Exp => value.exp(),
        Map::Ln => value.ln(),
        Map::Log2 => value.log2(),
        Map::Log10 => value.log10(),
        Map::Sgn if value < 0.0 => -1.0,
        Map::Sgn if value > 0.0 => 1.0,
        Map::Sgn => value,
    }
}

/// Unlike Rust's, no number stays none.
fn greatest(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn least_of(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// One element that says that nothing is there, with the labels that what is missed would have for sure.
fn absent(nothing: bool, matchers: &[Matcher]) -> Vec<Element> {
    if !nothing {
        return Vec::new();
    }
    let mut labels = Labels::default();
    let mut seen = std::collections::HashSet::new();
    for it in matchers.iter().filter(|it| it.name != NAME) {
        // A label of which several things are said is not known.
        let known = it.op == Op::Is && seen.insert(&it.name);
        labels = labels.with(&it.name, if known { &it.value } else { "" });
    }
    vec![Element { labels, value: 1.0 }]
}
