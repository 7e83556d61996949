//! Quantiles of histograms, from buckets with an upper limit each (`le`).

use super::unnamed;
use crate::labels::{Labels, NAME};
use crate::number;
use crate::value::Element;
use std::collections::BTreeMap;

/// An upper limit, and how many lie below it.
type Bucket = (f64, f64);

/// The quantile of each histogram among some series.
pub(super) fn quantiles(q: f64, series: Vec<Element>) -> Vec<Element> {
    let mut histograms: BTreeMap<Labels, Vec<Bucket>> = BTreeMap::new();
    for it in series {
        if let Some(limit) = number::read(it.labels.get("le")) {
            let labels = it.labels.kept(|name| name != NAME && name != "le");
            histograms.entry(labels).or_default().push((limit, it.value));
        }
    }
    histograms.into_iter().map(|(labels, buckets)| unnamed(labels, quantile(q, buckets))).collect()
}

fn quantile(q: f64, mut buckets: Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    if buckets.last().is_none_or(|it| it.0 != f64::INFINITY) {
        return f64::NAN;
    }
    let buckets = growing(buckets);
    let [.., highest, all] = &buckets[..] else { return f64::NAN };
    if all.1 == 0.0 {
        return f64::NAN;
    }
    let rank = q * all.1;
    let at = buckets[..buckets.len() - 1].partition_point(|it| it.1 < rank);
    if at == buckets.len() - 1 {
        return highest.0;
    }
    let (end, count) = buckets[at];
    if at == 0 && end <= 0.0 {
        return end;
    }
    let (start, before) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    start + (end - start) * ((rank - before) / (count - before))
}

/// One bucket for each limit, none with fewer than the one before: scrapes are not made in one moment.
fn growing(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut out: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for (limit, count) in buckets {
        match out.last_mut() {
            Some(last) if last.0 == limit => last.1 += count,
            _ => out.push((limit, count)),
        }
    }
    let mut most = f64::NEG_INFINITY;
    for it in &mut out {
        most = most.max(it.1);
        it.1 = most;
    }
    out
}
