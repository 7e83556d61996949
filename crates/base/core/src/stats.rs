//! Counters of one proxy, as they travel to control: totals since the proxy started, never differences.

use crate::decision::Verdict;
use crate::egress::Refusal;
use crate::event::{Ending, HandshakeFailure};
use crate::name::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything one proxy counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProxyStats {
    /// Calls into the service, by caller (`""` for a client without identity, at the gateway).
    pub inbound: BTreeMap<String, EdgeStats>,
    /// Calls out of the service, by callee.
    pub outbound: BTreeMap<ServiceName, EdgeStats>,
    /// What was done to make them succeed, by callee.
    pub sending: BTreeMap<ServiceName, SendingStats>,
    /// Calls that came without mutual TLS, by the address that they came from.
    pub plaintext: BTreeMap<String, PlaintextStats>,
    /// TLS handshakes begun, as server and as client.
    pub handshakes_attempted: u64,
    /// Those that ended well.
    pub handshakes_completed: u64,
    /// Those that failed, by cause. attempted = completed + failed + under way.
    pub handshakes_failed: BTreeMap<HandshakeFailure, u64>,
    /// Input refused before it was a request.
    pub refused: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections, and requests on others, that ended because trust in them did.
    pub ended: BTreeMap<Ending, u64>,
    /// Events offered to the queue.
    pub events_offered: u64,
    /// Events dropped because the queue was full.
    pub events_dropped: u64,
    /// Events control has confirmed.
    pub events_delivered: u64,
    /// The proxy's own share of each request's time, inbound side (the gateway: its only side).
    pub added: Histogram,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// User and system CPU time of the process, in microseconds.
    pub cpu_us: u64,
    /// What went out of the fleet, or tried to.
    pub egress: EgressStats,
    /// What limits refused, by their name; at the gateway behind the route's path.
    pub limits: BTreeMap<String, LimitStats>,
    /// How often something could not be opened, by what there was none of.
    pub shortages: BTreeMap<Shortage, u64>,
    /// Of `added`, what each caller's requests have, as far as callers are told apart in that.
    pub added_by_caller: BTreeMap<String, Histogram>,
    /// Of what was refused, and of requests whose path can be read in two ways: what no client of good will sends.
    pub attacks_refused: u64,
    /// What policies that are tried out would have decided otherwise, by policy and edge.
    pub predicted: Vec<PredictedStats>,
    /// Such predictions of edges that there was no room for any more.
    pub predicted_unlisted: u64,
}

/// What one policy in mode `shadow` would have decided otherwise on one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PredictedStats {
    /// The policy.
    pub policy: Arc<str>,
    /// Who called.
    pub from: ServiceName,
    /// Who was called.
    pub to: ServiceName,
    /// What would have been decided; the opposite was.
    pub verdict: Verdict,
    /// Calls, a count.
    pub calls: u64,
}

/// What a process can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shortage {
    /// File descriptors, of the process or of the machine.
    Descriptors,
    /// Local ports for connections to one address.
    Ports,
}

impl Shortage {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Descriptors, Self::Ports];

    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Ports => "ports",
        }
    }

    /// The word in events and answers.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors_exhausted",
            Self::Ports => "ports_exhausted",
        }
    }
}

/// Counters of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStats {
    /// Requests that it refused, since it stands as it does.
    pub refused: u64,
    /// Requests that it let through, and made wait before.
    #[serde(default)]
    pub slowed: u64,
}

/// Connections, HTTP requests and lookups of names on their way out of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressStats {
    /// Let through, and answered by somebody.
    pub passed: u64,
    /// Of those, the ones that no rule names.
    pub learned: u64,
    /// Let through, and nobody answered.
    pub failed: u64,
    /// Not let through, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Names that were looked up for the service, a count.
    pub lookups: u64,
    /// Destinations that were new to the guard, a count.
    pub destinations: u64,
    /// Bytes from the service to the outside.
    pub bytes_up: u64,
    /// Bytes from the outside to the service.
    pub bytes_down: u64,
}

/// Counters of one edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeStats {
    /// Requests, or TCP connections.
    pub calls: u64,
    /// Those that policy denied.
    pub denied: u64,
    /// Those that failed for another reason (upstream gone, time-out).
    pub failed: u64,
    /// Those that the guard answered 401, whichever of the two above they count as: nobody proved who they are for.
    #[serde(default)]
    pub unauthenticated: u64,
    /// Of the denied ones, those that were expected: see [`crate::decision::Denial`].
    #[serde(default)]
    pub expected: u64,
    /// Of the denied ones, those that are attacks.
    #[serde(default)]
    pub attacks: u64,
}

