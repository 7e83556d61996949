//! Files of the layout before this one (`BZEVENT1`), which are taken over when a store is opened.
//!
//! Their blocks: `"BZEB"`, length of keys, length of records, u32 each, checksum of keys, checksum of records, 8 each, keys, records. Keys:
//! names, u16, each a length, u8, and bytes; then 47 bytes for each event, of which the end of its record are the last four. What an
//! event is found by is read from its record, which has all of it.

use crate::block::{checksum, take};
use crate::event::StoredEvent;
use crate::record;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const MAGIC: &[u8; 8] = b"BZEVENT1";
const BLOCK: &[u8; 4] = b"BZEB";
const KEY_BYTES: usize = 47;

/// Whether a file is of that layout.
pub(crate) fn is_one(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *MAGIC
}

/// The events of such a file, and how many could not be read.
pub(crate) fn read(path: &Path) -> io::Result<(Vec<StoredEvent>, u64)> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.strip_prefix(MAGIC).map(events).unwrap_or_default())
}

/// What is damaged is stepped over.
pub(crate) fn events(mut rest: &[u8]) -> (Vec<StoredEvent>, u64) {
    let (mut found, mut lost) = (Vec::new(), 0);
    while let Some(at) = memchr::memmem::find(rest, BLOCK) {
        rest = &rest[at + BLOCK.len()..];
        let mut after = rest;
        let Some(records) = records(&mut after) else { continue };
        rest = after;
        for bytes in records {
            match record::read_bytes(bytes) {
                Some(record) => found.push(StoredEvent::of(&record.event, bytes.to_vec())),
                None => lost += 1,
            }
        }
    }
    (found, lost)
}

/// The records of one block behind its first four bytes; `None` where it is not whole.
fn records<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let mut after = *rest;
    let (keys, records) = (u32::from_le_bytes(take(&mut after)?), u32::from_le_bytes(take(&mut after)?));
    let (keys_sum, records_sum): ([u8; 8], [u8; 8]) = (take(&mut after)?, take(&mut after)?);
    let (keys, after) = after.split_at_checked(keys as usize)?;
    let (records, after) = after.split_at_checked(records as usize)?;
    if checksum(keys) != keys_sum || checksum(records) != records_sum {
        return None;
    }
    let mut entries = keys;
    for _ in 0..u16::from_le_bytes(take(&mut entries)?) {
        let [length] = take(&mut entries)?;
        entries = entries.get(usize::from(length)..)?;
    }
    let mut begin = 0;
    let of_events = entries.chunks_exact(KEY_BYTES).map(|key| {
        let end = u32::from_le_bytes(*key.last_chunk()?) as usize;
        let record = records.get(begin..end)?;
        begin = end;
        Some(record)
    });
    let found = of_events.collect::<Option<Vec<_>>>()?;
    *rest = after;
    Some(found)
}
