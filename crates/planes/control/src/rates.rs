//! From successive totals of one proxy to rates and quantiles of the last seconds.

use crate::limits::{EDGE_QUANTILE_EVERY, QUANTILE_OVER, RATE_OVER, RATED_EDGES_MAX, READING_TTL, READINGS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::stats::{EdgeStats, Histogram, ProxyStats};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Recent readings of one instance of a proxy. An instance that starts anew gets a new window.
#[derive(Debug, Default)]
pub(crate) struct Window {
    readings: VecDeque<Reading>,
    /// When each caller called last.
    last: BTreeMap<String, Timestamp>,
    edges: EdgeTimes,
}

/// What a guard adds to each caller's calls: two older readings beside the newest, since a histogram has its size.
#[derive(Debug, Default)]
struct EdgeTimes {
    newest: BTreeMap<String, Histogram>,
    taken: Option<Timestamp>,
    taken_last: BTreeMap<String, Histogram>,
    before: BTreeMap<String, Histogram>,
}

impl EdgeTimes {
    fn push(&mut self, at: Timestamp, totals: &ProxyStats) {
        self.newest.clone_from(&totals.added_by_caller);
        if self.taken.is_none_or(|taken| at.since(taken) >= EDGE_QUANTILE_EVERY) {
            self.taken = Some(at);
            self.before = std::mem::replace(&mut self.taken_last, totals.added_by_caller.clone());
        }
    }

    /// Of the last seconds; `None` where that caller did not call in them.
    fn quantiles(&self, from: &str) -> Option<[u64; 2]> {
        let newest = self.newest.get(from)?;
        let recent = self.before.get(from).map_or_else(|| newest.clone(), |before| newest.since(before));
        Some([recent.quantile(0.5)?, recent.quantile(0.99)?])
    }
}

#[derive(Debug)]
struct Reading {
    at: Timestamp,
    calls: u64,
    denied: u64,
    added: Histogram,
    /// By caller. Empty in readings that no rate is taken from any more.
    edges: BTreeMap<String, EdgeStats>,
}

/// What the last seconds looked like. All zero or `None` where nothing recent is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) calls_per_s: f64,
    pub(crate) denied_per_s: f64,
    pub(crate) added_p50_us: Option<u64>,
    pub(crate) added_p99_us: Option<u64>,
}

impl Window {
    /// Takes in the totals that were read at `at`.
    pub(crate) fn push(&mut self, at: Timestamp, totals: &ProxyStats) {
        if self.readings.back().is_some_and(|newest| newest.at >= at) {
            return; // the clock was set back, or two readings in one millisecond
        }
        let (calls, denied) = totals.inbound.values().fold((0, 0), |(c, d), edge| (c + edge.calls, d + edge.denied));
        self.note_who_called(at, totals);
        self.edges.push(at, totals);
        let edges = totals.inbound.iter().take(RATED_EDGES_MAX).map(|(from, it)| (from.clone(), *it)).collect();
        self.readings.push_back(Reading { at, calls, denied, added: totals.added.clone(), edges });
        // A fleet has many edges, and rates are of the last seconds.
        let needed = self.readings.iter().rposition(|reading| at.since(reading.at) >= RATE_OVER).unwrap_or(0);
        self.readings.iter_mut().take(needed).for_each(|reading| reading.edges.clear());
        // The oldest one stays as long as no other is old enough to compare with.
        while self.readings.len() > READINGS_MAX
            || self.readings.get(1).is_some_and(|second| at.since(second.at) >= QUANTILE_OVER)
        {
            self.readings.pop_front();
        }
    }

    fn note_who_called(&mut self, at: Timestamp, totals: &ProxyStats) {
        let before = self.readings.back().map(|reading| &reading.edges);
        for (from, edge) in totals.inbound.iter().take(RATED_EDGES_MAX) {
            let known = before.and_then(|edges| edges.get(from)).map_or(0, |edge| edge.calls);
            if edge.calls > known {
                self.last.insert(from.clone(), at);
            }
        }
        self.last.retain(|from, _| totals.inbound.contains_key(from));
    }

