//! What the counters of one guard say of the indicators that they are the source of.

use crate::indicator::{Indicator, Place};
use crate::tally::Tally;
use bartizan_core::ServiceName;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::stats::ProxyStats;
use std::collections::BTreeMap;

/// Tallies of everything since the guard of `service` started: of the service, and of each edge to it.
pub fn counted(service: &ServiceName, stats: &ProxyStats) -> Vec<(Indicator, Place, Tally)> {
    let sum = |count: fn(&bartizan_core::stats::EdgeStats) -> u64| stats.inbound.values().map(count).sum::<u64>();
    let (calls, denied, unauthenticated) =
        (sum(|edge| edge.calls), sum(|edge| edge.denied), sum(|edge| edge.unauthenticated));
    let plaintext: u64 = stats.plaintext.values().map(|it| it.calls).sum();
    let strangers = unauthorised_handshakes(&stats.handshakes_failed);
    let failed: u64 = stats.handshakes_failed.values().sum();
    let here = Place::Service(service.clone());
    let mut all = vec![
        (Indicator::M1, here.clone(), Tally::new(strangers + unauthenticated + plaintext, calls + strangers)),
        (Indicator::M2, here.clone(), Tally::new(failed, stats.handshakes_completed + failed)),
        (Indicator::M3, here.clone(), Tally::new(denied, calls)),
        (Indicator::M8, here, Tally::new(denied + strangers, 0)),
    ];
    all.extend(stats.inbound.iter().map(|(from, edge)| {
        (Indicator::M3, Place::Edge(from.clone(), service.clone()), Tally::new(edge.denied, edge.calls))
    }));
    all
}

/// Handshakes that failed for who came. Left out are those that are nobody's attempt at anything: broken off, too slow, or
/// we were not ready.
pub fn unauthorised_handshakes(failed: &BTreeMap<HandshakeFailure, u64>) -> u64 {
    let harmless = [HandshakeFailure::Protocol, HandshakeFailure::Timeout, HandshakeFailure::NotReady];
    failed.iter().filter(|(cause, _)| !harmless.contains(cause)).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::stats::{EdgeStats, PlaintextStats};

    #[test]
    fn counts_each_once() {
        let edge = |calls, denied, unauthenticated| EdgeStats { calls, denied, unauthenticated, failed: 0 };
        let stats = ProxyStats {
            inbound: [("web".to_owned(), edge(100, 3, 0)), (String::new(), edge(10, 2, 2))].into(),
            plaintext: [("10.0.0.1".to_owned(), PlaintextStats { calls: 4, ..PlaintextStats::default() })].into(),
            handshakes_completed: 50,
            handshakes_failed: [(HandshakeFailure::Expired, 5), (HandshakeFailure::Timeout, 1)].into(),
            ..ProxyStats::default()
        };
        let ledger = ServiceName::parse("ledger").unwrap();
        let all = counted(&ledger, &stats);
        let of = |indicator, place: Place| all.iter().find(|it| (it.0, &it.1) == (indicator, &place)).unwrap().2;
        let here = || Place::Service(ledger.clone());
        assert_eq!(of(Indicator::M1, here()), Tally::new(5 + 2 + 4, 115));
        assert_eq!(of(Indicator::M2, here()), Tally::new(6, 56));
        assert_eq!(of(Indicator::M3, here()), Tally::new(5, 110));
        assert_eq!(of(Indicator::M8, here()), Tally::new(10, 0));
        assert_eq!(of(Indicator::M3, Place::Edge("web".to_owned(), ledger.clone())), Tally::new(3, 100));
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn only_attempts_count_as_unauthorised() {
        let failed = HandshakeFailure::ALL.into_iter().map(|cause| (cause, 1)).collect();
        assert_eq!(unauthorised_handshakes(&failed), 8);
    }
}
