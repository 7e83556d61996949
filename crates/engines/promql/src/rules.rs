//! Rules as a Prometheus has them: one after the other, what one records is there for the next.

use crate::error::Error;
use crate::expr::Expr;
use crate::labels::{Labels, NAME};
use crate::query::instant;
use crate::series::{STALE, Source};
use crate::template::Template;
use crate::value::{Element, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Of the series that it records, or of its alerts.
    pub name: String,
    /// What it asks.
    pub expr: Expr,
    /// What it is for.
    pub does: Does,
    /// Labels besides those of the answer.
    pub labels: Vec<(String, Template)>,
}

/// What a rule is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Its answer becomes a series.
    Record,
    /// Each element of its answer is an alert.
    Alert {
        /// For how long it has to be there before somebody is told, in milliseconds.
        hold_ms: i64,
        /// For how long one that fired stays after it is gone, in milliseconds.
        keep_ms: i64,
        /// Texts for people.
        annotations: Vec<(String, Template)>,
    },
}

/// An alert that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// With `alertname`.
    pub labels: Labels,
    /// Texts for people, by name.
    pub annotations: BTreeMap<String, String>,
    /// The value of the answer.
    pub value: f64,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// Whether it has been there for as long as its rule asks.
    pub fires: bool,
    /// Since when it is gone, where it is kept nevertheless, in milliseconds since 1970.
    pub gone_ms: Option<i64>,
}

/// Where series come from, and where recorded ones go.
pub trait Recorder: Source {
    /// Takes a value in.
    fn record(&mut self, at_ms: i64, labels: Labels, value: f64);
}

/// Rules with what they remember.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<(Rule, Memory)>,
}

#[derive(Clone, Debug, Default)]
struct Memory {
    recorded: BTreeSet<Labels>,
    there: BTreeMap<Labels, Alert>,
}

impl Rules {
    /// Rules that remember nothing yet, in the order in which they are asked.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into_iter().map(|rule| (rule, Memory::default())).collect() }
    }

    /// Asks all of them at a moment. The alerts that are there come with their rule's name; a rule that cannot be answered keeps what it had, and why
    /// is told with its name.
    pub fn step(&mut self, at_ms: i64, series: &mut dyn Recorder) -> (Vec<Alert>, Vec<(String, Error)>) {
        let (mut alerts, mut wrong) = (Vec::new(), Vec::new());
        for (rule, memory) in &mut self.rules {
            match answered(rule, at_ms, &*series) {
                Ok(found) => match &rule.does {
                    Does::Record => memory.record(at_ms, found, series),
                    Does::Alert { hold_ms, keep_ms, annotations } => {
                        memory.compare(at_ms, (*hold_ms, *keep_ms), annotations, found);
                    }
                },
                Err(why) => wrong.push((rule.name.clone(), why)),
            }
            alerts.extend(memory.there.values().cloned());
        }
        (alerts, wrong)
    }
}

/// The answer, with labels as the rule wants them, and as they were.
fn answered(rule: &Rule, at_ms: i64, series: &dyn Recorder) -> Result<Vec<(Labels, Element)>, Error> {
    let found = match instant(&rule.expr, series, at_ms)? {
        Value::Vector(all) => all,
        Value::Scalar(value) => vec![Element { labels: Labels::default(), value }],
        _ => {
            return Err(Error::data(format!("rule `{}` asks for neither a number nor an instant vector", rule.name)));
        }
    };
    let label = if rule.does == Does::Record { NAME } else { "alertname" };
    let mut seen = BTreeSet::new();
    let each = found.into_iter().map(|it| {
        let mut labels = it.labels.without_name();
        for (name, text) in &rule.labels {
            labels = labels.with(name, &text.fill(&it.labels, it.value));
        }
        labels = labels.with(label, &rule.name);
        let known = !seen.insert(labels.clone());
        let why = || format!("rule `{}` comes to two of the same labels: {labels}", rule.name);
        if known { Err(Error::data(why())) } else { Ok((labels, it)) }
    });
    each.collect()
}

impl Memory {
    fn record(&mut self, at_ms: i64, found: Vec<(Labels, Element)>, series: &mut dyn Recorder) {
        let now: BTreeSet<Labels> = found.iter().map(|(labels, _)| labels.clone()).collect();
        for (labels, it) in found {
            series.record(at_ms, labels, it.value);
        }
        for gone in self.recorded.difference(&now) {
            series.record(at_ms, gone.clone(), STALE);
        }
        self.recorded = now;
    }

    fn compare(
        &mut self,
        at_ms: i64,
        (hold_ms, keep_ms): (i64, i64),
        texts: &[(String, Template)],
        found: Vec<(Labels, Element)>,
    ) {
        let mut before = std::mem::take(&mut self.there);
        for (labels, it) in found {
            let known = before.remove(&labels);
            let (since_ms, fired) = known.map_or((at_ms, false), |known| (known.since_ms, known.fires));
            let annotations = texts.iter().map(|(name, text)| (name.clone(), text.fill(&it.labels, it.value)));
            let alert = Alert {
                labels: labels.clone(),
                annotations: annotations.collect(),
                value: it.value,
                since_ms,
                fires: fired || at_ms - since_ms >= hold_ms,
                gone_ms: None,
            };
            self.there.insert(labels, alert);
        }
        for (labels, mut alert) in before.into_iter().filter(|(_, it)| it.fires) {
            let gone_ms = *alert.gone_ms.get_or_insert(at_ms);
            if at_ms - gone_ms < keep_ms {
                self.there.insert(labels, alert);
            }
        }
    }
}
