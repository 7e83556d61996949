//! What a client tells in the end.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Report {
    took_ns: Vec<u64>,
    errors: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn done(&mut self, took: Duration) {
        self.took_ns.push(took.as_nanos() as u64);
    }

    pub(crate) fn error(&mut self, what: impl Into<String>) {
        *self.errors.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.took_ns.extend(other.took_ns);
        for (what, count) in other.errors {
            *self.errors.entry(what).or_default() += count;
        }
    }

    /// Prints it, with what else is to be told.
    pub(crate) fn print(mut self, within: Duration, more: Value) {
        self.took_ns.sort_unstable();
        let at = |share: f64| match self.took_ns.len() {
            0 => 0.0,
            all => self.took_ns[((all - 1) as f64 * share).round() as usize] as f64 / 1e3,
        };
        let mut report = json!({
            "done": self.took_ns.len(),
            "per_second": self.took_ns.len() as f64 / within.as_secs_f64(),
            "seconds": within.as_secs_f64(),
            "errors": self.errors,
            "us": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0)},
        });
        report
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        println!("{report}");
    }
}
