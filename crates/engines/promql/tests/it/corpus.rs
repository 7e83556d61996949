//! The series and queries of `corpus/promql`, and how answers are compared.

use bartizan_promql::{Labels, Memory, Range, Sample, Series, Value, instant, notation, parse, range};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// When the first sample is, in milliseconds since 1970.
pub(crate) const BASE_MS: i64 = 1_700_000_000_000;
/// The two moments that the golden file knows.
pub(crate) const MOMENTS_MS: [i64; 2] = [BASE_MS + 30 * 60_000, BASE_MS + 72 * 60_000 + 30_500];
/// And the range.
pub(crate) const RANGE: Range =
    Range { from_ms: BASE_MS - 120_000, until_ms: BASE_MS + 95 * 60_000, step_ms: 7 * 60_000 + 13_000 };

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../corpus/promql").canonicalize().unwrap()
}

fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

pub(crate) fn series() -> Memory {
    let one = |line: &String| {
        let (head, values) = line.split_once('|').unwrap();
        let mut words = head.trim().splitn(3, ' ');
        let mut ms = || bartizan_promql::duration::read(words.next().unwrap()).unwrap();
        let (every, delay) = (ms(), ms());
        notation::series(words.next().unwrap().trim(), values, BASE_MS + delay, every)
            .unwrap_or_else(|why| panic!("{line}: {why}"))
    };
    Memory(lines("series.txt").iter().map(one).collect())
}

/// A line of the queries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    /// Both answer, and the same.
    Answered(String),
    /// Both refuse.
    Refused(String),
    /// Only Prometheus answers; our refusal names the construct.
    Outside { construct: String, query: String },
}

impl Query {
    pub(crate) fn text(&self) -> &str {
        let (Self::Answered(text) | Self::Refused(text) | Self::Outside { query: text, .. }) = self;
        text
    }
}

pub(crate) fn queries() -> Vec<Query> {
    let one = |line: String| {
        if let Some(query) = line.strip_prefix('!') {
            return Query::Refused(query.to_owned());
        }
        match line.strip_prefix("~ ").map(|rest| rest.split_once(" | ").unwrap()) {
            Some((construct, query)) => Query::Outside { construct: construct.to_owned(), query: query.to_owned() },
            None => Query::Answered(line),
        }
    };
    lines("queries.txt").into_iter().map(one).collect()
}

/// What we answer at a moment, or over a range.
pub(crate) fn ours(query: &str, source: &Memory, at: Result<i64, Range>) -> Result<Answer, bartizan_promql::Error> {
    let expr = parse(query)?;
    Ok(match at {
        Ok(at_ms) => Answer::ours(instant(&expr, source, at_ms)?, at_ms),
        Err(at) => Answer::ours(range(&expr, source, at)?, at.from_ms),
    })
}

/// An answer, in a form that does not depend on the order of series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Text(String),
    /// By labels, moments with values. A number has no labels.
    Numbers {
        kind: &'static str,
        series: BTreeMap<Labels, Vec<(i64, f64)>>,
    },
}

impl Answer {
    fn ours(value: Value, at_ms: i64) -> Self {
        let (kind, all) = match value {
            Value::Text(text) => return Self::Text(text),
            Value::Scalar(value) => ("scalar", vec![(Labels::default(), vec![(at_ms, value)])]),
            Value::Vector(all) => ("vector", all.into_iter().map(|it| (it.labels, vec![(at_ms, it.value)])).collect()),
            Value::Matrix(all) => {
                let points = |it: &Series| it.samples.iter().map(|Sample { at_ms, value }| (*at_ms, *value)).collect();
                ("matrix", all.iter().map(|it| (it.labels.clone(), points(it))).collect())
            }
        };
        let count = all.len();
        let series: BTreeMap<_, _> = all.into_iter().collect();
        assert_eq!(series.len(), count, "two series with the same labels");
        Self::Numbers { kind, series }
    }

    /// The `data` of an answer of Prometheus.
    pub(crate) fn of_prometheus(data: &Json) -> Self {
        let point = |it: &Json| {
            let at = (it[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at, bartizan_promql::number::read(it[1].as_str().unwrap()).unwrap())
        };
        let labels = |it: &Json| -> Labels {
            it["metric"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect()
        };
        let each = |points: &dyn Fn(&Json) -> Vec<(i64, f64)>| {
            data["result"].as_array().unwrap().iter().map(|it| (labels(it), points(it))).collect()
        };
        match data["resultType"].as_str().unwrap() {
            "string" => Self::Text(data["result"][1].as_str().unwrap().to_owned()),
            "scalar" => {
                Self::Numbers { kind: "scalar", series: [(Labels::default(), vec![point(&data["result"])])].into() }
            }
            "vector" => Self::Numbers { kind: "vector", series: each(&|it| vec![point(&it["value"])]) },
            "matrix" => Self::Numbers {
                kind: "matrix",
                series: each(&|it| it["values"].as_array().unwrap().iter().map(point).collect()),
            },
            other => panic!("{other}"),
        }
    }

    /// Where two answers differ by more than a billionth.
    pub(crate) fn differs(&self, other: &Self) -> Option<String> {
        let (Self::Numbers { kind, series }, Self::Numbers { kind: other_kind, series: others }) = (self, other) else {
            return (self != other).then(|| format!("{self:?} and {other:?}"));
        };
        if kind != other_kind {
            return Some(format!("a {kind} and a {other_kind}"));
        }
        if !series.keys().eq(others.keys()) {
            let names = |of: &BTreeMap<Labels, _>| of.keys().map(Labels::to_string).collect::<Vec<_>>();
            return Some(format!("series {:?} and {:?}", names(series), names(others)));
        }
        series.iter().zip(others.values()).find_map(|((labels, ours), theirs)| {
            let same = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.0 == b.0 && near(a.1, b.1));
            (!same).then(|| format!("{labels}: {ours:?} and {theirs:?}"))
        })
    }
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}
