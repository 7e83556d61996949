//! Many series made one for each group, or few.

use super::quantile::{ascending, quantile};
use super::relabel::is_label;
use super::sums::{Mean, larger, smaller};
use super::{Moment, distinct};
use crate::aggregation::Aggregation;
use crate::error::Error;
use crate::expr::{Aggregate, Expr};
use crate::labels::{Labels, NAME};
use crate::number;
use crate::value::Element;
use std::collections::HashMap;

impl Moment<'_> {
    pub(super) fn aggregate(&mut self, it: &Aggregate) -> Result<Vec<Element>, Error> {
        let (mut number, mut label) = (f64::NAN, None);
        match &it.parameter {
            Some(Expr::Text(text)) => label = Some(text.as_str()),
            Some(other) => number = self.scalar(other)?,
            None => {}
        }
        let mut of = self.vector(&it.of)?;
        if matches!(it.how, Aggregation::Topk | Aggregation::Bottomk) && number.is_nan() {
            return Err(Error::data(format!("`{}` takes a number of series, and this is none", it.how.as_str())));
        }
        self.work.spend(of.len())?;
        if let Some(label) = label {
            of = labelled(label, of)?;
        }
        let all = grouped(it, label, of).into_iter().map(|(labels, members)| match it.how {
            Aggregation::Topk | Aggregation::Bottomk => best(it.how, number, members),
            how => {
                let values = members.iter().map(|it| it.value).collect();
                vec![Element { labels, value: one(how, number, values) }]
            }
        });
        distinct(all.flatten().collect())
    }
}

/// Elements by the labels that they share, and by one more; groups in the order in which they came.
fn grouped(it: &Aggregate, also: Option<&str>, of: Vec<Element>) -> Vec<(Labels, Vec<Element>)> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<Element>)> = Vec::new();
    for element in of {
        let named = |name: &str| it.labels.iter().any(|it| it == name);
        let labels = if it.without {
            element.labels.kept(|name| name != NAME && !named(name))
        } else {
            element.labels.kept(|name| named(name) || also == Some(name))
        };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push((labels, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(element);
    }
    groups
}

fn one(how: Aggregation, number: f64, values: Vec<f64>) -> f64 {
    let all = values.iter().copied();
    match how {
        Aggregation::Sum => all.sum(),
        Aggregation::Avg => {
            let mut mean = Mean::default();
            all.for_each(|it| mean.add(it));
            mean.total()
        }
        Aggregation::Min => all.reduce(smaller).unwrap_or(f64::NAN),
        Aggregation::Max => all.reduce(larger).unwrap_or(f64::NAN),
        Aggregation::Count | Aggregation::CountValues => values.len() as f64,
        Aggregation::Group => 1.0,
        Aggregation::Stddev => spread(&values).sqrt(),
        Aggregation::Stdvar => spread(&values),
        _ => quantile(number, values),
    }
}

/// The mean square of what differs from the mean, as Prometheus adds it up for series: of one alone it is 0, whatever that is.
fn spread(values: &[f64]) -> f64 {
    let Some((first, rest)) = values.split_first() else { return f64::NAN };
    let (mut count, mut mean, mut squares) = (1.0, *first, 0.0);
    for value in rest {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// The highest or lowest few of a group, with what is no number behind all.
fn best(how: Aggregation, count: f64, mut members: Vec<Element>) -> Vec<Element> {
    let order = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (false, false) if how == Aggregation::Topk => ascending(b, a),
        (false, false) => ascending(a, b),
        (a, b) => a.cmp(&b),
    };
    members.sort_by(|a, b| order(a.value, b.value));
    // Below 0 it is 0; no vector is longer than what is left of it.
    members.truncate(count as usize);
    members
}

/// Gives each element its value as a label, by which it is then counted.
fn labelled(label: &str, of: Vec<Element>) -> Result<Vec<Element>, Error> {
    if !is_label(label) {
        return Err(Error::data(format!("`{label}` is no name of a label")));
    }
    let each = of.into_iter();
    Ok(each.map(|it| Element { labels: it.labels.with(label, &number::write(it.value)), ..it }).collect())
}
