//! Reads the newest events that fit.

use super::block::{self, HEADER_BYTES, Header, Key};
use crate::event::{Filter, StoredEvent};
use crate::limits::QUERY_EVENTS_MAX;
use bartizan_core::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A block in which there may be something.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Number of its file.
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) last_at: Timestamp,
}

/// An event that fits. Ordered by when it happened, then by when it was stored.
struct Found {
    order: (Timestamp, u64, u64, usize),
    event: StoredEvent,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
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
        self.order.cmp(&other.order)
    }
}

/// The newest events of `blocks` that fit, in the order in which they happened. What is damaged, or was taken away
/// meanwhile, is left out and logged.
pub(crate) fn newest(
    mut blocks: Vec<Candidate>,
    files: &HashMap<u64, PathBuf>,
    filter: &Filter,
) -> io::Result<Vec<StoredEvent>> {
    let limit = filter.limit.unwrap_or(QUERY_EVENTS_MAX).min(QUERY_EVENTS_MAX) as usize;
    blocks.sort_unstable_by_key(|block| Reverse((block.last_at, block.segment, block.offset)));
    let mut open = HashMap::new();
    let mut newest: BinaryHeap<Reverse<Found>> = BinaryHeap::new();
    for block in blocks {
        let oldest_wanted = newest.peek().filter(|_| newest.len() >= limit).map(|Reverse(oldest)| oldest.order);
        if limit == 0 || oldest_wanted.is_some_and(|oldest| block.last_at < oldest.0) {
            break;
        }
        let Some(path) = files.get(&block.segment) else { continue };
        let file = match open.entry(block.segment) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(opened(path)?),
        };
        let Some(file) = file else { continue };
        let Some(found) = read(file, &block, filter, oldest_wanted)? else {
            tracing::error!(file = %path.display(), offset = block.offset, "a block of events is damaged and left out");
            continue;
        };
        for event in found {
            newest.push(Reverse(event));
            if newest.len() > limit {
                newest.pop();
            }
        }
    }
    let mut newest: Vec<Found> = newest.into_iter().map(|Reverse(found)| found).collect();
    newest.sort_unstable();
    Ok(newest.into_iter().map(|found| found.event).collect())
}

/// `None` where it was taken away: whoever needs room may do so.
fn opened(path: &PathBuf) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The events of a block that fit and are newer than `than`; `None` where it is not what was written.
fn read(
    file: &File,
    block: &Candidate,
    filter: &Filter,
    than: Option<(Timestamp, u64, u64, usize)>,
) -> io::Result<Option<Vec<Found>>> {
    let Candidate { segment, offset, header, .. } = block;
    let Some(keys) = part(file, offset + HEADER_BYTES as u64, header.keys)? else { return Ok(None) };
    let Some(keys) = block::keys(header, &keys) else { return Ok(None) };
    let order = |number: usize, key: &Key| (key.at, *segment, *offset, number);
    let fitting: Vec<(usize, Key)> = keys
        .into_iter()
        .enumerate()
        .filter(|(number, key)| fits(key, filter) && than.is_none_or(|than| order(*number, key) > than))
        .collect();
    if fitting.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let Some(records) = part(file, offset + HEADER_BYTES as u64 + u64::from(header.keys), header.records)? else {
        return Ok(None);
    };
    if !header.fits_records(&records) {
        return Ok(None);
    }
    let found = fitting.into_iter().map(|(number, key)| {
        let order = order(number, &key);
        let Key { id, at, service, request, denied, record } = key;
        Found { order, event: StoredEvent { id, at, service, request, denied, record: records[record].to_vec() } }
    });
    Ok(Some(found.collect()))
}

fn fits(key: &Key, filter: &Filter) -> bool {
    filter.service.as_ref().is_none_or(|service| key.service.as_ref() == Some(service))
        && (!filter.denied || key.denied)
        && filter.since.is_none_or(|since| key.at >= since)
        && filter.until.is_none_or(|until| key.at < until)
        && filter.request.is_none_or(|request| key.request == Some(request))
}

/// `length` bytes from `at` on; `None` where the file ends before.
fn part(file: &File, at: u64, length: u32) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length as usize];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
