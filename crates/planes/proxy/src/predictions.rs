//! What policies that are tried out would have decided otherwise: counted for each policy and edge, and told now and then.
//!
//! Without such policies nobody comes here.

use crate::limits::{PREDICTION_TOLD_EVERY, PREDICTIONS_MAX};
use crate::live::Proxy;
use bartizan_core::event::{Predicted, SeenBy, What};
use bartizan_core::stats::PredictedStats;
use bartizan_core::{Action, RequestId, ServiceName, Verdict};
use bartizan_policy::{Ask, Prediction};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All of them, of all threads.
#[derive(Debug, Default)]
pub struct Predictions {
    edges: Mutex<BTreeMap<Key, Counted>>,
    unlisted: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: Arc<str>,
    from: ServiceName,
    to: ServiceName,
    denies: bool,
}

#[derive(Debug)]
struct Counted {
    calls: u64,
    untold: u64,
    /// On the proxy's steady clock; `None` for never.
    told_ns: Option<u64>,
    /// The first call that is not told.
    example: (Option<RequestId>, Action),
}

impl Key {
    fn verdict(&self) -> Verdict {
        if self.denies { Verdict::Deny } else { Verdict::Allow }
    }
}

impl Predictions {
    /// Counts what `prediction` says about `ask`, which came with `request`.
    pub fn note(&self, prediction: &Prediction, ask: &Ask<'_>, request: Option<RequestId>) {
        let mut edges = self.lock();
        for policy in &prediction.policies {
            let (policy, denies) = (Arc::clone(policy), prediction.verdict == Verdict::Deny);
            let key = Key { policy, from: ask.principal.clone(), to: ask.resource.clone(), denies };
            if edges.len() >= PREDICTIONS_MAX && !edges.contains_key(&key) {
                self.unlisted.fetch_add(1, Relaxed);
                continue;
            }
            let example = (request, ask.action);
            let counted = edges.entry(key).or_insert(Counted { calls: 0, untold: 0, told_ns: None, example });
            if counted.untold == 0 {
                counted.example = example;
            }
            counted.calls += 1;
            counted.untold += 1;
        }
    }

    /// Leaves room for those that are tried out now: what others would have decided is over.
    pub fn keep(&self, is_tried_out: impl Fn(&str) -> bool) {
        self.lock().retain(|key, _| is_tried_out(&key.policy));
    }

    /// The counters, for control: by policy and edge, and what there was no room for.
    pub fn stats(&self) -> (Vec<PredictedStats>, u64) {
        let edges = self.lock();
        let stats = edges.iter().map(|(key, counted)| PredictedStats {
            policy: Arc::clone(&key.policy),
            from: key.from.clone(),
            to: key.to.clone(),
            verdict: key.verdict(),
            calls: counted.calls,
        });
        (stats.collect(), self.unlisted.load(Relaxed))
    }

    /// What has to be told at `now_ns`: of each policy and edge at once what is new, then what came within each
    /// [`PREDICTION_TOLD_EVERY`] together. With `all`, whatever was not told.
    pub fn due(&self, now_ns: u64, all: bool) -> Vec<(Option<RequestId>, Predicted)> {
        let is_due = |counted: &Counted| {
            let since = counted.told_ns.map(|told| u128::from(now_ns.saturating_sub(told)));
            counted.untold > 0 && (all || since.is_none_or(|since| since >= PREDICTION_TOLD_EVERY.as_nanos()))
        };
        let mut edges = self.lock();
        let due = edges.iter_mut().filter(|(_, counted)| is_due(counted)).map(|(key, counted)| {
            let calls = std::mem::take(&mut counted.untold);
            counted.told_ns = Some(now_ns);
            let (request, action) = counted.example;
            let (policy, from, to, verdict) =
                (Arc::clone(&key.policy), key.from.clone(), key.to.clone(), key.verdict());
            (request, Predicted { policy, from, to, action, verdict, calls })
        });
        due.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Counted>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the events that are due.
pub fn tell(proxy: &Proxy, all: bool) {
    let seen_by = if proxy.is_gateway() { SeenBy::Gateway } else { SeenBy::Inbound };
    for (request, predicted) in proxy.predictions.due(proxy.steady_ns(), all) {
        proxy.events.offer(seen_by, request, What::Predicted(predicted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn ask<'a>(from: &'a ServiceName, to: &'a ServiceName) -> Ask<'a> {
        let (action, method, path) = (Action::Read, "GET", "/");
        Ask { principal: from, id: None, action, resource: to, route: None, method, path, user: None }
    }

    #[test]
    fn is_told_at_once_and_then_once_in_each_slot_with_a_count() {
        let (predictions, from, to) = (Predictions::default(), name("web"), name("api"));
        let prediction = Prediction { verdict: Verdict::Deny, policies: vec!["tight".into()] };
        let slot = u64::try_from(PREDICTION_TOLD_EVERY.as_nanos()).unwrap();
        let mut told = Vec::new();
        for (now, calls) in [(0, 1), (1, 0), (2, 1_000), (slot - 1, 1), (slot, 0), (slot + 1, 0), (3 * slot, 2)] {
            (0..calls).for_each(|_| predictions.note(&prediction, &ask(&from, &to), None));
            told.extend(predictions.due(now, false).into_iter().map(|(_, it)| (now, it.calls)));
        }
        assert_eq!(told, [(0, 1), (slot, 1_001), (3 * slot, 2)]);
        predictions.note(&prediction, &ask(&from, &to), None);
        assert_eq!(predictions.due(3 * slot, false), []);
        assert_eq!(predictions.due(3 * slot, true).len(), 1, "at the end nothing is kept back");
        assert_eq!(predictions.stats().0[0].calls, 1_005);
    }

    #[test]
    fn there_is_room_for_so_many_and_the_others_are_counted() {
        let (predictions, to) = (Predictions::default(), name("api"));
        let prediction = Prediction { verdict: Verdict::Allow, policies: vec!["wide".into()] };
        for n in 0..PREDICTIONS_MAX + 7 {
            let from = name(&format!("s{n}"));
            (0..2).for_each(|_| predictions.note(&prediction, &ask(&from, &to), None));
        }
        let (stats, unlisted) = predictions.stats();
        assert_eq!((stats.len(), unlisted), (PREDICTIONS_MAX, 14));
        assert!(stats.iter().all(|it| it.calls == 2 && it.verdict == Verdict::Allow));
        let other = Prediction { verdict: Verdict::Deny, policies: vec!["tight".into()] };
        predictions.keep(|policy| policy == "tight");
        predictions.note(&other, &ask(&to, &to), None);
        assert_eq!(predictions.stats().0.iter().map(|it| &*it.policy).collect::<Vec<_>>(), ["tight"]);
    }
}
