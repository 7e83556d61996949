//! Reads the events that fit, from the newest or from the oldest on.

use crate::block::{Header, Part};
use crate::event::{Cursor, Filter, Order, Page, StoredEvent};
use crate::keys::{Keys, Rank};
use crate::limits::{QUERY_BYTES_MAX, QUERY_EVENTS_MAX};
use crate::segment::{Segment, read_exact};
use crate::summary::{Asked, Summary};
use crate::text::Needle;
use bartizan_core::Timestamp;
use bartizan_core::event::EventId;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A block in which there may be something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    offset: u64,
    header: Header,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl Candidate {
    /// Those of `blocks` in which there may be something.
    pub(crate) fn of(blocks: &[Summary], asked: &Asked) -> Vec<Self> {
        blocks.iter().filter(|block| block.may_hold(asked)).map(Self::from).collect()
    }
}

impl From<&Summary> for Candidate {
    fn from(block: &Summary) -> Self {
        Self { offset: block.offset, header: block.header, first_at: block.first_at, last_at: block.last_at }
    }
}

/// What is searched: closed partitions, and what was in the open one when the search began.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) closed: Vec<Arc<Segment>>,
    pub(crate) open: Option<(Arc<File>, Vec<Candidate>)>,
}

/// Which file a block is in: the open one, or one of the closed ones.
type Place = Option<usize>;

/// An event that fits, by its rank.
struct Found(Rank, StoredEvent);

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Found {}
impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Found {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// The events that fit, at most [`Filter::limit`]. What is damaged, or was taken away meanwhile, is left out and logged.
pub(crate) fn page(sources: &Sources, filter: &Filter) -> io::Result<Page> {
    search(sources, filter, QUERY_BYTES_MAX)
}

fn search(sources: &Sources, filter: &Filter, bytes_max: u64) -> io::Result<Page> {
    let limit = filter.limit.unwrap_or(QUERY_EVENTS_MAX).min(QUERY_EVENTS_MAX) as usize;
    let needles = filter.needles();
    let mut line = Line::new(sources, filter);
    let mut files = Files { sources, open: HashMap::new() };
    let mut best: BinaryHeap<Reverse<Found>> = BinaryHeap::new();
    let mut bytes = 0;
    let (mut cut, mut first) = (None, None);
    while let Some((rank, place, block)) = line.next() {
        let above = best.peek().filter(|_| best.len() >= limit).map(|Reverse(worst)| worst.0);
        if limit == 0 || above.is_some_and(|worst| rank < worst.0) {
            break;
        }
        if bytes >= bytes_max && rank != *first.get_or_insert(rank) {
            cut = Some(rank);
            break;
        }
        let Some(file) = files.get(place)? else { continue };
        match read(&file, &block, filter, &needles, above, limit)? {
            Some((found, looked_at)) => {
                bytes += looked_at;
                for found in found {
                    best.push(Reverse(found));
                    if best.len() > limit {
                        best.pop();
                    }
                }
            }
            None => {
                let file =
                    place.map_or_else(|| "the open one".into(), |n| sources.closed[n].path.display().to_string());
                tracing::error!(file, offset = block.offset, "a block of events is damaged and left out");
            }
        }
    }
    let found = best.into_iter().map(|Reverse(found)| found).collect();
    Ok(finish(found, filter.order, limit, cut))
}

/// `cut`: the best rank that was not looked at any more.
fn finish(mut found: Vec<Found>, order: Order, limit: usize, cut: Option<u64>) -> Page {
    if let Some(cut) = cut {
        found.retain(|it| it.0.0 > cut);
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    let last = found.last().map(|it| it.1.cursor());
    let next = match cut {
        Some(cut) => Some(before(order, cut)),
        None => last.filter(|_| found.len() >= limit),
    };
    let mut events: Vec<StoredEvent> = found.into_iter().map(|it| it.1).collect();
    if order == Order::Newest {
        events.reverse();
    }
    Page { events, next }
}

/// The cursor behind which all events of this rank, and none above, come.
fn before(order: Order, rank: u64) -> Cursor {
    match order {
        Order::Newest => Cursor { at: Timestamp::from_millis(rank.saturating_add(1)), id: EventId(0, 0) },
        Order::Oldest => {
            Cursor { at: Timestamp::from_millis((!rank).saturating_sub(1)), id: EventId(u64::MAX, u64::MAX) }
        }
    }
}

/// What is still to be looked at, the best first: by the best rank in time that an event in it can have. The blocks of a partition join it
/// when one of them may be the next: a search that soon has enough looks at few of them.
struct Line<'a> {
    sources: &'a Sources,
    asked: Asked,
    order: Order,
    /// The best rank that the cursor leaves.
    best: u64,
    waiting: BinaryHeap<Waiting>,
}

/// Fields in this order: at the same rank a partition comes before blocks, since one of its own may have to be before them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    rank: u64,
    is_partition: bool,
    is_open: bool,
    place: Place,
    /// Which of the blocks there.
    block: usize,
}

