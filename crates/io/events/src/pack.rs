//! Packs a closed partition: its small batches become blocks of many events in the order in which they happened, compressed, with
//! what makes a search by text fast. And writes one anew without what is to go of it.

use crate::block;
use crate::event::StoredEvent;
use crate::limits::PACKED_EVENTS;
use crate::outline;
use crate::segment::Segment;
use crate::sorts::{EachSort, Sorts};
use std::fs::File;
use std::io;
use std::path::Path;

/// The packed form of a partition, on disk; `None` where a part of it cannot be read: a damaged one stays as it is for people to look
/// at.
pub(crate) fn pack(dir: &Path, segment: &Segment) -> io::Result<Option<Segment>> {
    read(segment)?.map(|events| of_events(dir, segment.number, events)).transpose()
}

/// What becomes of a partition of which some is to go.
#[derive(Debug)]
pub(crate) enum Thinned {
    /// A part of it cannot be read; it stays as it is.
    Damaged,
    /// Nothing of it is to go.
    AsItWas,
    /// All of it is.
    Empty,
    /// What stays, on disk beside it, and how much of each sort does not.
    Less(Box<Segment>, EachSort),
}

/// A partition without what `goes`.
pub(crate) fn thin(dir: &Path, segment: &Segment, goes: impl Fn(&StoredEvent) -> bool) -> io::Result<Thinned> {
    let Some(mut events) = read(segment)? else { return Ok(Thinned::Damaged) };
    let (before, mut gone) = (events.len(), EachSort::default());
    events.retain(|event| {
        let goes = goes(event);
        gone[event.sort() as usize] += u64::from(goes);
        !goes
    });
    Ok(match events.len() {
        left if left == before => Thinned::AsItWas,
        0 => Thinned::Empty,
        _ => Thinned::Less(Box::new(written(dir, segment.number, segment.edition() + 1, events)?), gone),
    })
}

/// What of each sort lies in a packed partition, where its index does not say; blocks that cannot be read are left out.
pub(crate) fn sorts(segment: &Segment) -> io::Result<Sorts> {
    let file = File::open(&segment.path)?;
    let mut sorts = Sorts::default();
    for block in &segment.blocks {
        segment.read(&file, block)?.iter().for_each(|events| sorts.add(events));
    }
    Ok(sorts)
}

fn read(segment: &Segment) -> io::Result<Option<Vec<StoredEvent>>> {
    let file = File::open(&segment.path)?;
    let mut events = Vec::new();
    for block in &segment.blocks {
        let Some(of_block) = segment.read(&file, block)? else { return Ok(None) };
        events.extend(of_block);
    }
    Ok(Some(events))
}

/// A packed partition of these events.
pub(crate) fn of_events(dir: &Path, number: u64, events: Vec<StoredEvent>) -> io::Result<Segment> {
    written(dir, number, 1, events)
}

fn written(dir: &Path, number: u64, edition: u32, mut events: Vec<StoredEvent>) -> io::Result<Segment> {
    events.sort_by_key(StoredEvent::cursor);
    let (mut packed, file) = Segment::begin_packed(dir, number)?;
    match fill(&mut packed, &file, edition, &events) {
        Ok(()) => Ok(packed),
        Err(error) => {
            // What it was to be packed from is still there. On a full disk, what was written so far would be in everybody's way.
            let _ = std::fs::remove_file(&packed.path);
            Err(error)
        }
    }
}

fn fill(packed: &mut Segment, file: &File, edition: u32, events: &[StoredEvent]) -> io::Result<()> {
    for part in events.chunks(PACKED_EVENTS) {
        add(packed, file, part)?;
    }
    packed.outline.requests = Some(outline::requests(events));
    packed.finish(file, edition)
}

/// Events that are too long for one block become two.
fn add(packed: &mut Segment, file: &File, part: &[StoredEvent]) -> io::Result<()> {
    match block::encode(part, true) {
        Some(block) => packed.add(file, part, &block),
        None if part.len() < 2 => Err(io::Error::other("an event is too long to be packed")),
        None => {
            let (first, second) = part.split_at(part.len() / 2);
            add(packed, file, first)?;
            add(packed, file, second)
        }
    }
}