impl EdgeStats {
    /// What was counted since `earlier`, an older reading of the same edge. A counter that shrank is of another process that says
    /// it is this one: nothing is made up.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            denied: self.denied.saturating_sub(earlier.denied),
            failed: self.failed.saturating_sub(earlier.failed),
            unauthenticated: self.unauthenticated.saturating_sub(earlier.unauthenticated),
            expected: self.expected.saturating_sub(earlier.expected),
            attacks: self.attacks.saturating_sub(earlier.attacks),
        }
    }

    /// Denied ones that nobody expected and that are no attacks.
    pub const fn unexpected(&self) -> u64 {
        self.denied.saturating_sub(self.expected).saturating_sub(self.attacks)
    }
}

/// What was done for the calls of one edge besides sending them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SendingStats {
    /// Tries after the first.
    pub retried: u64,
    /// Times that an instance was put out for failing.
    pub ejected: u64,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
    /// Calls that it answered while it was open.
    pub short_cut: u64,
    /// Copies that were sent.
    pub mirrored: u64,
    /// Workers whose breaker is not closed now, a count.
    pub breakers_open: u32,
    /// Instances that get nothing from some worker now, a count.
    pub instances_out: u32,
}

/// Calls without mutual TLS from one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlaintextStats {
    /// Requests, or connections that are no HTTP.
    pub calls: u64,
    /// When the last one came.
    pub last: Timestamp,
}

/// Buckets per power of two; the relative error of a quantile is at most 1/8.
const SUB: usize = 8;
/// Powers of two covered: 1 microsecond to about 17 minutes.
const POWERS: usize = 30;

/// A histogram of microseconds with a bounded relative error and a fixed size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SUB * POWERS] }
    }
}

impl Histogram {
    /// Number of buckets, for those who count in atomics of their own.
    pub const BUCKETS: usize = SUB * POWERS;

    /// The bucket of a value in microseconds.
    pub fn bucket(us: u64) -> usize {
        if us < SUB as u64 {
            return us as usize;
        }
        let power = 63 - us.leading_zeros() as usize; // at least 3
        let sub = (us >> (power - 3)) as usize & (SUB - 1);
        ((power - 2) * SUB + sub).min(Self::BUCKETS - 1)
    }

    /// The largest value of a bucket, in microseconds.
    fn upper(bucket: usize) -> u64 {
        let (power, sub) = (bucket / SUB, (bucket % SUB) as u64);
        if power == 0 { sub } else { (((SUB as u64 + sub + 1) << (power - 1)) - 1).max(1) }
    }

    /// From counts per bucket; missing ones are 0, further ones ignored.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        let mut it = Self::default();
        for (slot, count) in it.counts.iter_mut().zip(counts) {
            *slot = count;
        }
        it
    }

    /// Adds one value, in microseconds.
    pub fn record(&mut self, us: u64) {
        self.record_times(us, 1);
    }

    /// Adds one value so many times, in microseconds.
    pub fn record_times(&mut self, us: u64, times: u64) {
        self.counts[Self::bucket(us)] += times;
    }

    /// Values in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The value below or at which the share `q` (0 to 1) of all values lies, in microseconds; `None` where empty.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = ((total as f64 * q).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Self::upper(bucket));
            }
        }
        None
    }

    /// Values in buckets above that of `us`.
    pub fn above(&self, us: u64) -> u64 {
        self.counts.iter().skip(Self::bucket(us) + 1).sum()
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self::from_counts(self.counts.iter().zip(&other.counts).map(|(one, other)| one.saturating_add(*other)))
    }

    /// What came since `earlier`, an older reading of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self::from_counts(self.counts.iter().zip(&earlier.counts).map(|(now, then)| now.saturating_sub(*then)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_at_most_an_eighth_too_high(us in 1u64..1_000_000_000) {
            let mut histogram = Histogram::default();
            histogram.record(us);
            let read = histogram.quantile(0.5).unwrap();
            prop_assert!(read >= us && read - us <= us / 8 + 1, "{us} read as {read}");
        }
    }

    #[test]
    fn what_is_above_a_quantile_is_the_rest() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(us));
        let p95 = histogram.quantile(0.95).unwrap();
        let above = histogram.above(p95);
        assert!(above <= 50 && histogram.above(0) == 1000, "{p95} {above}");
        assert_eq!(histogram.plus(&histogram).above(p95), 2 * above);
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
