//! One block as it lies on disk: a batch of events, whole or not at all.
//!
//! ```text
//! "BZE2" | lengths: keys, keys when unpacked, texts, records, records when unpacked, u32 each | checksums: texts, records, keys, 8 each
//!        | keys | texts | records
//! ```
//!
//! Numbers are little endian; a checksum is the first eight bytes of a SHA-256, that of the keys covers the header too. Keys and
//! records are compressed (LZ4) where their two lengths differ. What an event is found by stands apart from its record, so that a search
//! reads a part of the bytes; what is in `keys` is in [`crate::keys`], in `texts` in [`crate::text`].

use crate::event::StoredEvent;
use crate::keys::{self, Keys};
use crate::limits::{BLOCK_BYTES_MAX, COMPRESS_BYTES_MIN};
use crate::text;
use bartizan_crypto::hash;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

const MAGIC: &[u8; 4] = b"BZE2";
/// Length of the part before keys, texts and records, in bytes.
pub const HEADER_BYTES: usize = 48;
const LENGTHS: usize = 5;
const CHECKSUM: usize = 8;
/// What the checksum of the keys covers of the header: all before it.
const COVERED: usize = HEADER_BYTES - CHECKSUM;

/// The first bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    keys: u32,
    keys_unpacked: u32,
    texts: u32,
    records: u32,
    records_unpacked: u32,
    texts_sum: [u8; CHECKSUM],
    records_sum: [u8; CHECKSUM],
    keys_sum: [u8; CHECKSUM],
}

/// A part of a block: where it begins in it, and how long it is, in bytes.
pub(crate) type Part = (u64, u32);

impl Header {
    /// The header at the beginning of `bytes`; `None` where none is, or a block longer than any that is written.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut length = || take(&mut rest).map(u32::from_le_bytes);
        let (keys, keys_unpacked, texts, records, records_unpacked) =
            (length()?, length()?, length()?, length()?, length()?);
        let it = Self {
            keys,
            keys_unpacked,
            texts,
            records,
            records_unpacked,
            texts_sum: take(&mut rest)?,
            records_sum: take(&mut rest)?,
            keys_sum: take(&mut rest)?,
        };
        let unpacked = u64::from(keys_unpacked) + u64::from(records_unpacked);
        (it.bytes() <= BLOCK_BYTES_MAX && unpacked <= BLOCK_BYTES_MAX).then_some(it)
    }

    /// Length of the whole block, in bytes.
    pub fn bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.keys) + u64::from(self.texts) + u64::from(self.records)
    }

    /// How much there is to look at in memory, keys and records, in bytes.
    pub(crate) fn unpacked(&self) -> (u64, u64) {
        (self.keys_unpacked.into(), self.records_unpacked.into())
    }

    pub(crate) fn keys_part(&self) -> Part {
        (HEADER_BYTES as u64, self.keys)
    }

    pub(crate) fn texts_part(&self) -> Part {
        (HEADER_BYTES as u64 + u64::from(self.keys), self.texts)
    }

    pub(crate) fn records_part(&self) -> Part {
        (HEADER_BYTES as u64 + u64::from(self.keys) + u64::from(self.texts), self.records)
    }

    /// The keys as they were before they were packed; `None` where they are not what was written.
    pub fn keys<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if self.keys_checksum(bytes) != self.keys_sum {
            return None;
        }
        unpack(bytes, self.keys_unpacked)
    }

    /// The records, in the same way.
    pub fn records<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        (checksum(bytes) == self.records_sum).then(|| unpack(bytes, self.records_unpacked))?
    }

    /// Whether these are the texts that were written.
    pub fn fits_texts(&self, bytes: &[u8]) -> bool {
        checksum(bytes) == self.texts_sum
    }

    /// Without its own checksum.
    fn covered(&self) -> Vec<u8> {
        let Self { keys, keys_unpacked, texts, records, records_unpacked, texts_sum, records_sum, keys_sum: _ } = self;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        let lengths: [&u32; LENGTHS] = [keys, keys_unpacked, texts, records, records_unpacked];
        lengths.into_iter().for_each(|length| bytes.extend_from_slice(&length.to_le_bytes()));
        bytes.extend_from_slice(texts_sum);
        bytes.extend_from_slice(records_sum);
        debug_assert_eq!(bytes.len(), COVERED);
        bytes
    }

    fn keys_checksum(&self, keys: &[u8]) -> [u8; CHECKSUM] {
        let mut covered = self.covered();
        covered.extend_from_slice(&checksum(keys));
        checksum(&covered)
    }
}

/// The block of a batch; `None` where it would be longer than any that is read back, or has more names than any. `with_texts`: also what
/// makes a search by text fast, which costs as much as the rest.
pub fn encode(batch: &[StoredEvent], with_texts: bool) -> Option<Vec<u8>> {
    let keys_unpacked = keys::encode(batch)?;
    let mut records_unpacked = Vec::with_capacity(batch.iter().map(|event| event.record.len()).sum());
    batch.iter().for_each(|event| records_unpacked.extend_from_slice(&event.record));
    let texts = if with_texts { text::bits(&records_unpacked) } else { Vec::new() };
    let (keys, records) = (pack(&keys_unpacked), pack(&records_unpacked));
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok();
    let mut header = Header {
        keys: length(&keys)?,
        keys_unpacked: length(&keys_unpacked)?,
        texts: length(&texts)?,
        records: length(&records)?,
        records_unpacked: length(&records_unpacked)?,
        texts_sum: checksum(&texts),
        records_sum: checksum(&records),
        keys_sum: [0; CHECKSUM],
    };
    header.keys_sum = header.keys_checksum(&keys);
    let mut block = header.covered();
    block.extend_from_slice(&header.keys_sum);
    block.extend_from_slice(&keys);
    block.extend_from_slice(&texts);
    block.extend_from_slice(&records);
    // What cannot be read back is not written.
    Header::read(&block).map(|_| block)
}