    /// When that caller called last, to some seconds.
    pub(crate) fn last(&self, from: &str) -> Option<Timestamp> {
        self.last.get(from).copied()
    }

    /// Calls, denied and failed ones a second of that caller, as of `now`.
    pub(crate) fn of_edge(&self, from: &str, now: Timestamp) -> (f64, f64, f64) {
        let Some(newest) = self.readings.back().filter(|newest| now.since(newest.at) <= READING_TTL) else {
            return Default::default();
        };
        let (Some(base), Some(counted)) = (self.at_least_before(newest.at, RATE_OVER), newest.edges.get(from)) else {
            return Default::default();
        };
        let before = base.edges.get(from).copied().unwrap_or_default();
        let seconds = newest.at.since(base.at).as_secs_f64();
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let EdgeStats { calls, denied, failed, .. } = *counted;
        (rate(calls, before.calls), rate(denied, before.denied), rate(failed, before.failed))
    }

    /// Microseconds that the guard adds to that caller's calls, the median and the 99th percentile of the last seconds, as of `now`.
    pub(crate) fn added_of_edge(&self, from: &str, now: Timestamp) -> Option<[u64; 2]> {
        self.readings.back().filter(|newest| now.since(newest.at) <= READING_TTL)?;
        self.edges.quantiles(from)
    }

    /// Rates as of `now`.
    pub(crate) fn rates(&self, now: Timestamp) -> Rates {
        let Some(newest) = self.readings.back() else { return Rates::default() };
        if now.since(newest.at) > READING_TTL {
            return Rates::default();
        }
        let mut rates = Rates::default();
        if let Some(base) = self.at_least_before(newest.at, RATE_OVER) {
            let seconds = newest.at.since(base.at).as_secs_f64();
            rates.calls_per_s = newest.calls.saturating_sub(base.calls) as f64 / seconds;
            rates.denied_per_s = newest.denied.saturating_sub(base.denied) as f64 / seconds;
        }
        if let Some(base) = self.at_least_before(newest.at, QUANTILE_OVER) {
            let recent = newest.added.since(&base.added);
            rates.added_p50_us = recent.quantile(0.5);
            rates.added_p99_us = recent.quantile(0.99);
        }
        rates
    }

