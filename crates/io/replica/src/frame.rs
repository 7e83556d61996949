//! One frame: length (four bytes, little endian), the same with every bit turned over, the first eight bytes of the SHA-256 of
//! what follows, then that. A length that lies would hide all that is behind it, hence the second one.

use bartizan_crypto::hash;

const LENGTH: usize = 4;
const CHECKSUM: usize = 8;
const HEAD: usize = 2 * LENGTH + CHECKSUM;

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A whole frame, and how many bytes it takes.
    Whole(&'a [u8], usize),
    /// None; it would end with these bytes or behind them, as one that was torn does.
    Torn,
    /// None, and not one that was torn.
    Damaged,
    /// Nothing.
    End,
}

/// The frame around `body`; `None` where it is longer than `most`.
pub fn encode(body: &[u8], most: usize) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= most)?;
    let mut frame = Vec::with_capacity(HEAD + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&(!length).to_le_bytes());
    frame.extend_from_slice(&hash::sha256(body)[..CHECKSUM]);
    frame.extend_from_slice(body);
    Some(frame)
}

/// The frame at the beginning of `bytes`, which are all that there is.
pub fn decode(bytes: &[u8], most: usize) -> Read<'_> {
    if bytes.is_empty() {
        return Read::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Read::Torn };
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (length, turned) = (number(0), number(LENGTH));
    let long = usize::try_from(length).unwrap_or(usize::MAX);
    if turned != !length || long > most {
        return if zeros(rest) { Read::Torn } else { Read::Damaged };
    }
    let Some(body) = rest.get(..long) else { return Read::Torn };
    match hash::sha256(body)[..CHECKSUM] == head[2 * LENGTH..] {
        true => Read::Whole(body, HEAD + long),
        false if zeros(&rest[long..]) => Read::Torn,
        false => Read::Damaged,
    }
}

/// A file that grew and was not written to reads as zeros to its end.
fn zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
