//! What is kept in memory of a whole partition, so that most searches leave most partitions aside without a look at their blocks.

use crate::bloom::Bloom;
use crate::event::StoredEvent;
use crate::limits::PARTITION_REQUEST_BITS;
use crate::sorts::Sorts;
use crate::summary::{Asked, Summary, hashed};
use bartizan_core::Timestamp;

/// What lies in a partition.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Events in it, a count.
    pub(crate) events: u64,
    /// When the first and the last of them happened; `None` where there are none.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// The requests of a packed partition; `None`: there may be any.
    pub(crate) requests: Option<Bloom>,
    /// What of each sort lies in it; `None` where that was not told yet.
    pub(crate) sorts: Option<Sorts>,
}

impl Outline {
    /// Of these blocks, whose requests and sorts are those.
    pub(crate) fn of(blocks: &[Summary], requests: Option<Bloom>, sorts: Option<Sorts>) -> Self {
        let mut it = Self::default();
        blocks.iter().for_each(|block| it.add(block));
        (it.requests, it.sorts) = (requests, sorts);
        it
    }

    /// One more block. Its requests and sorts are not known here.
    pub(crate) fn add(&mut self, block: &Summary) {
        self.events += u64::from(block.events);
        let (first, last) = self.span.unwrap_or((block.first_at, block.last_at));
        self.span = Some((first.min(block.first_at), last.max(block.last_at)));
        self.requests = None;
    }

    /// Whether there may be an event in it that `asked` wants.
    pub(crate) fn may_hold(&self, asked: &Asked) -> bool {
        let Some((first, last)) = self.span else { return false };
        let may_be_of_it = |request| self.requests.as_ref().is_none_or(|requests| requests.may_hold(request));
        asked.reaches(first, last) && asked.request.is_none_or(may_be_of_it)
    }
}

/// The requests of these events.
pub(crate) fn requests(events: &[StoredEvent]) -> Bloom {
    Bloom::of(events.iter().filter_map(|event| event.request).map(hashed).collect(), PARTITION_REQUEST_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{self, Header};
    use crate::event::Filter;
    use crate::tests::event;

    fn block(events: &[StoredEvent]) -> Summary {
        Summary::of(0, Header::read(&block::encode(events, false).unwrap()).unwrap(), events)
    }

    #[test]
    fn time_and_request_leave_partitions_out() {
        let (first, second): (Vec<_>, Vec<_>) = ((10..20).map(event).collect(), (30..40).map(event).collect());
        let blocks = [block(&second), block(&first)];
        let all = [first.as_slice(), &second].concat();
        let it = Outline::of(&blocks, Some(requests(&all)), None);
        let at = |n: u64| Some(Timestamp::from_millis(n * 7));
        assert_eq!((it.events, it.span), (20, at(10).zip(at(39))));
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { since: at(40), ..Filter::default() }, false),
            (Filter { since: at(39), ..Filter::default() }, true),
            (Filter { until: at(10), ..Filter::default() }, false),
            (Filter { until: at(11), ..Filter::default() }, true),
            (Filter { from: Some(event(9).cursor()), ..Filter::default() }, false),
            (Filter::of_request(event(12).request.unwrap(), 1), true),
            (Filter::of_request(event(38).request.unwrap(), 1), true),
            (Filter::of_request(event(50).request.unwrap(), 1), false),
        ] {
            assert_eq!(it.may_hold(&Asked::of(&filter)), expected, "{filter:?}");
        }
        assert!(!Outline::default().may_hold(&Asked::of(&Filter::default())), "nothing lies in it");
    }

    #[test]
    fn where_its_requests_are_not_known_there_may_be_any() {
        let events: Vec<_> = (10..20).map(event).collect();
        let asked = Asked::of(&Filter::of_request(event(50).request.unwrap(), 1));
        assert!(Outline::of(&[block(&events)], None, None).may_hold(&asked));
        let mut grown = Outline::of(&[block(&events)], Some(requests(&events)), None);
        assert!(!grown.may_hold(&asked));
        grown.add(&block(&[event(50)]));
        assert!(grown.may_hold(&asked), "a block came whose requests it was not told");
    }
}