    /// The newest reading that is `by` older than `than`, else the oldest one that is older at all.
    fn at_least_before(&self, than: Timestamp, by: Duration) -> Option<&Reading> {
        let old_enough = self.readings.iter().rev().find(|reading| than.since(reading.at) >= by);
        old_enough.or_else(|| self.readings.front().filter(|reading| reading.at < than))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::stats::EdgeStats;

    fn totals(calls: u64, denied: u64, added_us: &[u64]) -> ProxyStats {
        let mut added = Histogram::default();
        added_us.iter().for_each(|us| added.record(*us));
        let edge = |calls, denied| EdgeStats { calls, denied, ..EdgeStats::default() };
        let inbound = [("payment".to_owned(), edge(calls, 0)), ("audit".to_owned(), edge(denied, denied))];
        ProxyStats { inbound: inbound.into(), added, ..ProxyStats::default() }
    }

    fn second(s: u64) -> Timestamp {
        Timestamp::from_secs(1000 + s)
    }

    #[test]
    fn one_reading_is_no_rate() {
        let mut window = Window::default();
        assert_eq!(window.rates(second(0)), Rates::default());
        window.push(second(0), &totals(500, 5, &[100]));
        assert_eq!(window.rates(second(0)), Rates::default(), "nobody knows how long it took to get there");
    }

    #[test]
    fn rates_are_over_the_last_seconds_and_not_over_the_whole_life() {
        let mut window = Window::default();
        for s in 0..100 {
            window.push(second(s), &totals(s * 10, s, &[]));
        }
        window.push(second(100), &totals(1090, 100, &[]));
        let rates = window.rates(second(100));
        // Second 98 had 980 calls and 98 denied ones, which are calls too.
        assert_eq!((rates.calls_per_s, rates.denied_per_s), ((1190.0 - 1078.0) / 2.0, 1.0));
        assert!(window.readings.len() <= READINGS_MAX);
    }

    #[test]
    fn quantiles_forget_what_is_long_ago() {
        let mut window = Window::default();
        let slow = [5000; 100];
        for s in 0..10 {
            window.push(second(s), &totals(0, 0, &slow));
        }
        for s in 10..30 {
            let mut all = slow.to_vec();
            all.extend(vec![100; (s - 9) as usize]);
            window.push(second(s), &totals(0, 0, &all));
        }
        let rates = window.rates(second(29));
        assert!(rates.added_p99_us.is_some_and(|us| us < 120), "{rates:?}");
    }

    #[test]
    fn each_caller_has_rates_of_its_own_and_old_readings_hold_none() {
        let mut window = Window::default();
        for s in 0..20 {
            window.push(second(s), &totals(s * 10, 5, &[]));
        }
        assert_eq!(window.of_edge("payment", second(19)), (10.0, 0.0, 0.0));
        assert_eq!(window.of_edge("audit", second(19)), (0.0, 0.0, 0.0));
        assert_eq!(window.of_edge("nobody", second(19)), (0.0, 0.0, 0.0));
        assert_eq!(window.of_edge("payment", second(60)), (0.0, 0.0, 0.0), "too long ago");
        assert_eq!((window.last("payment"), window.last("audit")), (Some(second(19)), Some(second(0))));
        let held = window.readings.iter().filter(|reading| !reading.edges.is_empty()).count();
        assert!(held <= 4, "{held} readings hold edges");
    }

    #[test]
    fn each_caller_has_times_of_its_own_of_the_last_seconds() {
        let of = |counts: &[(&str, u64, usize)]| {
            let mut all = BTreeMap::<String, Histogram>::new();
            for (from, us, count) in counts {
                let it = all.entry((*from).to_owned()).or_default();
                (0..*count).for_each(|_| it.record(*us));
            }
            ProxyStats { added_by_caller: all, ..ProxyStats::default() }
        };
        let mut window = Window::default();
        for s in 0..20 {
            window.push(second(s), &of(&[("payment", 5000, 100), ("audit", 100, 5)]));
        }
        assert_eq!(window.added_of_edge("payment", second(19)), None, "it called long ago");
        for s in 20..40 {
            window.push(second(s), &of(&[("payment", 5000, 100), ("payment", 90, s as usize), ("audit", 100, 5)]));
        }
        let [p50, p99] = window.added_of_edge("payment", second(39)).unwrap();
        assert!((90..=101).contains(&p50) && p99 < 110, "{p50} {p99}: what is long ago is not seen");
        assert_eq!((window.added_of_edge("audit", second(39)), window.added_of_edge("x", second(39))), (None, None));
        assert_eq!(window.added_of_edge("payment", second(90)), None, "too long ago");
    }

    #[test]
    fn silence_and_odd_clocks_are_no_rate() {
        let mut window = Window::default();
        window.push(second(0), &totals(0, 0, &[]));
        window.push(second(2), &totals(100, 0, &[]));
        assert_eq!(window.rates(second(2)).calls_per_s, 50.0);
        assert_eq!(window.rates(second(60)), Rates::default(), "too long ago");
        window.push(second(1), &totals(900, 0, &[]));
        window.push(second(2), &totals(900, 0, &[]));
        assert_eq!(window.rates(second(2)).calls_per_s, 50.0, "a reading from the past is left out");
        window.push(second(4), &totals(0, 0, &[]));
        assert_eq!(window.rates(second(4)).calls_per_s, 0.0, "totals never shrink; if they do, nothing is made up");
    }
}
