//! Events on their way to control: a bounded queue that never makes a request wait.
//!
//! Fails open on purpose: a full queue drops the event, not the request, and counts the loss.

use bartizan_core::event::{Event, EventId, SeenBy, What};
use bartizan_core::limits::{EVENT_BATCH_MAX, EVENT_QUEUE_MAX};
use bartizan_core::{RequestId, ServiceName};
use bartizan_runtime::clock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The queue between the threads that serve and the one that speaks to control.
#[derive(Debug)]
pub struct EventQueue {
    service: ServiceName,
    /// First half of every id; random per process.
    instance: u64,
    waiting: Mutex<VecDeque<Event>>,
    numbered: AtomicU64,
    offered: AtomicU64,
    dropped: AtomicU64,
    delivered: AtomicU64,
    /// Told once a whole batch waits. Single events are fetched by the clock: waking a thread for each costs more
    /// than the event.
    full_batch: Notify,
}

/// What went in and what became of it. `offered = delivered + dropped + waiting or unconfirmed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events offered.
    pub offered: u64,
    /// Events dropped because the queue was full.
    pub dropped: u64,
    /// Events that control confirmed.
    pub delivered: u64,
}

impl EventQueue {
    /// A queue for the proxy of `service`, in the process whose random number is `instance`.
    pub fn new(service: ServiceName, instance: u64) -> Self {
        Self {
            service,
            instance,
            waiting: Mutex::default(),
            numbered: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            full_batch: Notify::new(),
        }
    }

    /// Queues an event, or counts it as dropped. Never waits.
    pub fn offer(&self, seen_by: SeenBy, request: Option<RequestId>, what: What) {
        self.offered.fetch_add(1, Relaxed);
        let id = EventId(self.instance, self.numbered.fetch_add(1, Relaxed));
        let event = Event { id, at: clock::now(), service: Some(self.service.clone()), seen_by, request, what };
        let mut waiting = self.lock();
        if waiting.len() >= EVENT_QUEUE_MAX {
            drop(waiting);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        waiting.push_back(event);
        let batch_is_full = waiting.len() == EVENT_BATCH_MAX;
        drop(waiting);
        if batch_is_full {
            self.full_batch.notify_one();
        }
    }

    /// Takes the oldest events, at most a batch.
    pub fn take(&self) -> Vec<Event> {
        let mut waiting = self.lock();
        let n = waiting.len().min(EVENT_BATCH_MAX);
        let batch = waiting.drain(..n).collect();
        if waiting.is_empty() && waiting.capacity() > EVENT_BATCH_MAX * 2 {
            waiting.shrink_to(EVENT_BATCH_MAX); // a burst is over; an idle sidecar stays small
        }
        batch
    }

    /// Ends once a whole batch waits. Cancel safe.
    pub async fn full_batch(&self) {
        self.full_batch.notified().await;
    }

    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// `count` events were confirmed by control.
    pub fn delivered(&self, count: u64) {
        self.delivered.fetch_add(count, Relaxed);
    }

    /// `count` events taken from the queue were given up.
    pub fn lost(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
    }

    /// The counters so far.
    pub fn counts(&self) -> EventCounts {
        EventCounts {
            offered: self.offered.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        // Pushes and drains leave a whole queue behind even where a thread panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::event::Loss;

    fn offer(queue: &EventQueue, n: u64) {
        for i in 0..n {
            let what = What::Loss(Loss { arrow: "x".into(), offered: i, delivered: 0, dropped: 0 });
            queue.offer(SeenBy::Inbound, None, what);
        }
    }

    #[test]
    fn a_full_queue_drops_the_new_and_counts_it() {
        let queue = EventQueue::new(ServiceName::parse("a").unwrap(), 7);
        offer(&queue, EVENT_QUEUE_MAX as u64 + 3);
        assert_eq!(queue.counts(), EventCounts { offered: EVENT_QUEUE_MAX as u64 + 3, dropped: 3, delivered: 0 });
        let first = queue.take();
        assert_eq!((first.len(), first[0].id), (EVENT_BATCH_MAX, EventId(7, 0)));
        offer(&queue, 1);
        assert_eq!(queue.counts().dropped, 3, "there is room again");
    }

    #[tokio::test]
    async fn tells_when_a_batch_is_full() {
        let queue = EventQueue::new(ServiceName::parse("a").unwrap(), 7);
        offer(&queue, EVENT_BATCH_MAX as u64);
        queue.full_batch().await;
    }
}
