//! What the counters of one guard say of the indicators that they are the source of.

use crate::indicator::{Indicator, Part};
use crate::tally::Tally;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::stats::{EdgeStats, ProxyStats};
use bartizan_core::synthetic::Synthetic;
use std::collections::BTreeMap;

/// Of everything since a guard started: what no call on an edge to it says.
pub fn of_service(stats: &ProxyStats) -> [(Indicator, Tally); 3] {
    let plaintext: u64 = stats.plaintext.values().map(|it| it.calls).sum();
    let strangers = unauthorised_handshakes(&stats.handshakes_failed);
    let failed: u64 = stats.handshakes_failed.values().sum();
    [
        // Calls without mutual TLS are among those of their edge.
        (Indicator::M1, Tally::new(strangers + plaintext, strangers)),
        (Indicator::M2, Tally::new(failed, stats.handshakes_completed + failed)),
        (Indicator::M8, Tally::new(strangers, 0)),
    ]
}

/// Of everything since a guard started: attacks that were no calls yet when they were refused.
pub fn attacks(stats: &ProxyStats) -> u64 {
    stats.attacks_refused + stats.handshakes_failed.get(&HandshakeFailure::Revoked).copied().unwrap_or_default()
}

/// What calls on one edge say, by what they were made for: for an indicator, or for a part that is shown beside one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfEdge {
    /// Authentication; nothing of it where the calls are synthetic.
    pub m1: Tally,
    /// Unexpected denials, of calls that are no attacks.
    pub m3: Tally,
    /// Unauthorised attempts, whoever made them.
    pub m8: Tally,
    /// [`Part::Expected`].
    pub expected: Tally,
    /// [`Part::Attack`].
    pub attack: Tally,
    /// [`Part::Synthetic`].
    pub synthetic: Tally,
}

impl OfEdge {
    /// Of the calls that `stats` counts, made by somebody with that label in the fleet file.
    pub fn of(stats: &EdgeStats, label: Option<Synthetic>) -> Self {
        let authentication = Tally::new(stats.unauthenticated, stats.calls);
        let (m1, synthetic) = match label {
            None => (authentication, Tally::default()),
            Some(_) => (Tally::default(), authentication),
        };
        let (m3, expected, attack) = match label {
            // A drill is made of attacks, and of calls that are there for them: neither is traffic.
            Some(Synthetic::Drill) => (Tally::default(), 0, stats.denied),
            Some(Synthetic::Checks) | None => {
                let calls = stats.calls.saturating_sub(stats.attacks);
                (Tally::new(stats.unexpected(), calls), stats.expected, stats.attacks)
            }
        };
        let (m8, of_nothing) = (Tally::new(stats.denied, 0), |count| Tally::new(count, 0));
        Self { m1, m3, m8, expected: of_nothing(expected), attack: of_nothing(attack), synthetic }
    }

    /// Those of indicators that are kept for each edge.
    pub const fn indicators(&self) -> [(Indicator, Tally); 2] {
        [(Indicator::M1, self.m1), (Indicator::M3, self.m3)]
    }

    /// Those that are shown beside one.
    pub const fn parts(&self) -> [(Part, Tally); 3] {
        [(Part::Expected, self.expected), (Part::Attack, self.attack), (Part::Synthetic, self.synthetic)]
    }
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
    use bartizan_core::stats::PlaintextStats;

    #[test]
    fn counts_each_once() {
        let stats = ProxyStats {
            plaintext: [("10.0.0.1".to_owned(), PlaintextStats { calls: 4, ..PlaintextStats::default() })].into(),
            handshakes_completed: 50,
            handshakes_failed: [
                (HandshakeFailure::Expired, 5),
                (HandshakeFailure::Timeout, 1),
                (HandshakeFailure::Revoked, 2),
            ]
            .into(),
            attacks_refused: 3,
            ..ProxyStats::default()
        };
        let expected = [
            (Indicator::M1, Tally::new(7 + 4, 7)),
            (Indicator::M2, Tally::new(8, 58)),
            (Indicator::M8, Tally::new(7, 0)),
        ];
        assert_eq!(of_service(&stats), expected);
        assert_eq!(attacks(&stats), 5);
    }

    #[test]
    fn denials_are_told_apart_and_drills_are_no_traffic() {
        let stats =
            EdgeStats { calls: 100, denied: 10, expected: 4, attacks: 5, unauthenticated: 2, ..EdgeStats::default() };
        let of = |label| OfEdge::of(&stats, label);
        let plain = of(None);
        assert_eq!((plain.m1, plain.synthetic), (Tally::new(2, 100), Tally::default()));
        assert_eq!(plain.m3, Tally::new(1, 95), "attacks are no calls that anybody waits for");
        assert_eq!((plain.expected.bad, plain.attack.bad), (4, 5));
        let checks = of(Some(Synthetic::Checks));
        assert_eq!((checks.m1, checks.synthetic, checks.m3), (Tally::default(), Tally::new(2, 100), plain.m3));
        let drill = of(Some(Synthetic::Drill));
        assert_eq!((drill.m1, drill.m3, drill.synthetic), (Tally::default(), Tally::default(), Tally::new(2, 100)));
        assert_eq!((drill.expected.bad, drill.attack.bad), (0, 10));
        for it in [plain, checks, drill] {
            assert_eq!(it.m8.bad, 10, "an attempt is an attempt");
            assert_eq!(it.m3.bad + it.expected.bad + it.attack.bad, 10, "each denial is in one of the three");
        }
    }

    #[test]
    fn only_attempts_count_as_unauthorised() {
        let failed = HandshakeFailure::ALL.into_iter().map(|cause| (cause, 1)).collect();
        assert_eq!(unauthorised_handshakes(&failed), 8);
    }
}
