//! Events on the control stream: in numbered batches, kept until control confirms them, sent again on the next stream.

use crate::event_queue::EventQueue;
use crate::limits;
use bartizan_runtime::control_v1::Events;
use std::collections::VecDeque;

/// Batches taken from the queue and not confirmed yet.
#[derive(Debug, Default)]
pub struct Batches {
    unconfirmed: VecDeque<Batch>,
    numbered: u64,
}

#[derive(Debug)]
struct Batch {
    number: u64,
    records: Vec<Vec<u8>>,
    /// On the stream of this moment.
    sent: bool,
}

impl Batches {
    /// The next batch to send, the oldest first; `None` where nothing waits or enough is under way.
    pub fn next(&mut self, queue: &EventQueue) -> Option<Events> {
        if let Some(batch) = self.unconfirmed.iter_mut().find(|b| !b.sent) {
            batch.sent = true;
            return Some(Events { batch: batch.number, records: batch.records.clone() });
        }
        if self.unconfirmed.len() >= limits::UNCONFIRMED_BATCHES_MAX {
            return None;
        }
        let events = queue.take();
        if events.is_empty() {
            return None;
        }
        let records = events.iter().filter_map(|event| postcard::to_stdvec(event).ok());
        let records: Vec<_> = records.filter(|record| record.len() <= limits::RECORD_BYTES_MAX).collect();
        queue.lost((events.len() - records.len()) as u64);
        self.numbered += 1;
        self.unconfirmed.push_back(Batch { number: self.numbered, records: records.clone(), sent: true });
        Some(Events { batch: self.numbered, records })
    }

    /// Control has stored this batch, hence all before it too: they come in order on one stream.
    pub fn confirmed(&mut self, number: u64, queue: &EventQueue) {
        while let Some(batch) = self.unconfirmed.pop_front_if(|b| b.number <= number) {
            queue.delivered(batch.records.len() as u64);
        }
    }

    /// The stream is gone: whatever was not confirmed is sent again.
    pub fn stream_gone(&mut self) {
        for batch in &mut self.unconfirmed {
            batch.sent = false;
        }
    }

    /// True where nothing waits for a confirmation.
    pub fn is_empty(&self) -> bool {
        self.unconfirmed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;
    use bartizan_core::event::{Event, Loss, SeenBy, What};
    use bartizan_core::limits::EVENT_BATCH_MAX;

    fn queue_with(n: usize) -> EventQueue {
        let queue = EventQueue::new(ServiceName::parse("a").unwrap(), 1);
        for _ in 0..n {
            let what = What::Loss(Loss { arrow: "x".into(), offered: 0, delivered: 0, dropped: 0 });
            queue.offer(SeenBy::Inbound, None, what);
        }
        queue
    }

    #[test]
    fn unconfirmed_batches_are_sent_again_in_order_and_counted_once() {
        let queue = queue_with(EVENT_BATCH_MAX + 1);
        let mut batches = Batches::default();
        let first = batches.next(&queue).unwrap();
        let second = batches.next(&queue).unwrap();
        assert_eq!((first.batch, first.records.len(), second.batch, second.records.len()), (1, EVENT_BATCH_MAX, 2, 1));
        assert_eq!(batches.next(&queue), None);
        postcard::from_bytes::<Event>(&second.records[0]).unwrap();

        batches.confirmed(1, &queue);
        batches.stream_gone();
        assert_eq!(batches.next(&queue), Some(second));
        batches.confirmed(2, &queue);
        assert!(batches.is_empty());
        assert_eq!(queue.counts().delivered, EVENT_BATCH_MAX as u64 + 1);
    }

    #[test]
    fn only_so_many_are_under_way_and_the_rest_waits_in_the_queue() {
        let queue = queue_with(EVENT_BATCH_MAX * (limits::UNCONFIRMED_BATCHES_MAX + 1));
        let mut batches = Batches::default();
        for _ in 0..limits::UNCONFIRMED_BATCHES_MAX {
            batches.next(&queue).unwrap();
        }
        assert_eq!(batches.next(&queue), None);
        assert!(!queue.is_empty());
        batches.confirmed(1, &queue);
        assert!(batches.next(&queue).is_some());
    }
}
