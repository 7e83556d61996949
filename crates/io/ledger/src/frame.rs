//! One frame: `kind, u8 | length, u32 | checksum, 8 | data`, little endian. The checksum is the first eight bytes of the SHA-256 over kind,
//! length and data: it tells a torn end from a whole one. Tampering is not its business.

use crate::limits::{ENTRY_BYTES_MAX, MARK_BYTES_MAX};
use bartizan_crypto::hash::sha256;

const HEAD_BYTES: usize = 13;
const CHECKSUM: usize = 8;
const ENTRY: u8 = 1;
const MARK: u8 = 2;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An entry.
    Entry,
    /// What is signed over all entries before.
    Mark,
}

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: Kind,
    /// Its data.
    pub data: &'a [u8],
    /// Length of the frame, in bytes.
    pub bytes: usize,
}

/// Adds a frame to `out`.
pub fn encode(kind: Kind, data: &[u8], out: &mut Vec<u8>) {
    let kind = match kind {
        Kind::Entry => ENTRY,
        Kind::Mark => MARK,
    };
    // Longer ones are refused before they come here.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    out.push(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(kind, length, data));
    out.extend_from_slice(data);
}

/// The frame at the beginning of `bytes`; `None` where there is no whole one.
pub fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let (kind, bytes_max) = match head[0] {
        ENTRY => (Kind::Entry, ENTRY_BYTES_MAX),
        MARK => (Kind::Mark, MARK_BYTES_MAX),
        _ => return None,
    };
    if length as usize > bytes_max {
        return None;
    }
    let data = rest.get(..length as usize)?;
    let bytes = HEAD_BYTES + data.len();
    (checksum(head[0], length, data) == head[5..]).then_some(Frame { kind, data, bytes })
}

/// The place of the first whole mark in `bytes`, from byte 1 on: where reading goes on behind damage.
pub fn next_mark(bytes: &[u8]) -> Option<usize> {
    let is_mark = |at: &usize| decode(&bytes[*at..]).is_some_and(|frame| frame.kind == Kind::Mark);
    memchr::memchr_iter(MARK, bytes).filter(|at| *at > 0).find(is_mark)
}

fn checksum(kind: u8, length: u32, data: &[u8]) -> [u8; CHECKSUM] {
    let mut bytes = Vec::with_capacity(data.len() + 5);
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(data);
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&sha256(&bytes)[..CHECKSUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_comes_back_and_an_altered_one_never(data in proptest::collection::vec(any::<u8>(), 0..300), mark: bool, flip: usize) {
            let kind = if mark { Kind::Mark } else { Kind::Entry };
            let mut bytes = Vec::new();
            encode(kind, &data, &mut bytes);
            prop_assert_eq!(decode(&bytes), Some(Frame { kind, data: &data, bytes: bytes.len() }));
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), None);
            }
            let at = flip % bytes.len();
            bytes[at] ^= 1;
            prop_assert_eq!(decode(&bytes), None, "byte {}", at);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let _ = next_mark(&bytes);
        }
    }

    #[test]
    fn reading_goes_on_at_the_next_mark() {
        let mut bytes = vec![ENTRY, 9, 9];
        encode(Kind::Entry, b"entry", &mut bytes);
        let at = bytes.len();
        encode(Kind::Mark, b"mark", &mut bytes);
        assert_eq!(next_mark(&bytes), Some(at));
        assert_eq!(next_mark(&bytes[..at + 5]), None);
    }
}
