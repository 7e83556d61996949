//! What is counted while serving, per worker, so that no two threads write the same counter; summed once a second.

use crate::event_queue::EventQueue;
use crate::limits;
use bartizan_core::event::{Ending, HandshakeFailure};
use bartizan_core::stats::{EdgeStats, Histogram, PlaintextStats, ProxyStats, SendingStats};
use bartizan_core::{Denial, ServiceName, Timestamp};
use bartizan_runtime::{listen, process};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The proxy's own share of requests' time, in the buckets of [`Histogram`].
#[derive(Debug)]
struct Added(Box<[AtomicU64]>);

impl Default for Added {
    fn default() -> Self {
        Self((0..Histogram::BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Added {
    fn add_to(&self, sum: &mut [u64]) {
        for (sum, count) in sum.iter_mut().zip(&self.0) {
            *sum += count.load(Relaxed);
        }
    }
}

/// Counters of one edge in one worker.
#[derive(Debug, Default)]
pub struct Edge {
    /// Its own, or the one that it shares with others of its worker.
    added: Arc<Added>,
    calls: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
    unauthenticated: AtomicU64,
    expected: AtomicU64,
    attacks: AtomicU64,
    retried: AtomicU64,
    ejected: AtomicU64,
    breaker_opened: AtomicU64,
    short_cut: AtomicU64,
    mirrored: AtomicU64,
    breaker_open: AtomicBool,
    instances_out: AtomicU32,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The service answered, with whatever status.
    Answered,
    /// Policy said no.
    Denied(Denial),
    /// The proxy answered for another reason.
    Failed,
}

impl Edge {
    /// Counts one call.
    pub fn count(&self, ended: Ended) {
        self.calls.fetch_add(1, Relaxed);
        match ended {
            Ended::Answered => {}
            Ended::Denied(denial) => {
                self.denied.fetch_add(1, Relaxed);
                match denial {
                    Denial::Unexpected => {}
                    Denial::Expected => _ = self.expected.fetch_add(1, Relaxed),
                    Denial::Attack => _ = self.attacks.fetch_add(1, Relaxed),
                }
            }
            Ended::Failed => _ = self.failed.fetch_add(1, Relaxed),
        }
    }

    /// A call that [`Edge::count`] counts was answered 401.
    pub fn unauthenticated(&self) {
        self.unauthenticated.fetch_add(1, Relaxed);
    }

    /// The proxy's own share of one request's time.
    pub fn added(&self, share: Duration) {
        self.added.0[Histogram::bucket(as_us(share))].fetch_add(1, Relaxed);
    }

    /// A call is tried once more.
    pub fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    /// An instance gets nothing for a while.
    pub fn ejected(&self) {
        self.ejected.fetch_add(1, Relaxed);
    }

    /// The breaker opened.
    pub fn breaker_opened(&self) {
        self.breaker_opened.fetch_add(1, Relaxed);
    }

    /// The breaker was open, and nothing was sent.
    pub fn short_cut(&self) {
        self.short_cut.fetch_add(1, Relaxed);
    }

    /// A copy was sent.
    pub fn mirrored(&self) {
        self.mirrored.fetch_add(1, Relaxed);
    }

    /// How things are now.
    pub fn stands(&self, breaker_open: bool, instances_out: usize) {
        self.breaker_open.store(breaker_open, Relaxed);
        self.instances_out.store(u32::try_from(instances_out).unwrap_or(u32::MAX), Relaxed);
    }

    fn sending(&self) -> SendingStats {
        SendingStats {
            retried: self.retried.load(Relaxed),
            ejected: self.ejected.load(Relaxed),
            breaker_opened: self.breaker_opened.load(Relaxed),
            short_cut: self.short_cut.load(Relaxed),
            mirrored: self.mirrored.load(Relaxed),
            breakers_open: self.breaker_open.load(Relaxed).into(),
            instances_out: self.instances_out.load(Relaxed),
        }
    }

    fn add_to(&self, sum: &mut EdgeStats) {
        sum.calls += self.calls.load(Relaxed);
        sum.denied += self.denied.load(Relaxed);
        sum.failed += self.failed.load(Relaxed);
        sum.unauthenticated += self.unauthenticated.load(Relaxed);
        sum.expected += self.expected.load(Relaxed);
        sum.attacks += self.attacks.load(Relaxed);
    }
}

type Edges = Mutex<HashMap<Box<str>, Arc<Edge>>>;

/// Counters of one worker.
#[derive(Debug)]
pub struct Counters {
    inbound: Edges,
    outbound: Edges,
    plaintext: Mutex<HashMap<IpAddr, PlaintextStats>>,
    /// Of all callers that have none of their own.
    added: Arc<Added>,
    handshakes_attempted: AtomicU64,
    handshakes_completed: AtomicU64,
    handshakes_failed: [AtomicU64; HandshakeFailure::ALL.len()],
    refused: AtomicU64,
    attacks_refused: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    ended: [AtomicU64; Ending::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            inbound: Edges::default(),
            outbound: Edges::default(),
            plaintext: Mutex::default(),
            added: Arc::default(),
            handshakes_attempted: AtomicU64::new(0),
            handshakes_completed: AtomicU64::new(0),
            handshakes_failed: std::array::from_fn(|_| AtomicU64::new(0)),
            refused: AtomicU64::new(0),
            attacks_refused: AtomicU64::new(0),
            connections_opened: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
            ended: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// The counters of calls from `caller`; keep them for the life of a connection.
    pub fn inbound(&self, caller: &str) -> Arc<Edge> {
        edge(&self.inbound, caller, |known| Edge { added: self.added_of(known), ..Edge::default() })
    }

    /// The counters of calls to `callee`.
    pub fn outbound(&self, callee: &ServiceName) -> Arc<Edge> {
        // Time is added to what comes in; nothing is added to this one.
        edge(&self.outbound, callee.as_str(), |_| Edge { added: Arc::clone(&self.added), ..Edge::default() })
    }

    /// A call came from `address` without mutual TLS.
    pub fn plaintext(&self, address: IpAddr, now: Timestamp) {
        let mut all = self.plaintext.lock().unwrap_or_else(PoisonError::into_inner);
        // The last ones to come stand for all further ones: that there are many is what has to be seen.
        let known = all.contains_key(&address) || all.len() < limits::PLAINTEXT_ADDRESSES_MAX;
        let address = if known { address } else { IpAddr::from([0, 0, 0, 0]) };
        let it = all.entry(address).or_default();
        it.calls += 1;
        it.last = now;
    }

    /// Where the time of a further caller is counted, when so many are `known`.
    fn added_of(&self, known: usize) -> Arc<Added> {
        if known < limits::EDGES_TIMED_MAX { Arc::default() } else { Arc::clone(&self.added) }
    }

    /// A handshake begins.
    pub fn handshake_begun(&self) {
        self.handshakes_attempted.fetch_add(1, Relaxed);
    }

    /// A handshake ended.
    pub fn handshake_ended(&self, failure: Option<HandshakeFailure>) {
        let counter = match failure {
            None => &self.handshakes_completed,
            Some(failure) => {
                let at = HandshakeFailure::ALL.iter().position(|f| *f == failure).unwrap_or_default();
                &self.handshakes_failed[at]
            }
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Input was refused before it was a request.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Something came that no client of good will sends; what became of it is counted elsewhere.
    pub fn attack_refused(&self) {
        self.attacks_refused.fetch_add(1, Relaxed);
    }

    /// Trust in a connection, or in a request on one, ended.
    pub fn trust_ended(&self, ending: Ending) {
        let at = Ending::ALL.iter().position(|it| *it == ending).unwrap_or_default();
        self.ended[at].fetch_add(1, Relaxed);
    }

    /// Counts a connection as open until the value is dropped.
    pub fn connection(self: &Arc<Self>) -> Open {
        self.connections_opened.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    fn add_to(&self, sum: &mut ProxyStats, added: &mut Sums) {
        for (name, edge) in self.inbound.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            edge.add_to(sum.inbound.entry(name.to_string()).or_default());
            if !Arc::ptr_eq(&edge.added, &self.added) {
                edge.added.add_to(&mut added.all);
                let own = added.by_caller.entry(name.to_string()).or_insert_with(|| vec![0; Histogram::BUCKETS]);
                edge.added.add_to(own);
            }
        }
        for (name, edge) in self.outbound.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Names come from a directory; the shared one for those over the limit cannot be a service.
            if let Ok(name) = ServiceName::parse(name) {
                add_sending(sum, &name, edge.sending());
                edge.add_to(sum.outbound.entry(name).or_default());
            }
        }
        for (address, it) in self.plaintext.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let sum = sum.plaintext.entry(address.to_string()).or_default();
            sum.calls += it.calls;
            sum.last = sum.last.max(it.last);
        }
        self.added.add_to(&mut added.all);
        sum.handshakes_attempted += self.handshakes_attempted.load(Relaxed);
        sum.handshakes_completed += self.handshakes_completed.load(Relaxed);
        for (failure, count) in HandshakeFailure::ALL.iter().zip(&self.handshakes_failed) {
            let count = count.load(Relaxed);
            if count > 0 {
                *sum.handshakes_failed.entry(*failure).or_default() += count;
            }
        }
        for (ending, count) in Ending::ALL.iter().zip(&self.ended) {
            let count = count.load(Relaxed);
            if count > 0 {
                *sum.ended.entry(*ending).or_default() += count;
            }
        }
        sum.refused += self.refused.load(Relaxed);
        sum.attacks_refused += self.attacks_refused.load(Relaxed);
        let closed = self.connections_closed.load(Relaxed);
        sum.connections_open += self.connections_opened.load(Relaxed).saturating_sub(closed);
    }
}

/// Nothing is said of an edge on which nothing was done. Of instances that are out, the worker that sees most counts.
fn add_sending(sum: &mut ProxyStats, callee: &ServiceName, it: SendingStats) {
    if it == SendingStats::default() {
        return;
    }
    let sum = sum.sending.entry(callee.clone()).or_default();
    sum.retried += it.retried;
    sum.ejected += it.ejected;
    sum.breaker_opened += it.breaker_opened;
    sum.short_cut += it.short_cut;
    sum.mirrored += it.mirrored;
    sum.breakers_open += it.breakers_open;
    sum.instances_out = sum.instances_out.max(it.instances_out);
}

fn edge(edges: &Edges, name: &str, new: impl FnOnce(usize) -> Edge) -> Arc<Edge> {
    let mut edges = edges.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(edge) = edges.get(name) {
        return Arc::clone(edge);
    }
    let name = if edges.len() < limits::EDGES_MAX { name } else { "(others)" };
    let known = edges.len();
    Arc::clone(edges.entry(name.into()).or_insert_with(|| Arc::new(new(known))))
}

/// An open connection; see [`Counters::connection`].
#[derive(Debug)]
pub struct Open(Arc<Counters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_closed.fetch_add(1, Relaxed);
        listen::gave_back();
    }
}

/// Counts of each bucket, over all workers.
struct Sums {
    all: Vec<u64>,
    by_caller: BTreeMap<String, Vec<u64>>,
}

/// The sum over all workers, with what only the process knows.
pub fn sum(workers: &[Arc<Counters>], events: &EventQueue) -> ProxyStats {
    let counts = events.counts();
    let mut sum = ProxyStats {
        inbound: BTreeMap::new(),
        events_offered: counts.offered,
        events_dropped: counts.dropped,
        events_delivered: counts.delivered,
        resident_bytes: process::resident_bytes(),
        cpu_us: process::cpu_us(),
        ..ProxyStats::default()
    };
    let mut added = Sums { all: vec![0; Histogram::BUCKETS], by_caller: BTreeMap::new() };
    for worker in workers {
        worker.add_to(&mut sum, &mut added);
    }
    sum.added = Histogram::from_counts(added.all);
    sum.added_by_caller =
        added.by_caller.into_iter().map(|(from, counts)| (from, Histogram::from_counts(counts))).collect();
    sum
}

/// Microseconds, for events.
pub(crate) fn as_us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds in 32 bits; longer than an hour is an hour and eleven minutes.
pub(crate) fn as_us32(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let workers: Vec<Arc<Counters>> = (0..2).map(|_| Arc::default()).collect();
        let callee = ServiceName::parse("ledger").unwrap();
        for worker in &workers {
            worker.inbound("web").count(Ended::Answered);
            worker.inbound("web").count(Ended::Denied(Denial::Expected));
            worker.outbound(&callee).count(Ended::Failed);
            worker.inbound("web").added(Duration::from_micros(100));
            worker.handshake_begun();
            worker.handshake_ended(Some(HandshakeFailure::Expired));
        }
        let open = workers[0].connection();
        drop(workers[1].connection());
        let sum = sum(&workers, &EventQueue::new(callee.clone(), 1));
        assert_eq!(sum.inbound["web"], EdgeStats { calls: 4, denied: 2, expected: 2, ..EdgeStats::default() });
        assert_eq!(sum.outbound[&callee], EdgeStats { calls: 2, failed: 2, ..EdgeStats::default() });
        assert_eq!((sum.handshakes_attempted, sum.handshakes_failed[&HandshakeFailure::Expired]), (2, 2));
        assert_eq!((sum.connections_open, sum.added.count()), (1, 2));
        assert!(sum.added.quantile(0.5).is_some_and(|us| (100..=113).contains(&us)));
        assert_eq!((&sum.added_by_caller["web"], sum.added_by_caller.len()), (&sum.added, 1));
        drop(open);
    }

    #[test]
    fn so_many_callers_have_a_time_of_their_own_and_the_rest_one_together() {
        let workers = [Arc::new(Counters::default()), Arc::new(Counters::default())];
        for caller in 0..limits::EDGES_TIMED_MAX + 10 {
            for worker in &workers {
                worker.inbound(&format!("s{caller}")).added(Duration::from_micros(7));
            }
        }
        let sum = sum(&workers, &EventQueue::new(ServiceName::parse("ledger").unwrap(), 1));
        assert_eq!(sum.added_by_caller.len(), limits::EDGES_TIMED_MAX);
        assert!(sum.added_by_caller.values().all(|it| it.count() == 2), "{:?}", sum.added_by_caller);
        assert_eq!(sum.added.count() as usize, 2 * (limits::EDGES_TIMED_MAX + 10), "nobody's time is lost");
    }
}
