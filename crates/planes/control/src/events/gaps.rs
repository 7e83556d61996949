//! Hops that a gateway saw called and that told nothing: their telemetry is missing, whatever they do.
//!
//! The gateway's event of an answered call says which service answered. The guard of that service tells of the same request, before or
//! after, within a batch's time. What is not told of until its generation is over is missing.

use crate::limits::{HOP_TOLD_WITHIN, HOPS_MISSING_WITHIN, HOPS_WATCHED_MAX};
use bartizan_alerts::window::Window;
use bartizan_core::event::{Event, SeenBy, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::{RequestId, ServiceName, Timestamp, Verdict};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is waited for, and what was told; of two generations, so that what comes late is still found.
#[derive(Debug, Default)]
struct Generation {
    waiting: HashMap<RequestId, ServiceName>,
    told: HashSet<(RequestId, ServiceName)>,
    /// More was told than can be remembered: nobody can say any more what is missing.
    blind: bool,
}

#[derive(Debug, Default)]
struct Hops {
    new: Generation,
    old: Generation,
    began: Timestamp,
    missing: BTreeMap<ServiceName, Window>,
}

/// Watches for them.
#[derive(Debug, Default)]
pub(crate) struct Gaps(Mutex<Hops>);

impl Gaps {
    /// Events on their way to the store.
    pub(crate) fn note(&self, events: &[Event], fleet: &Fleet, now: Timestamp) {
        let mut hops = self.lock();
        hops.turn(now);
        for event in events {
            let (Some(request), What::Request(what)) = (event.request, &event.what) else { continue };
            match event.seen_by {
                SeenBy::Inbound | SeenBy::Envoy => hops.told(request, event.service.as_ref().unwrap_or(&what.to)),
                SeenBy::Gateway => {
                    let answered = what.error.is_none()
                        && what.decision.as_ref().is_none_or(|it| it.verdict == Verdict::Allow)
                        // Of a service with versions the gateway says the name, and the guard of one of them tells.
                        && fleet.services.get(&what.to).is_some_and(|it| it.guarded && it.versions.split.is_empty());
                    if answered {
                        hops.called(request, &what.to);
                    }
                }
                _ => {}
            }
        }
    }

    /// How many are missing of each service, as of late.
    pub(crate) fn missing(&self, now: Timestamp) -> Vec<(ServiceName, u64)> {
        let mut hops = self.lock();
        hops.turn(now);
        let counted = hops.missing.iter_mut().map(|(service, window)| (service.clone(), window.count(now)));
        let counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        hops.missing.retain(|service, _| counted.iter().any(|(it, _)| it == service));
        counted
    }

    fn lock(&self) -> MutexGuard<'_, Hops> {
        // What is lost of it by a panic elsewhere is a hop that nobody waits for.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hops {
    fn called(&mut self, request: RequestId, service: &ServiceName) {
        let hop = (request, service.clone());
        let was_told = self.new.told.contains(&hop) || self.old.told.contains(&hop);
        if !was_told && !self.new.blind && self.new.waiting.len() < HOPS_WATCHED_MAX {
            self.new.waiting.insert(request, hop.1);
        }
    }

    fn told(&mut self, request: RequestId, service: &ServiceName) {
        for generation in [&mut self.new, &mut self.old] {
            if generation.waiting.get(&request) == Some(service) {
                generation.waiting.remove(&request);
                return;
            }
        }
        if self.new.told.len() < HOPS_WATCHED_MAX {
            self.new.told.insert((request, service.clone()));
        } else {
            self.new.blind = true;
            self.new.waiting.clear();
        }
    }

    fn turn(&mut self, now: Timestamp) {
        if now.since(self.began) < HOP_TOLD_WITHIN && now >= self.began {
            return;
        }
        self.began = now;
        let over = std::mem::replace(&mut self.old, std::mem::take(&mut self.new));
        for service in over.waiting.into_values() {
            self.missing.entry(service).or_insert_with(|| Window::new(HOPS_MISSING_WITHIN)).add(now, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{fleet, request_event};
    use std::time::Duration;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    fn hop(n: u64, seen_by: SeenBy) -> Event {
        let request = RequestId::parse(&format!("{:032x}", n + 1));
        let service = ServiceName::parse(if seen_by == SeenBy::Gateway { "gateway" } else { "accounts" }).ok();
        Event { request, seen_by, service, ..request_event(n) }
    }

    fn changed(event: Event, change: impl FnOnce(&mut bartizan_core::event::Request)) -> Event {
        let mut event = event;
        let What::Request(request) = &mut event.what else { unreachable!() };
        change(request);
        event
    }

    fn missing(gaps: &Gaps, now: Timestamp) -> Vec<(String, u64)> {
        gaps.missing(now).into_iter().map(|(service, count)| (service.to_string(), count)).collect()
    }

    #[test]
    fn a_hop_that_tells_nothing_is_missed_and_one_that_comes_before_or_late_is_not() {
        let (gaps, fleet) = (Gaps::default(), fleet());
        let late = HOP_TOLD_WITHIN + Duration::from_secs(1);
        gaps.note(&[hop(1, SeenBy::Inbound), hop(1, SeenBy::Gateway)], &fleet, at(0));
        gaps.note(&[hop(2, SeenBy::Gateway), hop(3, SeenBy::Gateway), hop(4, SeenBy::Gateway)], &fleet, at(1));
        gaps.note(&[hop(2, SeenBy::Inbound)], &fleet, at(2));
        gaps.note(&[hop(3, SeenBy::Inbound)], &fleet, at(2).plus(late));
        assert_eq!(missing(&gaps, at(3).plus(late)), [], "not yet");
        let over = at(4).plus(late * 2);
        assert_eq!(missing(&gaps, over), [("accounts".to_owned(), 1)], "the fourth");
        assert_eq!(missing(&gaps, over.plus(HOPS_MISSING_WITHIN * 2)), [], "that was long ago");
    }

    #[test]
    fn what_did_not_reach_a_guard_is_not_waited_for() {
        let (gaps, mut fleet) = (Gaps::default(), fleet());
        let accounts = ServiceName::parse("accounts").unwrap();
        let nobody = ServiceName::parse("nobody").unwrap();
        let denied = bartizan_core::event::Judged {
            verdict: Verdict::Deny,
            policies: Vec::new(),
            reason: None,
            epoch: bartizan_core::snapshot::Epoch(1),
        };
        gaps.note(
            &[
                changed(hop(1, SeenBy::Gateway), |it| it.error = Some("upstream_away".into())),
                changed(hop(2, SeenBy::Gateway), |it| it.decision = Some(denied)),
                changed(hop(3, SeenBy::Gateway), |it| it.to = nobody),
                Event { request: None, ..hop(4, SeenBy::Gateway) },
                hop(5, SeenBy::Outbound),
            ],
            &fleet,
            at(0),
        );
        assert_eq!(missing(&gaps, at(0).plus(HOP_TOLD_WITHIN * 2)), []);
        assert_eq!(missing(&gaps, at(9).plus(HOP_TOLD_WITHIN * 4)), []);
        fleet.services.get_mut(&accounts).unwrap().versions.split = vec![(accounts.clone(), 100)];
        gaps.note(&[hop(6, SeenBy::Gateway)], &fleet, at(100));
        assert_eq!(missing(&gaps, at(100).plus(HOP_TOLD_WITHIN)), []);
        assert_eq!(missing(&gaps, at(100).plus(HOP_TOLD_WITHIN * 3)), [], "one of several versions tells");
    }

    #[test]
    fn more_than_can_be_remembered_is_not_called_missing() {
        let (gaps, fleet) = (Gaps::default(), fleet());
        let count = HOPS_WATCHED_MAX as u64 + 10;
        let told: Vec<_> = (0..count).map(|n| hop(n, SeenBy::Inbound)).collect();
        gaps.note(&told, &fleet, at(0));
        let called: Vec<_> = (0..count).map(|n| hop(n, SeenBy::Gateway)).collect();
        gaps.note(&called, &fleet, at(1));
        let (first, second) = (at(2).plus(HOP_TOLD_WITHIN), at(3).plus(HOP_TOLD_WITHIN * 2));
        missing(&gaps, first);
        assert_eq!(missing(&gaps, second), []);
        // And it sees again afterwards.
        gaps.note(&[hop(1, SeenBy::Gateway)], &fleet, second);
        missing(&gaps, second.plus(HOP_TOLD_WITHIN));
        assert_eq!(missing(&gaps, second.plus(HOP_TOLD_WITHIN * 3)), [("accounts".to_owned(), 1)]);
    }
}
