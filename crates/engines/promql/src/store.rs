//! Series that are measured again and again, all at the same moments, kept for a while.
//!
//! Most values of a fleet stay what they were for hours. So moments are kept once for all series, and of each series only what changed.

use crate::error::Error;
use crate::labels::Labels;
use crate::limits::{KEPT_CHANGES_MAX, KEPT_SERIES_MAX};
use crate::matcher::Matcher;
use crate::series::{Loaded, STALE, Sample, Series, Source, is_stale};
use std::collections::{HashMap, VecDeque};

/// See the module.
#[derive(Debug)]
pub struct Store {
    keep_ms: i64,
    /// When it was measured. The first has number `first`.
    moments: VecDeque<i64>,
    first: u64,
    /// For each moment how many samples there were until it and with it.
    through: VecDeque<u64>,
    samples: u64,
    series: HashMap<Labels, VecDeque<Change>>,
    changes: usize,
    refused: u64,
}

/// From that moment on, a value; [`STALE`] where the series was not there.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u64,
    value: f64,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Series, those that ended lately among them.
    pub series: usize,
    /// Moments at which it was measured.
    pub moments: usize,
    /// Values that are other than the one before.
    pub changes: usize,
    /// Series that found no room, each time that they were measured.
    pub refused: u64,
    /// The first moment, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

/// Between two moments: everything before was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    moment: u64,
    /// Samples up to it, a count since the store began.
    pub samples: u64,
}

/// What was measured at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Values, and [`STALE`] for series that ended.
    pub samples: Vec<(Labels, f64)>,
    /// Samples since the place before that are not there any more, a count.
    pub missed: u64,
    /// The place after it.
    pub next: Place,
}

impl Store {
    /// An empty one, which keeps for so many milliseconds at the most.
    pub fn new(keep_ms: i64) -> Self {
        let (moments, through, series) = (VecDeque::new(), VecDeque::new(), HashMap::new());
        Self { keep_ms, moments, first: 0, through, samples: 0, series, changes: 0, refused: 0 }
    }

    /// Takes in what was measured at a moment. One that is not after the last is left out: clocks are set back now and then.
    /// What is not there any more ends; what is there for the first time and finds no room is counted.
    pub fn add(&mut self, at_ms: i64, measured: Vec<(Labels, f64)>) {
        if self.moments.back().is_some_and(|last| at_ms <= *last) {
            return;
        }
        self.moments.push_back(at_ms);
        let from = self.first + self.moments.len() as u64 - 1;
        let mut measured: HashMap<Labels, f64> = measured.into_iter().collect();
        for (labels, changes) in &mut self.series {
            let value = measured.remove(labels).unwrap_or(STALE);
            self.samples += u64::from(!is_stale(value));
            if changes.back().is_none_or(|last| last.value.to_bits() != value.to_bits()) {
                changes.push_back(Change { from, value });
                self.changes += 1;
                self.samples += u64::from(is_stale(value));
            }
        }
        for (labels, value) in measured {
            if self.series.len() < KEPT_SERIES_MAX {
                self.series.insert(labels, VecDeque::from([Change { from, value }]));
                self.changes += 1;
                self.samples += 1;
            } else {
                self.refused += 1;
            }
        }
        self.through.push_back(self.samples);
        self.forget(at_ms);
    }

    fn forget(&mut self, now_ms: i64) {
        while self.moments.front().is_some_and(|first| *first < now_ms - self.keep_ms) {
            self.moments.pop_front();
            self.through.pop_front();
            self.first += 1;
        }
        self.trim();
        // Where values change more often than there is room for, less time is kept.
        while self.changes > KEPT_CHANGES_MAX && self.moments.len() > 1 {
            let part = (self.moments.len() / 16).max(1);
            self.moments.drain(..part);
            self.through.drain(..part);
            self.first += part as u64;
            self.trim();
        }
    }

    /// Leaves out what is before the first moment, and series that had ended by then.
    fn trim(&mut self) {
        let (first, mut gone) = (self.first, 0);
        self.series.retain(|_, changes| {
            while changes.get(1).is_some_and(|next| next.from <= first) {
                changes.pop_front();
                gone += 1;
            }
            let ended = changes.len() == 1 && changes.front().is_some_and(|it| is_stale(it.value) && it.from <= first);
            gone += usize::from(ended);
            !ended
        });
        self.changes -= gone;
    }

    /// How much is kept.
    pub fn held(&self) -> Held {
        Held {
            series: self.series.len(),
            moments: self.moments.len(),
            changes: self.changes,
            refused: self.refused,
            since_ms: self.moments.front().copied(),
        }
    }

    /// After the last moment.
    pub fn place(&self) -> Place {
        Place { moment: self.first + self.moments.len() as u64, samples: self.samples }
    }