impl<'a> Line<'a> {
    fn new(sources: &'a Sources, filter: &Filter) -> Self {
        // Nothing of a block that reaches beyond the cursor is better than the cursor: else a page might end where it began.
        let best = filter.from.map_or(u64::MAX, |from| match filter.order.rank(from.at, from.id) {
            (at, 0, 0) => at.saturating_sub(1),
            (at, ..) => at,
        });
        let waiting = BinaryHeap::new();
        let mut it = Self { sources, asked: Asked::of(filter), order: filter.order, best, waiting };
        for (n, segment) in sources.closed.iter().enumerate() {
            if let Some((first, last)) = segment.outline.span.filter(|_| segment.outline.may_hold(&it.asked)) {
                it.put(it.rank(first, last), true, Some(n), 0);
            }
        }
        for (n, block) in sources.open.iter().flat_map(|(_, blocks)| blocks).enumerate() {
            it.put(it.rank(block.first_at, block.last_at), false, None, n);
        }
        it
    }

    fn next(&mut self) -> Option<(u64, Place, Candidate)> {
        loop {
            let Waiting { rank, is_partition, place, block, .. } = self.waiting.pop()?;
            match place {
                None => return Some((rank, None, *self.sources.open.as_ref()?.1.get(block)?)),
                Some(n) if is_partition => self.open_up(n),
                Some(n) => return Some((rank, place, self.sources.closed[n].blocks.get(block)?.into())),
            }
        }
    }

    fn open_up(&mut self, n: usize) {
        let sources = self.sources;
        for (at, block) in sources.closed[n].blocks.iter().enumerate() {
            if block.may_hold(&self.asked) {
                self.put(self.rank(block.first_at, block.last_at), false, Some(n), at);
            }
        }
    }

    fn put(&mut self, rank: u64, is_partition: bool, place: Place, block: usize) {
        self.waiting.push(Waiting { rank, is_partition, is_open: place.is_none(), place, block });
    }

    /// The best of what happened between these moments.
    fn rank(&self, first: Timestamp, last: Timestamp) -> u64 {
        let rank = match self.order {
            Order::Newest => last.as_millis(),
            Order::Oldest => !first.as_millis(),
        };
        rank.min(self.best)
    }
}

/// Files that this search has open.
struct Files<'a> {
    sources: &'a Sources,
    open: HashMap<usize, Option<Arc<File>>>,
}

