//! What is counted while serving, per worker, so that no two threads write the same counter; summed once a second.

use crate::event_queue::EventQueue;
use crate::limits;
use bartizan_core::ServiceName;
use bartizan_core::event::{Ending, HandshakeFailure};
use bartizan_core::stats::{EdgeStats, Histogram, ProxyStats};
use bartizan_runtime::process;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counters of one edge in one worker.
#[derive(Debug, Default)]
pub struct Edge {
    calls: AtomicU64,
    denied: AtomicU64,
    failed: AtomicU64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The service answered, with whatever status.
    Answered,
    /// Policy said no.
    Denied,
    /// The proxy answered for another reason.
    Failed,
}

impl Edge {
    /// Counts one call.
    pub fn count(&self, ended: Ended) {
        self.calls.fetch_add(1, Relaxed);
        match ended {
            Ended::Answered => {}
            Ended::Denied => _ = self.denied.fetch_add(1, Relaxed),
            Ended::Failed => _ = self.failed.fetch_add(1, Relaxed),
        }
    }

    fn add_to(&self, sum: &mut EdgeStats) {
        sum.calls += self.calls.load(Relaxed);
        sum.denied += self.denied.load(Relaxed);
        sum.failed += self.failed.load(Relaxed);
    }
}

type Edges = Mutex<HashMap<Box<str>, Arc<Edge>>>;

/// Counters of one worker.
#[derive(Debug)]
pub struct Counters {
    inbound: Edges,
    outbound: Edges,
    added: Box<[AtomicU64]>,
    handshakes_attempted: AtomicU64,
    handshakes_completed: AtomicU64,
    handshakes_failed: [AtomicU64; HandshakeFailure::ALL.len()],
    refused: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    ended: [AtomicU64; Ending::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            inbound: Edges::default(),
            outbound: Edges::default(),
            added: (0..Histogram::BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            handshakes_attempted: AtomicU64::new(0),
            handshakes_completed: AtomicU64::new(0),
            handshakes_failed: std::array::from_fn(|_| AtomicU64::new(0)),
            refused: AtomicU64::new(0),
            connections_opened: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
            ended: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// The counters of calls from `caller`; keep them for the life of a connection.
    pub fn inbound(&self, caller: &str) -> Arc<Edge> {
        edge(&self.inbound, caller)
    }

    /// The counters of calls to `callee`.
    pub fn outbound(&self, callee: &ServiceName) -> Arc<Edge> {
        edge(&self.outbound, callee.as_str())
    }

    /// The proxy's own share of one request's time.
    pub fn added(&self, share: Duration) {
        self.added[Histogram::bucket(as_us(share))].fetch_add(1, Relaxed);
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

    fn add_to(&self, sum: &mut ProxyStats, added: &mut [u64]) {
        for (name, edge) in self.inbound.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            edge.add_to(sum.inbound.entry(name.to_string()).or_default());
        }
        for (name, edge) in self.outbound.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Names come from a directory; the shared one for those over the limit cannot be a service.
            if let Ok(name) = ServiceName::parse(name) {
                edge.add_to(sum.outbound.entry(name).or_default());
            }
        }
        for (sum, count) in added.iter_mut().zip(&self.added) {
            *sum += count.load(Relaxed);
        }
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
        let closed = self.connections_closed.load(Relaxed);
        sum.connections_open += self.connections_opened.load(Relaxed).saturating_sub(closed);
    }
}

fn edge(edges: &Edges, name: &str) -> Arc<Edge> {
    let mut edges = edges.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(edge) = edges.get(name) {
        return Arc::clone(edge);
    }
    let name = if edges.len() < limits::EDGES_MAX { name } else { "(others)" };
    Arc::clone(edges.entry(name.into()).or_default())
}

/// An open connection; see [`Counters::connection`].
#[derive(Debug)]
pub struct Open(Arc<Counters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_closed.fetch_add(1, Relaxed);
    }
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
    let mut added = vec![0; Histogram::BUCKETS];
    for worker in workers {
        worker.add_to(&mut sum, &mut added);
    }
    sum.added = Histogram::from_counts(added);
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
            worker.inbound("web").count(Ended::Denied);
            worker.outbound(&callee).count(Ended::Failed);
            worker.added(Duration::from_micros(100));
            worker.handshake_begun();
            worker.handshake_ended(Some(HandshakeFailure::Expired));
        }
        let open = workers[0].connection();
        drop(workers[1].connection());
        let sum = sum(&workers, &EventQueue::new(callee.clone(), 1));
        assert_eq!(sum.inbound["web"], EdgeStats { calls: 4, denied: 2, failed: 0 });
        assert_eq!(sum.outbound[&callee], EdgeStats { calls: 2, denied: 0, failed: 2 });
        assert_eq!((sum.handshakes_attempted, sum.handshakes_failed[&HandshakeFailure::Expired]), (2, 2));
        assert_eq!((sum.connections_open, sum.added.count()), (1, 2));
        assert!(sum.added.quantile(0.5).is_some_and(|us| (100..=113).contains(&us)));
        drop(open);
    }
}
