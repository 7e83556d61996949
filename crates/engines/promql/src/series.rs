//! Series, and where they come from.

use crate::error::Error;
use crate::labels::Labels;
use crate::limits::{SAMPLES_MAX, SERIES_MAX};
use crate::matcher::Matcher;

/// The value that says that a series ended: a NaN of its own, the same as in Prometheus.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value says that a series ended.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// A value at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub value: f64,
}

/// Values of one series, in the order of time, no two of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What it is.
    pub labels: Labels,
    /// Its values.
    pub samples: Vec<Sample>,
}

/// Where series come from.
pub trait Source {
    /// The series that fit all conditions, with their samples from one moment to another, both included.
    ///
    /// # Errors
    /// Where there are more series or samples than one query may load ([`Loaded`]).
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error>;
}

/// What a query has loaded so far.
#[derive(Debug, Default)]
pub struct Loaded {
    series: usize,
    samples: usize,
}

impl Loaded {
    /// Takes one series with so many samples into account, before it is copied.
    pub fn add(&mut self, samples: usize) -> Result<(), Error> {
        self.series += 1;
        self.samples += samples;
        if self.series > SERIES_MAX {
            return Err(Error::limit(format!("the query finds more than {SERIES_MAX} series; narrow its selectors")));
        }
        if self.samples > SAMPLES_MAX {
            return Err(Error::limit(format!(
                "the query loads more than {SAMPLES_MAX} samples; ask for a shorter time"
            )));
        }
        Ok(())
    }
}

/// Series in a list.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub Vec<Series>);

impl Source for Memory {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        let mut found = Vec::new();
        for series in self.0.iter().filter(|it| matchers.iter().all(|matcher| matcher.fits(&it.labels))) {
            let samples = between(&series.samples, from_ms, to_ms);
            if !samples.is_empty() {
                room.add(samples.len())?;
                found.push(Series { labels: series.labels.clone(), samples: samples.to_vec() });
            }
        }
        Ok(found)
    }
}

/// The samples from one moment to another, both included.
pub(crate) fn between(samples: &[Sample], from_ms: i64, to_ms: i64) -> &[Sample] {
    let from = samples.partition_point(|it| it.at_ms < from_ms);
    let to = samples.partition_point(|it| it.at_ms <= to_ms);
    &samples[from.min(to)..to]
}