impl Files<'_> {
    /// `None` where somebody took it away: whoever needs room may do so.
    fn get(&mut self, place: Place) -> io::Result<Option<Arc<File>>> {
        let Some(n) = place else { return Ok(self.sources.open.as_ref().map(|(file, _)| Arc::clone(file))) };
        if let Some(file) = self.open.get(&n) {
            return Ok(file.clone());
        }
        let file = match File::open(&self.sources.closed[n].path) {
            Ok(file) => Some(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.open.insert(n, file.clone());
        Ok(file)
    }
}

/// The best `limit` events of a block that fit and are above `above`, and how many bytes that took to look at; `None` where it is not
/// what was written.
fn read(
    file: &File,
    block: &Candidate,
    filter: &Filter,
    needles: &[Needle],
    above: Option<Rank>,
    limit: usize,
) -> io::Result<Option<(Vec<Found>, u64)>> {
    let header = &block.header;
    let (keys_bytes, records_bytes) = header.unpacked();
    let part = |part: Part| part_of(file, block.offset, part);
    if !needles.is_empty() {
        let Some(bits) = part(header.texts_part())? else { return Ok(None) };
        if !header.fits_texts(&bits) {
            return Ok(None);
        }
        if !needles.iter().all(|needle| needle.may_be_in(&bits)) {
            return Ok(Some((Vec::new(), bits.len() as u64)));
        }
    }
    let Some(packed) = part(header.keys_part())? else { return Ok(None) };
    let Some(keys) = header.keys(&packed) else { return Ok(None) };
    let Some(keys) = Keys::read(&keys, usize::try_from(records_bytes).unwrap_or(usize::MAX)) else { return Ok(None) };
    let mut fitting = keys.fitting(filter, above);
    let rank = |n: usize| filter.order.rank(keys.at(n), keys.id(n));
    if needles.is_empty() && fitting.len() > limit {
        fitting.sort_unstable_by_key(|n| Reverse(rank(*n)));
        fitting.truncate(limit);
    }
    if fitting.is_empty() {
        return Ok(Some((Vec::new(), keys_bytes)));
    }
    let Some(packed) = part(header.records_part())? else { return Ok(None) };
    let Some(records) = header.records(&packed) else { return Ok(None) };
    for needle in needles {
        let ranges: Vec<_> = fitting.iter().map(|n| keys.record(*n)).collect();
        fitting = needle.among(&records, &ranges).map(|n| fitting[n]).collect();
    }
    fitting.retain(|n| records.get(keys.record(*n)).is_some_and(|record| filter.fits_software(record)));
    let found: Option<Vec<Found>> =
        fitting.into_iter().map(|n| Some(Found(rank(n), keys.event(n, &records)?))).collect();
    Ok(found.map(|found| (found, keys_bytes + records_bytes)))
}

/// A part of the block at byte `at`; `None` where the file ends before.
fn part_of(file: &File, at: u64, (from, length): Part) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length as usize];
    Ok(read_exact(file, &mut bytes, at + from)?.then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;
    use crate::tests::event;
    use proptest::prelude::*;

    /// All events that fit, page by page, with little to look at for each page; every page has to go on.
    fn all(sources: &Sources, filter: &Filter, bytes_max: u64) -> Vec<Cursor> {
        let (mut filter, mut found) = (filter.clone(), Vec::new());
        for _ in 0..2_000 {
            let page = search(sources, &filter, bytes_max).unwrap();
            let mut events: Vec<_> = page.events.iter().map(StoredEvent::cursor).collect();
            assert!(events.is_sorted(), "{events:?}");
            if filter.order == Order::Newest {
                events.reverse();
            }
            found.extend(events);
            match page.next {
                Some(next) => filter.from = Some(next),
                None => return found,
            }
        }
        panic!("a query without end: {filter:?}")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
        #[test]
        fn pages_together_are_what_fits_each_once(
            limit in 1u32..9, oldest: bool, bytes_max in 0u64..40_000, text in proptest::option::of(0u64..90), shift in 0u64..3,
            request in proptest::option::of(0u64..50),
        ) {
            let dir = tempfile::tempdir().unwrap();
            // Partitions that overlap in time, with many events of the same moment.
            let event = |n: u64| StoredEvent { at: Timestamp::from_millis(n / 4 * shift), ..event(n) };
            let segments = (0..4u64).map(|k| {
                let events = (0..90).filter(|n| n % 4 == k).map(event).collect();
                Arc::new(pack::of_events(dir.path(), k + 1, events).unwrap())
            });
            let sources = Sources { closed: segments.collect(), open: None };
            let order = if oldest { Order::Oldest } else { Order::Newest };
            let text = text.map(|n| format!("Record {n}"));
            let request = request.and_then(|n| crate::tests::event(n * 2).request);
            let filter = Filter { limit: Some(limit), order, text, request, ..Filter::default() };
            let mut expected: Vec<Cursor> = (0..90).map(event).filter(|it| filter.fits(it)).map(|it| it.cursor()).collect();
            expected.sort_by_key(|it| Reverse(order.rank(it.at, it.id)));
            prop_assert_eq!(all(&sources, &filter, bytes_max), expected);
        }
    }
}
