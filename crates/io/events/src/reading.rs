//! Readers that take events in the order in which they were stored, each from where it was: outputs. By time they would miss what comes
//! late.
//!
//! `received = read + missed + waiting` for each, at every moment.

use crate::segment::Segment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a reader has come: so many blocks of this partition, and all partitions before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    partition: u64,
    blocks: u64,
    /// Whether these are blocks of its packed form, which stand in another order.
    packed: bool,
    /// Of which edition; 0 where it is not packed, or nothing was said of it.
    #[serde(default)]
    edition: u32,
}

impl Place {
    /// So many blocks of this partition.
    fn within(segment: &Segment, blocks: u64) -> Self {
        Self { partition: segment.number, blocks, packed: segment.is_packed(), edition: segment.edition() }
    }

    fn is_of(&self, segment: &Segment) -> bool {
        // Before there were further editions, nobody wrote down which one it was.
        let edition = if self.packed { self.edition.max(1) } else { 0 };
        edition == segment.edition()
    }
}

/// What became of events for one reader since it was opened, counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Were there to be read, those that came a second time included.
    pub received: u64,
    /// Were read, and are done with.
    pub read: u64,
    /// Went, for age or room, or cannot be read any more, before this reader came to them.
    pub missed: u64,
    /// Of those read: came a second time, since their partition was packed before the reader was through.
    pub repeated: u64,
    /// Are still to be read.
    pub waiting: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Readers(BTreeMap<String, Reader>);

#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    place: Place,
    counts: Reading,
}

/// Which block comes next, and where its reader is then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) from: Place,
    pub(crate) partition: u64,
    pub(crate) block: usize,
    pub(crate) after: Place,
    pub(crate) events: u64,
}

impl Readers {
    /// Opens one at `place`, or behind everything. `line` are the partitions, the oldest first; `last` is the number of the last one there ever was.
    pub(crate) fn open(&mut self, name: &str, place: Option<Place>, line: &[&Segment], last: u64) {
        let mut place = place.unwrap_or_else(|| match line.last() {
            Some(newest) => Place::within(newest, newest.blocks.len() as u64),
            None => Place { partition: last + 1, ..Place::default() },
        });
        if place.partition > last + 1 {
            place = Place::default(); // of another store
        }
        if let Some(at) = line.iter().find(|it| it.number == place.partition) {
            // It was packed while nobody looked, or has lost its end with the power: from its beginning, or from what is its end now.
            let blocks = if place.is_of(at) { place.blocks.min(at.blocks.len() as u64) } else { 0 };
            place = Place::within(at, blocks);
        }
        let waiting = behind(place, line);
        self.0.insert(name.to_owned(), Reader { place, counts: Reading { received: waiting, ..Reading::default() } });
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.0.get(name).map(|it| it.place)
    }

    pub(crate) fn reading(&self, name: &str, line: &[&Segment]) -> Option<Reading> {
        self.0.get(name).map(|it| Reading { waiting: behind(it.place, line), ..it.counts })
    }

    /// The lowest number of a partition that somebody is still at.
    pub(crate) fn lowest(&self) -> Option<u64> {
        self.0.values().map(|it| it.place.partition).min()
    }

    /// Events were stored.
    pub(crate) fn came(&mut self, count: u64) {
        self.0.values_mut().for_each(|it| it.counts.received += count);
    }

    /// A partition goes.
    pub(crate) fn gone(&mut self, segment: &Segment) {
        for it in self.0.values_mut().filter(|it| it.place.partition <= segment.number) {
            // Who is at one before it goes on there: what is too old need not be what came first.
            if it.place.partition < segment.number {
                it.counts.missed += segment.events();
                continue;
            }
            it.counts.missed += events_from(segment, it.place.blocks);
            it.place = Place { partition: segment.number + 1, ..Place::default() };
        }
    }

    /// A partition has another form, in which there may be less: who was in the midst of it begins it anew.
    pub(crate) fn replaced(&mut self, segment: &Segment, by: &Segment) {
        for it in self.0.values_mut().filter(|it| it.place.partition <= segment.number) {
            if it.place.partition < segment.number {
                it.counts.missed += segment.events().saturating_sub(by.events());
                continue;
            }
            let left = events_from(segment, it.place.blocks);
            if left == 0 {
                it.place = Place { partition: segment.number + 1, ..Place::default() };
                continue;
            }
            let again = by.events().saturating_sub(left);
            it.counts.received += again;
            it.counts.repeated += again;
            it.counts.missed += left.saturating_sub(by.events());
            it.place = Place::within(by, 0);
        }
    }

    /// The next block for this reader; `None` where it has come to the end.
    pub(crate) fn next(&mut self, name: &str, line: &[&Segment]) -> Option<Step> {
        let it = self.0.get_mut(name)?;
        loop {
            let segment = line.iter().find(|segment| segment.number >= it.place.partition)?;
            if segment.number > it.place.partition {
                it.place = Place::within(segment, 0);
            }
            it.place = Place::within(segment, it.place.blocks);
            let block = usize::try_from(it.place.blocks).ok()?;
            if let Some(summary) = segment.blocks.get(block) {
                let after = Place { blocks: it.place.blocks + 1, ..it.place };
                let events = summary.events.into();
                return Some(Step { from: it.place, partition: segment.number, block, after, events });
            }
            // Its end, unless it still grows.
            let later = line.iter().find(|later| later.number > segment.number)?;
            it.place = Place::within(later, 0);
        }
    }

    /// This reader is done with a block. False where that has gone meanwhile, and counts as missed already.
    pub(crate) fn done(&mut self, name: &str, step: &Step, readable: bool) -> bool {
        let Some(it) = self.0.get_mut(name).filter(|it| it.place == step.from) else { return false };
        it.place = step.after;
        match readable {
            true => it.counts.read += step.events,
            false => it.counts.missed += step.events,
        }
        true
    }
}

fn behind(place: Place, line: &[&Segment]) -> u64 {
    let of = |segment: &&Segment| match segment.number.cmp(&place.partition) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => events_from(segment, place.blocks),
        std::cmp::Ordering::Greater => segment.events(),
    };
    line.iter().map(of).sum()
}

fn events_from(segment: &Segment, blocks: u64) -> u64 {
    let done = usize::try_from(blocks).unwrap_or(usize::MAX);
    segment.blocks.iter().skip(done).map(|block| u64::from(block.events)).sum()
}
