//! The chunked body, byte by byte until the last chunk (RFC 9112 section 7.1). Trailers are lines again, judged elsewhere.

use super::rule::Rule;
use crate::limits;

/// Where in the chunks we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In a size: the value so far and the digits seen.
    Size { value: u64, digits: u8, line: usize },
    /// In an extension.
    Extension { size: u64, line: usize },
    /// After the CR of a size line.
    SizeLf { size: u64 },
    /// In the data; this many bytes are left.
    Data { left: u64 },
    /// After the data.
    DataCr,
    /// After the data's CR.
    DataLf,
}

/// The next piece of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes of data.
    Data(usize),
    /// So many bytes of framing; `last` where the line of the last chunk is through.
    Framing {
        /// Bytes.
        bytes: usize,
        /// Trailers follow, or the empty line.
        last: bool,
    },
}

/// The state of one chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    at: At,
    extension_bytes: usize,
}

/// Most hexadecimal digits of a size, a count: 15 digits stay below 2^60, so that no reader's arithmetic overflows.
const SIZE_DIGITS_MAX: u8 = 15;

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { at: Self::size(), extension_bytes: 0 }
    }

    /// The next piece of `input`, which is not empty.
    pub(crate) fn piece(&mut self, input: &[u8]) -> Result<Piece, Rule> {
        let data = usize::try_from(self.opaque()).unwrap_or(usize::MAX).min(input.len());
        if data > 0 {
            self.skip(data as u64);
            return Ok(Piece::Data(data));
        }
        for (at, &byte) in input.iter().enumerate() {
            let last = self.byte(byte)?;
            if last || self.opaque() > 0 {
                return Ok(Piece::Framing { bytes: at + 1, last });
            }
        }
        Ok(Piece::Framing { bytes: input.len(), last: false })
    }

    const fn size() -> At {
        At::Size { value: 0, digits: 0, line: 0 }
    }

    /// Bytes that may pass unseen.
    pub(super) fn opaque(&self) -> u64 {
        if let At::Data { left } = self.at { left } else { 0 }
    }

    /// Counts bytes that passed unseen, at most [`Chunks::opaque`].
    pub(super) fn skip(&mut self, n: u64) {
        if let At::Data { left } = &mut self.at {
            *left = left.saturating_sub(n);
            if *left == 0 {
                self.at = At::DataCr;
            }
        }
    }

    /// Looks at `input` and says how many bytes it took, and whether the last chunk's line was among them.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(usize, bool), Rule> {
        let mut at = 0;
        while at < input.len() {
            match self.piece(&input[at..])? {
                Piece::Data(bytes) | Piece::Framing { bytes, last: false } => at += bytes,
                Piece::Framing { bytes, last: true } => return Ok((at + bytes, true)),
            }
        }
        Ok((at, false))
    }

    fn byte(&mut self, byte: u8) -> Result<bool, Rule> {
        match &mut self.at {
            At::Size { value, digits, line } => {
                *line += 1;
                match (byte, char::from(byte).to_digit(16)) {
                    (_, Some(digit)) => {
                        *digits += 1;
                        if *digits > SIZE_DIGITS_MAX {
                            return Err(Rule::ChunkSize);
                        }
                        *value = *value << 4 | u64::from(digit);
                    }
                    (b';', _) if *digits > 0 => self.at = At::Extension { size: *value, line: *line },
                    (b'\r', _) if *digits > 0 => self.at = At::SizeLf { size: *value },
                    (b'\n', _) => return Err(Rule::BareLf),
                    _ => return Err(Rule::ChunkSize),
                }
            }
            At::Extension { size, line } => {
                *line += 1;
                self.extension_bytes += 1;
                if self.extension_bytes > limits::CHUNK_EXTENSION_BYTES_MAX {
                    return Err(Rule::ChunkExtensions);
                }
                if *line > limits::CHUNK_LINE_BYTES_MAX {
                    return Err(Rule::ChunkLine);
                }
                match byte {
                    b'\r' => self.at = At::SizeLf { size: *size },
                    b'\n' => return Err(Rule::BareLf),
                    b'\t' | 0x20..=0x7e => {}
                    _ => return Err(Rule::ChunkLine),
                }
            }
            At::SizeLf { size } => {
                if byte != b'\n' {
                    return Err(Rule::BareCr);
                }
                if *size == 0 {
                    self.at = Self::size();
                    return Ok(true);
                }
                self.at = At::Data { left: *size };
            }
            // Data is skipped before single bytes are looked at; were it ever not, refusing is the safe answer.
            At::Data { .. } => return Err(Rule::ChunkEnd),
            At::DataCr if byte == b'\r' => self.at = At::DataLf,
            At::DataLf if byte == b'\n' => self.at = Self::size(),
            At::DataCr | At::DataLf => return Err(Rule::ChunkEnd),
        }
        Ok(false)
    }
}
