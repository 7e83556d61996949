//! One block of the log as it lies on disk: a batch of events, whole or not at all.
//!
//! ```text
//! "BZEB" | length of keys, u32 | length of records, u32 | checksum of keys, 8 | checksum of records, 8 | keys | records
//! keys:    names, u16 | each: length, u8, and bytes | then of each event: at, u64 | id, 2 x u64 | request, 16 | service, u16
//!          | flags, u8 | end of its record, u32
//! ```
//!
//! Numbers are little endian; a checksum is the first eight bytes of the SHA-256. What an event is found by stands apart
//! from its record, so that a search reads a fifth of the bytes.

use crate::event::StoredEvent;
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_NAMES_MAX};
use bartizan_core::event::EventId;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use bartizan_crypto::hash;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 4] = b"BZEB";
/// Length of the part before keys and records, in bytes.
pub const HEADER_BYTES: usize = 28;
/// Length of the key of one event, in bytes.
const KEY_BYTES: usize = 47;
const CHECKSUM: usize = 8;
/// In place of the number of a service: none.
const NO_SERVICE: u16 = u16::MAX;
const DENIED: u8 = 1;
const HAS_REQUEST: u8 = 2;

/// The first bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Length of the keys, in bytes.
    pub keys: u32,
    /// Length of the records, in bytes.
    pub records: u32,
    keys_sum: [u8; CHECKSUM],
    records_sum: [u8; CHECKSUM],
}

impl Header {
    /// The header at the beginning of `bytes`; `None` where none is, or a block longer than any that is written.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let it = Self {
            keys: u32::from_le_bytes(take(&mut rest)?),
            records: u32::from_le_bytes(take(&mut rest)?),
            keys_sum: take(&mut rest)?,
            records_sum: take(&mut rest)?,
        };
        (it.bytes() <= BLOCK_BYTES_MAX).then_some(it)
    }

    /// Length of the whole block, in bytes.
    pub fn bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.keys) + u64::from(self.records)
    }

    /// Whether these are the keys that were written.
    pub fn fits_keys(&self, keys: &[u8]) -> bool {
        checksum(keys) == self.keys_sum
    }

    /// Whether these are the records that were written.
    pub fn fits_records(&self, records: &[u8]) -> bool {
        checksum(records) == self.records_sum
    }
}

/// What one event is found by, and where its record lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// See [`StoredEvent::id`].
    pub id: EventId,
    /// See [`StoredEvent::at`].
    pub at: Timestamp,
    /// See [`StoredEvent::service`].
    pub service: Option<ServiceName>,
    /// See [`StoredEvent::request`].
    pub request: Option<RequestId>,
    /// See [`StoredEvent::denied`].
    pub denied: bool,
    /// Where its record begins and ends in the records of its block.
    pub record: std::ops::Range<usize>,
}

impl Key {
    /// That of an event which is just written; where its record lies is not known here.
    pub fn of(event: &StoredEvent) -> Self {
        let StoredEvent { id, at, service, request, denied, .. } = event;
        Self { id: *id, at: *at, service: service.clone(), request: *request, denied: *denied, record: 0..0 }
    }
}

/// The block of a batch; `None` where it would be longer than any that is read back, or of more services than there are.
pub fn encode(batch: &[StoredEvent]) -> Option<Vec<u8>> {
    let mut names: Vec<&ServiceName> = Vec::new();
    let mut entries = Vec::with_capacity(batch.len() * KEY_BYTES);
    let mut records_end = 0;
    for event in batch {
        let service = match &event.service {
            None => NO_SERVICE,
            Some(name) => u16::try_from(number(&mut names, name)).ok()?,
        };
        records_end += event.record.len();
        entries.extend_from_slice(&event.at.as_millis().to_le_bytes());
        entries.extend_from_slice(&event.id.0.to_le_bytes());
        entries.extend_from_slice(&event.id.1.to_le_bytes());
        entries.extend_from_slice(&event.request.map_or([0; 16], RequestId::bytes));
        entries.extend_from_slice(&service.to_le_bytes());
        let has_request = if event.request.is_some() { HAS_REQUEST } else { 0 };
        entries.push(if event.denied { DENIED | has_request } else { has_request });
        entries.extend_from_slice(&u32::try_from(records_end).ok()?.to_le_bytes());
    }
    if names.len() > BLOCK_NAMES_MAX {
        return None;
    }
    let mut block = vec![0; HEADER_BYTES];
    block.reserve(entries.len() + records_end + names.len() * 16);
    block.extend_from_slice(&u16::try_from(names.len()).ok()?.to_le_bytes());
    for name in names {
        block.push(u8::try_from(name.as_str().len()).ok()?);
        block.extend_from_slice(name.as_str().as_bytes());
    }
    block.extend_from_slice(&entries);
    let keys_end = block.len();
    batch.iter().for_each(|event| block.extend_from_slice(&event.record));
    let header = header(&block, keys_end)?;
    block[..HEADER_BYTES].copy_from_slice(&header);
    (block.len() as u64 <= BLOCK_BYTES_MAX).then_some(block)
}

fn header(block: &[u8], keys_end: usize) -> Option<[u8; HEADER_BYTES]> {
    let (keys, records) = (&block[HEADER_BYTES..keys_end], &block[keys_end..]);
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&u32::try_from(keys.len()).ok()?.to_le_bytes());
    header.extend_from_slice(&u32::try_from(records.len()).ok()?.to_le_bytes());
    header.extend_from_slice(&checksum(keys));
    header.extend_from_slice(&checksum(records));
    header.try_into().ok()
}