    /// What was measured next after a place, of what is still there; `None` after the last moment.
    pub fn after(&self, place: Place) -> Option<Moment> {
        let number = place.moment.max(self.first);
        let at = usize::try_from(number - self.first).ok()?;
        let (at_ms, through) = (*self.moments.get(at)?, *self.through.get(at)?);
        let value = |changes: &VecDeque<Change>| {
            let it = changes.get(changes.partition_point(|it| it.from <= number).checked_sub(1)?)?;
            (!is_stale(it.value) || it.from == number).then_some(it.value)
        };
        let all = self.series.iter().filter_map(|(labels, changes)| Some((labels.clone(), value(changes)?)));
        let samples: Vec<(Labels, f64)> = all.collect();
        let missed = through.saturating_sub(place.samples + samples.len() as u64);
        Some(Moment { at_ms, samples, missed, next: Place { moment: number + 1, samples: through } })
    }

    /// The labels of all series that fit one of the lists of conditions and were there between two moments, both included.
    pub fn names(&self, any: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Labels> {
        let fits = |labels: &Labels| any.is_empty() || any.iter().any(|all| all.iter().all(|it| it.fits(labels)));
        let (from, to) = self.numbers(from_ms, to_ms);
        let there = |changes: &VecDeque<Change>| !ranges(changes, from, to).all(|(_, _, value)| is_stale(value));
        let all = self.series.iter().filter(|(labels, changes)| fits(labels) && there(changes));
        let mut found: Vec<Labels> = all.map(|(labels, _)| labels.clone()).collect();
        found.sort();
        found
    }

    /// The numbers of the moments from one to another, the second excluded.
    fn numbers(&self, from_ms: i64, to_ms: i64) -> (u64, u64) {
        let from = self.moments.partition_point(|at| *at < from_ms) as u64;
        let to = self.moments.partition_point(|at| *at <= to_ms) as u64;
        (self.first + from, self.first + to.max(from))
    }
}

/// What a series was between two moments: from which to which, and the value.
fn ranges(changes: &VecDeque<Change>, from: u64, to: u64) -> impl Iterator<Item = (u64, u64, f64)> {
    let first = changes.partition_point(|it| it.from <= from).saturating_sub(1);
    let each = (first..changes.len()).map(move |at| {
        let until = changes.get(at + 1).map_or(to, |next| next.from.min(to));
        (changes[at].from.max(from), until, changes[at].value)
    });
    each.take_while(move |(begin, ..)| *begin < to)
}

impl Source for Store {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        let (from, to) = self.numbers(from_ms, to_ms);
        let mut found = Vec::new();
        for (labels, changes) in self.series.iter().filter(|(labels, _)| matchers.iter().all(|it| it.fits(labels))) {
            // An end is one sample, however long it lasts.
            let lengths =
                ranges(changes, from, to).map(|(a, b, value)| if is_stale(value) { 1 } else { (b - a) as usize });
            room.add(lengths.sum())?;
            let mut samples = Vec::new();
            for (begin, end, value) in ranges(changes, from, to) {
                let end = if is_stale(value) { end.min(begin + 1) } else { end };
                let at_ms = |number: u64| self.moments[(number - self.first) as usize];
                samples.extend((begin..end).map(|number| Sample { at_ms: at_ms(number), value }));
            }
            if samples.iter().any(|it| !is_stale(it.value)) {
                found.push(Series { labels: labels.clone(), samples });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Memory, Range, Value, instant, parse, range};

    fn measured(values: &[(&str, f64)]) -> Vec<(Labels, f64)> {
        values.iter().map(|(at, value)| (Labels::new("x", [("at", *at)]), *value)).collect()
    }

    fn values(store: &Store, query: &str, at_ms: i64) -> Vec<(String, f64)> {
        match instant(&parse(query).unwrap(), store, at_ms).unwrap() {
            Value::Vector(all) => {
                let mut all: Vec<_> = all.into_iter().map(|it| (it.labels.get("at").to_owned(), it.value)).collect();
                all.sort_by(|a, b| a.0.cmp(&b.0));
                all
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_measured_any_more_ends_at_once_and_may_come_back() {
        let mut store = Store::new(3_600_000);
        store.add(15_000, measured(&[("a", 1.0), ("b", 1.0)]));
        store.add(30_000, measured(&[("a", 1.0)]));
        store.add(30_000, measured(&[("a", 9.0)])); // the clock stood still
        store.add(20_000, measured(&[("a", 9.0)])); // or was set back
        store.add(45_000, measured(&[("a", 2.0)]));
        assert_eq!(values(&store, "x", 29_999), [("a".into(), 1.0), ("b".into(), 1.0)]);
        assert_eq!(values(&store, "x", 30_000), [("a".into(), 1.0)]);
        assert_eq!(values(&store, "count_over_time(x[1m])", 45_000), [("a".into(), 3.0), ("b".into(), 1.0)]);
        store.add(60_000, measured(&[("b", 5.0)]));
        assert_eq!(values(&store, "x", 60_000), [("b".into(), 5.0)]);
        assert_eq!(store.names(&[], 0, 29_999).len(), 2);
        assert_eq!(store.names(&[], 30_000, 45_000).len(), 1, "only what was there");
    }

    #[test]
    fn who_reads_on_gets_every_sample_once_or_is_told_how_many_are_gone() {
        let mut store = Store::new(60_000);
        let begin = store.place();
        assert_eq!(store.after(begin), None);
        store.add(15_000, measured(&[("a", 1.0), ("b", 1.0)]));
        store.add(30_000, measured(&[("a", 1.0)]));
        store.add(45_000, measured(&[("a", 1.0)]));
        let read = |store: &Store, mut place: Place| {
            let mut all = Vec::new();
            while let Some(moment) = store.after(place) {
                let ends = moment.samples.iter().filter(|(_, value)| is_stale(*value)).count();
                all.push((moment.at_ms, moment.samples.len(), ends, moment.missed));
                place = moment.next;
            }
            (all, place)
        };
        let (all, place) = read(&store, begin);
        assert_eq!(all, [(15_000, 2, 0, 0), (30_000, 2, 1, 0), (45_000, 1, 0, 0)], "an end comes once");
        assert_eq!(place, store.place());
        assert_eq!(place.samples, 5);
        // Away for ten moments, of which five are still there.
        (4..=14).for_each(|step| store.add(step * 15_000, measured(&[("a", 1.0), ("c", step as f64)])));
        let (all, place) = read(&store, place);
        let (came, missed) = (all.iter().map(|it| it.1 as u64).sum::<u64>(), all.iter().map(|it| it.3).sum::<u64>());
        assert_eq!((all.len(), came, missed), (5, 10, 12), "{all:?}");
        assert_eq!(place.samples, 5 + came + missed);
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_its_room_is_free_again() {
        let mut store = Store::new(60_000);
        for step in 1..=100 {
            let gone = if step < 10 { vec![("old", 1.0)] } else { vec![] };
            store.add(step * 15_000, measured(&[vec![("a", step as f64)], gone].concat()));
        }
        let held = store.held();
        assert_eq!((held.series, held.moments, held.changes), (1, 5, 5), "{held:?}");
        assert_eq!(held.since_ms, Some(96 * 15_000));
        assert_eq!(values(&store, "min_over_time(x[1h])", 1_500_000), [("a".into(), 96.0)]);
    }

    #[test]
    fn series_that_find_no_room_are_counted() {
        let mut store = Store::new(60_000);
        let many = (0..KEPT_SERIES_MAX + 7).map(|at| (Labels::new("x", [("at", at.to_string().as_str())]), 0.0));
        store.add(1, many.collect());
        assert_eq!((store.held().series, store.held().refused), (KEPT_SERIES_MAX, 7));
    }

    proptest::proptest! {
        /// It answers as a list of all samples does.
        #[test]
        fn nothing_is_lost_by_keeping_changes_alone(columns in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0_u8..3), 4), 1..40)) {
            let mut store = Store::new(i64::MAX / 4);
            let mut all: HashMap<Labels, Vec<Sample>> = HashMap::new();
            for (step, column) in columns.iter().enumerate() {
                let at_ms = (step as i64 + 1) * 20_000;
                let there = column.iter().enumerate().filter_map(|(at, value)| Some((at.to_string(), f64::from((*value)?))));
                let there: Vec<_> = there.map(|(at, value)| (Labels::new("x", [("at", at.as_str())]), value)).collect();
                for (labels, samples) in &mut all {
                    if !there.iter().any(|(it, _)| it == labels) && samples.last().is_some_and(|it| !is_stale(it.value)) {
                        samples.push(Sample { at_ms, value: STALE });
                    }
                }
                for (labels, value) in &there {
                    all.entry(labels.clone()).or_default().push(Sample { at_ms, value: *value });
                }
                store.add(at_ms, there);
            }
            let list = Memory(all.into_iter().map(|(labels, samples)| Series { labels, samples }).collect());
            let over = Range { from_ms: 0, until_ms: 1_200_000, step_ms: 33_000 };
            for query in ["x", "sum(x)", "changes(x[2m])", "count_over_time(x[90s] offset 1m)", "increase(x[3m])"] {
                let expr = parse(query).unwrap();
                let told = |value: Result<Value, Error>| format!("{value:?}");
                proptest::prop_assert_eq!(told(range(&expr, &store, over)), told(range(&expr, &list, over)));
            }
        }
    }
}