/// The events of a whole block; `None` where it is not what [`encode`] wrote.
pub fn decode(block: &[u8]) -> Option<Vec<StoredEvent>> {
    let header = Header::read(block)?;
    if header.bytes() != block.len() as u64 {
        return None;
    }
    let part = |(from, length): Part| block.get(from as usize..from as usize + length as usize);
    let keys = header.keys(part(header.keys_part())?)?;
    let records = header.records(part(header.records_part())?)?;
    if !header.fits_texts(part(header.texts_part())?) {
        return None;
    }
    let keys = Keys::read(&keys, records.len())?;
    (0..keys.len()).map(|n| keys.event(n, &records)).collect()
}

/// The place of the first whole header in `bytes`, from byte 1 on: where reading goes on behind a damaged block.
pub fn next_header(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, MAGIC).filter(|at| *at > 0).find(|&at| {
        let Some(header) = Header::read(&bytes[at..]) else { return false };
        let keys = bytes[at..].get(HEADER_BYTES..HEADER_BYTES + header.keys as usize);
        keys.is_some_and(|keys| header.keys_checksum(keys) == header.keys_sum)
    })
}

fn pack(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.len() < COMPRESS_BYTES_MIN {
        return Cow::Borrowed(bytes);
    }
    let packed = lz4_flex::block::compress(bytes);
    if packed.len() < bytes.len() { Cow::Owned(packed) } else { Cow::Borrowed(bytes) }
}

fn unpack(bytes: &[u8], unpacked: u32) -> Option<Cow<'_, [u8]>> {
    let length = unpacked as usize;
    if bytes.len() == length {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = vec![0; length];
    let written = lz4_flex::block::decompress_into(bytes, &mut out).ok()?;
    (written == length).then_some(Cow::Owned(out))
}

pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

pub(crate) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&hash::sha256(bytes)[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::event;
    use proptest::prelude::*;

    #[test]
    fn a_block_beyond_the_limit_is_neither_written_nor_read() {
        let long = StoredEvent { record: vec![0; BLOCK_BYTES_MAX as usize], ..event(1) };
        assert_eq!(encode(&[long], false), None);
        let mut block = encode(&[event(1)], false).unwrap();
        block[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Header::read(&block), None);
    }

    #[test]
    fn reading_goes_on_at_the_next_whole_block() {
        let (first, second) = (encode(&[event(1)], false).unwrap(), encode(&[event(2)], true).unwrap());
        let both = [first.clone(), second].concat();
        assert_eq!(next_header(&both), Some(first.len()));
        assert_eq!(next_header(&first), None);
    }

    #[test]
    fn what_repeats_is_packed() {
        let batch: Vec<_> =
            (0..1_000).map(|n| StoredEvent { record: b"GET /accounts/1 of accounts".repeat(8), ..event(n) }).collect();
        let block = encode(&batch, false).unwrap();
        assert!(block.len() < 60_000, "{} bytes for 1,000 events of 216", block.len());
        assert_eq!(decode(&block).unwrap(), batch);
    }

    #[test]
    fn no_altered_bit_and_no_cut_goes_unnoticed() {
        let batch: Vec<_> = (0..20).map(event).collect();
        for with_texts in [false, true] {
            let block = encode(&batch, with_texts).unwrap();
            assert_eq!(decode(&block).unwrap(), batch);
            for at in 0..block.len() {
                let mut altered = block.clone();
                altered[at] ^= 1 << (at % 8);
                assert_eq!(decode(&altered), None, "bit {} of byte {at}", at % 8);
                assert_eq!(decode(&block[..at]), None, "cut at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_batch_comes_back(numbers in proptest::collection::vec((0u64..1000, 0usize..400), 0..60), with_texts: bool) {
            let batch: Vec<_> = numbers.into_iter().map(|(n, record)| StoredEvent { record: vec![n as u8; record], ..event(n) }).collect();
            let block = encode(&batch, with_texts).unwrap();
            prop_assert_eq!(Header::read(&block).unwrap().bytes(), block.len() as u64);
            prop_assert_eq!(decode(&block).unwrap(), batch);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), keys_end in 0usize..300) {
            let _ = decode(&bytes);
            let _ = next_header(&bytes);
            // With the right checksums, what stands in it is still anybody's.
            let (keys, records) = bytes.split_at(keys_end.min(bytes.len()));
            if let Some(keys) = Keys::read(keys, records.len()) {
                (0..keys.len()).for_each(|n| drop(keys.event(n, records)));
            }
            let _ = unpack(keys, bytes.len() as u32 * 3);
        }
    }
}
