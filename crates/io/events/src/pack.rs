//! Packs a closed partition: its small batches become blocks of many events in the order in which they happened, compressed, with
//! what makes a search by text fast.

use crate::block;
use crate::event::StoredEvent;
use crate::limits::PACKED_EVENTS;
use crate::outline;
use crate::segment::Segment;
use std::fs::File;
use std::io;
use std::path::Path;

/// The packed form of a partition, on disk; `None` where a part of it cannot be read: a damaged one stays as it is for people to look
/// at.
pub(crate) fn pack(dir: &Path, segment: &Segment) -> io::Result<Option<Segment>> {
    let file = File::open(&segment.path)?;
    let mut events = Vec::new();
    for block in &segment.blocks {
        let Some(of_block) = segment.read(&file, block)? else { return Ok(None) };
        events.extend(of_block);
    }
    of_events(dir, segment.number, events).map(Some)
}

/// A packed partition of these events.
pub(crate) fn of_events(dir: &Path, number: u64, mut events: Vec<StoredEvent>) -> io::Result<Segment> {
    events.sort_by_key(StoredEvent::cursor);
    let (mut packed, file) = Segment::begin_packed(dir, number)?;
    match fill(&mut packed, &file, &events) {
        Ok(()) => Ok(packed),
        Err(error) => {
            // What it was to be packed from is still there. On a full disk, what was written so far would be in everybody's way.
            let _ = std::fs::remove_file(&packed.path);
            Err(error)
        }
    }
}

fn fill(packed: &mut Segment, file: &File, events: &[StoredEvent]) -> io::Result<()> {
    for part in events.chunks(PACKED_EVENTS) {
        add(packed, file, part)?;
    }
    packed.outline.requests = Some(outline::requests(events));
    packed.finish(file)
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