/// The number of `name` in the table of names; a batch has events of few services, most of the same as the one before.
fn number<'a>(names: &mut Vec<&'a ServiceName>, name: &'a ServiceName) -> usize {
    names.iter().rposition(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// The keys of a block; `None` where they are not what [`encode`] writes.
pub fn keys(header: &Header, bytes: &[u8]) -> Option<Vec<Key>> {
    if !header.fits_keys(bytes) {
        return None;
    }
    let mut rest = bytes;
    let names = names(&mut rest)?;
    if !rest.len().is_multiple_of(KEY_BYTES) {
        return None;
    }
    let mut keys = Vec::with_capacity(rest.len() / KEY_BYTES);
    let mut begin = 0;
    while !rest.is_empty() {
        let key = key(&mut rest, &names, begin)?;
        begin = key.record.end;
        keys.push(key);
    }
    (begin == header.records as usize).then_some(keys)
}

fn names(rest: &mut &[u8]) -> Option<Vec<ServiceName>> {
    let count = u16::from_le_bytes(take(rest)?) as usize;
    if count > BLOCK_NAMES_MAX {
        return None;
    }
    let name = |rest: &mut &[u8]| {
        let [length] = take(rest)?;
        let (name, after) = rest.split_at_checked(usize::from(length))?;
        *rest = after;
        ServiceName::parse(std::str::from_utf8(name).ok()?).ok()
    };
    (0..count).map(|_| name(rest)).collect()
}

fn key(rest: &mut &[u8], names: &[ServiceName], begin: usize) -> Option<Key> {
    let at = Timestamp::from_millis(u64::from_le_bytes(take(rest)?));
    let id = EventId(u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?));
    let request = take(rest)?;
    let service = match u16::from_le_bytes(take(rest)?) {
        NO_SERVICE => None,
        number => Some(names.get(usize::from(number))?.clone()),
    };
    let [flags] = take(rest)?;
    let request = if flags & HAS_REQUEST == 0 { None } else { Some(RequestId::from_bytes(request)?) };
    let end = u32::from_le_bytes(take(rest)?) as usize;
    (end >= begin).then_some(Key { id, at, service, request, denied: flags & DENIED != 0, record: begin..end })
}

/// The place of the first whole header in `bytes`, from byte 1 on: where reading goes on behind a damaged block.
pub fn next_header(bytes: &[u8]) -> Option<usize> {
    (1..bytes.len()).find(|&at| {
        let Some(header) = Header::read(&bytes[at..]) else { return false };
        let keys = bytes[at..].get(HEADER_BYTES..HEADER_BYTES + header.keys as usize);
        keys.is_some_and(|keys| header.fits_keys(keys))
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hash::sha256(bytes)[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(n: u64, record: usize) -> StoredEvent {
        StoredEvent {
            id: EventId(n / 3, n),
            at: Timestamp::from_millis(n * 7),
            service: (!n.is_multiple_of(4)).then(|| ServiceName::parse(&format!("s{}", n % 5)).unwrap()),
            request: n.is_multiple_of(2).then(|| RequestId::parse(&format!("{:032x}", n + 1)).unwrap()),
            denied: n.is_multiple_of(3),
            record: vec![n as u8; record],
        }
    }

    fn read(block: &[u8]) -> Option<Vec<StoredEvent>> {
        let header = Header::read(block)?;
        let (keys_bytes, records) = block.get(HEADER_BYTES..)?.split_at_checked(header.keys as usize)?;
        if records.len() != header.records as usize || !header.fits_records(records) {
            return None;
        }
        let of = |Key { id, at, service, request, denied, record }: Key| StoredEvent {
            id,
            at,
            service,
            request,
            denied,
            record: records[record].to_vec(),
        };
        Some(keys(&header, keys_bytes)?.into_iter().map(of).collect())
    }

    #[test]
    fn a_block_beyond_the_limit_is_neither_written_nor_read() {
        assert_eq!(encode(&[event(1, BLOCK_BYTES_MAX as usize)]), None);
        let mut block = encode(&[event(1, 3)]).unwrap();
        block[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Header::read(&block), None);
    }

    #[test]
    fn reading_goes_on_at_the_next_whole_block() {
        let (first, second) = (encode(&[event(1, 9)]).unwrap(), encode(&[event(2, 9)]).unwrap());
        let both = [first.clone(), second].concat();
        assert_eq!(next_header(&both), Some(first.len()));
        assert_eq!(next_header(&first), None);
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_and_an_altered_one_never(
            numbers in proptest::collection::vec((0u64..1000, 0usize..40), 0..30), flip in 0usize..4000, cut in 0usize..4000,
        ) {
            let batch: Vec<_> = numbers.into_iter().map(|(n, record)| event(n, record)).collect();
            let block = encode(&batch).unwrap();
            prop_assert_eq!(Header::read(&block).unwrap().bytes(), block.len() as u64);
            prop_assert_eq!(read(&block).unwrap(), batch);

            let mut altered = block.clone();
            altered[flip % block.len()] ^= 1;
            prop_assert_eq!(read(&altered), None);
            prop_assert_eq!(read(&block[..cut % block.len()]), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::read(&bytes);
            let _ = next_header(&bytes);
            // With the right checksums, what stands in the keys is still anybody's.
            let mut block = vec![0; HEADER_BYTES];
            block.extend_from_slice(&bytes);
            let header = Header::read(&header(&block, block.len()).unwrap()).unwrap();
            let _ = keys(&header, &bytes);
        }
    }
}
