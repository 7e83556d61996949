//! Packed content (`Content-Encoding`), opened within bounds so that it can be looked into.
//!
//! Strict where receivers differ: one coding, one member, nothing behind it, checksums that hold, and `deflate` is zlib as RFC 9110
//! says. Content that two receivers could read in two ways is not read at all.

use crate::limits::{UNPACK_FREE_BYTES, UNPACK_PIECE_BYTES, UNPACK_RATIO_MAX};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// How content is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950 around RFC 1951, which HTTP calls `deflate`.
    Deflate,
}

/// What is read here, as `Accept-Encoding` says it to whoever sent something else (RFC 9110 section 12.5.3).
pub const ACCEPTED: &str = "gzip, deflate";

/// Content that is packed in a way that is not known here, or in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is compressed in a way that is not read here; send it as it is, or as gzip or deflate alone")]
pub struct UnknownCoding;

/// Why content is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It would have too many bytes; answered 413.
    #[error("unpacks to more than the {0} bytes that are read here")]
    TooLarge(usize),
    /// It grows too much: nobody packs what they mean like that; answered 413.
    #[error("unpacks to more than {UNPACK_RATIO_MAX} times its bytes")]
    Ratio,
    /// It is not what it says, is cut short, or has something behind it; answered 400.
    #[error("cannot be unpacked: it is not what Content-Encoding says, is cut short, or goes on after its end")]
    Broken,
}

impl Coding {
    /// How content is packed, by the values of `Content-Encoding`; `None` where it is not.
    ///
    /// # Errors
    /// [`UnknownCoding`].
    pub fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<Self>, UnknownCoding> {
        let mut found = None;
        let words = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        for word in words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case(b"identity")) {
            let coding = match word.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => Self::Gzip,
                b"deflate" => Self::Deflate,
                _ => return Err(UnknownCoding),
            };
            if found.replace(coding).is_some() {
                return Err(UnknownCoding);
            }
        }
        Ok(found)
    }

    /// What is packed in `packed`, of at most `bytes_max` bytes. It is looked at while it grows, so that what is too much costs no more
    /// than what is allowed.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn unpack(self, packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, UnpackError> {
        match self {
            Self::Gzip => {
                let deflated = behind_header(packed).ok_or(UnpackError::Broken)?;
                let (opened, rest) = inflate(Decompress::new(false), deflated, packed.len(), bytes_max)?;
                if rest == trailer(&opened) { Ok(opened) } else { Err(UnpackError::Broken) }
            }
            Self::Deflate => {
                let (opened, rest) = inflate(Decompress::new(true), packed, packed.len(), bytes_max)?;
                if rest.is_empty() { Ok(opened) } else { Err(UnpackError::Broken) }
            }
        }
    }
}

/// What comes after the header of a member of gzip (RFC 1952 section 2.3).
fn behind_header(packed: &[u8]) -> Option<&[u8]> {
    let (fixed, mut rest) = packed.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else { return None };
    // Reserved ones have to be zero: what they would mean nobody knows.
    if flags & 0b1110_0000 != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = &rest[rest.iter().position(|byte| *byte == 0)? + 1..];
        }
    }
    if flags & HEADER_CRC != 0 {
        let (said, after) = rest.split_first_chunk()?;
        let mut crc = Crc::new();
        crc.update(&packed[..packed.len() - rest.len()]);
        if crc.sum() & 0xffff != u32::from(u16::from_le_bytes(*said)) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// Flags in the header of gzip.
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// What has to follow: the checksum, and the length modulo 2^32.
fn trailer(opened: &[u8]) -> [u8; 8] {
    let mut crc = Crc::new();
    crc.update(opened);
    let both = u64::from(crc.sum()) | u64::from(crc.amount()) << 32;
    both.to_le_bytes()
}

/// Inflates up to the end that the stream itself says, and what comes after that.
fn inflate(
    mut state: Decompress,
    packed: &[u8],
    sent_bytes: usize,
    bytes_max: usize,
) -> Result<(Vec<u8>, &[u8]), UnpackError> {
    let by_ratio = sent_bytes.saturating_mul(UNPACK_RATIO_MAX).max(UNPACK_FREE_BYTES);
    let most = bytes_max.min(by_ratio);
    let (mut opened, mut rest) = (Vec::new(), packed);
    let mut piece = vec![0; UNPACK_PIECE_BYTES];
    loop {
        let (read, made) = (state.total_in(), state.total_out());
        let status = state.decompress(rest, &mut piece, FlushDecompress::None).map_err(|_| UnpackError::Broken)?;
        let step = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| UnpackError::Broken);
        let (read, made) = (step(state.total_in(), read)?, step(state.total_out(), made)?);
        rest = rest.get(read..).ok_or(UnpackError::Broken)?;
        if opened.len() + made > most {
            return Err(if by_ratio < bytes_max { UnpackError::Ratio } else { UnpackError::TooLarge(bytes_max) });
        }
        opened.extend_from_slice(&piece[..made]);
        match status {
            Status::StreamEnd => return Ok((opened, rest)),
            // It wants more than there is.
            _ if read == 0 && made == 0 => return Err(UnpackError::Broken),
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests;
