//! Gives every call the same, short `:authority` on its way to the HTTP/2 library.
//!
//! gRPC in C++, Python and Java puts the socket's path there, which is no authority, and the library refuses such calls
//! (hyperium/h2#442). Nobody looks at that header on a Unix socket.
//!
//! No string is decoded for that, and no table is kept: a literal whose name is entry 1 of HPACK's static table, or the name
//! itself in one of its two forms, gets another value; everything else is passed on as it came. The library's dynamic table
//! has the same entries at the same places as the client's. Its entry for the authority is never larger, so it forgets
//! later than the client thinks, which no client can notice.

use bytes::{Buf, BytesMut};
use std::io;

/// The client's first bytes (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// Bytes before a frame's content.
const FRAME_HEAD: usize = 9;
/// Longest frame, and longest header block, in bytes: what an HTTP/2 server takes that does not say otherwise.
const BLOCK_BYTES_MAX: usize = 16_384;
/// In place of any other authority, with its length: no value is shorter but the empty one, which stays.
const HOST: &[u8] = b"\x01n";
/// `:authority` with its length, as it is and Huffman-coded: gRPC in C++ does not use the static table for it.
const NAMES: [&[u8]; 2] = [b"\x0a:authority", b"\x88\xb8\x3b\x53\x39\xec\x32\x7d\x7f"];

/// What comes next on a connection.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    preface_done: bool,
    /// Bytes of a frame's content that are passed on as they are.
    passing: usize,
    block: Option<Block>,
}

/// A header block that has begun.
#[derive(Debug)]
struct Block {
    stream: [u8; 4],
    flags: u8,
    bytes: Vec<u8>,
}

impl Rewriter {
    /// Moves as much as can be judged from `from` to `to`.
    ///
    /// # Errors
    /// Where no HTTP/2 is spoken, or a header block is too long; the connection is of no use then.
    pub(super) fn run(&mut self, from: &mut BytesMut, to: &mut BytesMut) -> io::Result<()> {
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        loop {
            if self.passing > 0 {
                let some = self.passing.min(from.len());
                to.extend_from_slice(&from.split_to(some));
                self.passing -= some;
            } else if !self.preface_done {
                if from.len() < PREFACE.len() {
                    // Judged by the library once it is whole: it says goodbye in the right words.
                    return if PREFACE.starts_with(from) {
                        Ok(())
                    } else {
                        Err(bad("the client does not speak HTTP/2"))
                    };
                }
                (self.preface_done, self.passing) = (true, PREFACE.len());
                continue;
            } else {
                let [a, b, c, kind, flags, s0, s1, s2, s3, ..] = from[..] else { return Ok(()) };
                let content = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                let is_block = kind == HEADERS || kind == CONTINUATION;
                if is_block != self.block.is_some() && (kind == CONTINUATION || self.block.is_some()) {
                    return Err(bad("a header block was interrupted, or continued without a beginning"));
                }
                if !is_block {
                    self.passing = FRAME_HEAD + content;
                    continue;
                }
                if content > BLOCK_BYTES_MAX {
                    return Err(bad("a header block is too long"));
                }
                if from.len() < FRAME_HEAD + content {
                    return Ok(());
                }
                from.advance(FRAME_HEAD);
                let content = from.split_to(content);
                let piece = if kind == HEADERS { unwrapped(flags, &content) } else { Some(&content[..]) };
                let piece = piece.ok_or_else(|| bad("a frame's padding is longer than the frame"))?;
                self.add(kind, flags, [s0, s1, s2, s3], piece, to).map_err(bad)?;
            }
            if from.is_empty() {
                return Ok(());
            }
        }
    }

    /// Adds a piece of a header block; at its end, the block is passed on as one frame.
    fn add(
        &mut self,
        kind: u8,
        flags: u8,
        stream: [u8; 4],
        piece: &[u8],
        to: &mut BytesMut,
    ) -> Result<(), &'static str> {
        let mut block = match self.block.take() {
            Some(_) if kind == HEADERS => return Err("a header block began inside another"),
            Some(block) if block.stream != stream => return Err("a header block was continued on another stream"),
            Some(block) => block,
            None => Block { stream, flags: flags & END_STREAM, bytes: Vec::new() },
        };
        block.bytes.extend_from_slice(piece);
        if block.bytes.len() > BLOCK_BYTES_MAX {
            return Err("a header block is too long");
        }
        if flags & END_HEADERS == 0 {
            self.block = Some(block);
            return Ok(());
        }
        // What makes no sense is passed on: the library refuses it in the right words.
        let bytes = with_one_host(&block.bytes).unwrap_or(block.bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        to.extend_from_slice(&length[1..]);
        to.extend_from_slice(&[HEADERS, block.flags | END_HEADERS]);
        to.extend_from_slice(&block.stream);
        to.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The content of a HEADERS frame without padding and priority (RFC 9113 section 6.2).
fn unwrapped(flags: u8, content: &[u8]) -> Option<&[u8]> {
    let (padding, content) = match flags & PADDED {
        0 => (0, content),
        _ => content.split_first().map(|(padding, rest)| (usize::from(*padding), rest))?,
    };
    let content = if flags & PRIORITY == 0 { content } else { content.get(5..)? };
    content.get(..content.len().checked_sub(padding)?)
}

/// `block` (RFC 7541 section 6) with another value for each literal `:authority`. `None` where it is no header block.
fn with_one_host(block: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(block.len());
    let mut at = 0;
    while let Some(&first) = block.get(at) {
        let begins = at;
        let (prefix, is_literal) = match first {
            0x80.. => (7, false),
            0x40..0x80 => (6, true),
            0x20..0x40 => (5, false),
            _ => (4, true),
        };
        let index = number(block, &mut at, prefix)?;
        let name_begins = at;
        if is_literal && index == 0 {
            skip_text(block, &mut at)?;
        }
        let name = &block[name_begins..at];
        let value_begins = at;
        if is_literal {
            skip_text(block, &mut at)?;
        }
        if is_literal && at > value_begins + 1 && (index == 1 || NAMES.contains(&name)) {
            out.extend_from_slice(&block[begins..value_begins]);
            out.extend_from_slice(HOST);
        } else {
            out.extend_from_slice(&block[begins..at]);
        }
    }
    Some(out)
}

/// A number whose first `prefix` bits are the last ones of a byte (RFC 7541 section 5.1); moves `at` behind it.
fn number(block: &[u8], at: &mut usize, prefix: u32) -> Option<usize> {
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(*block.get(*at)?) & most;
    *at += 1;
    if value < most {
        return Some(value);
    }
    // Four more bytes: nothing in a block is as long as what five could say.
    for shift in [0, 7, 14, 21] {
        let byte = *block.get(*at)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Moves `at` behind a text (RFC 7541 section 5.2).
fn skip_text(block: &[u8], at: &mut usize) -> Option<()> {
    let bytes = number(block, at, 7)?;
    *at = at.checked_add(bytes).filter(|end| *end <= block.len())?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `:method: POST` indexed, `:authority: /x` literal and indexed from then on, `te: a` literal with a name of its own.
    const BLOCK: &[u8] = b"\x83\x41\x02/x\x00\x02te\x01a";

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], content].concat()
    }

    /// What comes out where `bytes` come in pieces of `step`.
    fn rewritten(bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let (mut rewriter, mut from, mut to) = (Rewriter::default(), BytesMut::new(), BytesMut::new());
        for piece in bytes.chunks(step) {
            from.extend_from_slice(piece);
            rewriter.run(&mut from, &mut to)?;
        }
        Ok(to.to_vec())
    }

    #[test]
    fn puts_one_host_in_the_place_of_any_other() {
        let wanted = b"\x83\x41\x01n\x00\x02te\x01a";
        assert_eq!(with_one_host(BLOCK).unwrap(), wanted);
        assert_eq!(with_one_host(wanted).unwrap(), wanted);
        let huffman = b"\x41\x83abc\xbe\x3f\xe1\x1f";
        assert_eq!(with_one_host(huffman).unwrap(), b"\x41\x01n\xbe\x3f\xe1\x1f");
        for (block, why) in
            [(&b"\x41"[..], "no value"), (b"\x41\x05abc", "cut short"), (b"\xff\xff\xff\xff\xff\xff", "no end")]
        {
            assert!(with_one_host(block).is_none(), "{why}");
        }
    }

    #[test]
    fn changes_nothing_but_header_blocks_however_they_come() {
        let padded = [&[2], BLOCK, &[0, 0]].concat();
        let priority = [&[0; 5], BLOCK].concat();
        let data = frame(0, 1, b"hello");
        let settings = frame(4, 0, b"");
        let whole = frame(HEADERS, END_HEADERS | END_STREAM, &with_one_host(BLOCK).unwrap());
        for headers in [
            frame(HEADERS, END_HEADERS | END_STREAM, BLOCK),
            frame(HEADERS, END_HEADERS | END_STREAM | PADDED, &padded),
            frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY, &priority),
            [frame(HEADERS, END_STREAM, &BLOCK[..2]), frame(CONTINUATION, END_HEADERS, &BLOCK[2..])].concat(),
        ] {
            let sent = [PREFACE, &settings, &headers, &data].concat();
            let wanted = [PREFACE, &settings, &whole, &data].concat();
            for step in [1, 2, 7, 1000] {
                assert_eq!(rewritten(&sent, step).unwrap(), wanted, "in pieces of {step}");
            }
        }
    }

    #[test]
    fn ends_connections_that_are_none() {
        let long = vec![0x82; BLOCK_BYTES_MAX / 2 + 1];
        for (frames, why) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "another protocol"),
            ([PREFACE, &frame(CONTINUATION, END_HEADERS, BLOCK)].concat(), "a continuation of nothing"),
            ([PREFACE, &frame(HEADERS, 0, BLOCK), &frame(0, 0, b"x")].concat(), "an interrupted block"),
            ([PREFACE, &frame(HEADERS, 0, BLOCK), &frame(HEADERS, 0, BLOCK)].concat(), "two beginnings"),
            ([PREFACE, &frame(HEADERS, 0, &long), &frame(CONTINUATION, 0, &long)].concat(), "no end"),
            ([PREFACE, &frame(HEADERS, PADDED, &[9, 1])].concat(), "more padding than frame"),
        ] {
            assert!(rewritten(&frames, 1000).is_err(), "passed on, though {why}");
        }
    }

    proptest! {
        #[test]
        fn any_block_stays_or_only_its_authority_changes(block in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(out) = with_one_host(&block) {
                prop_assert_eq!(with_one_host(&out), Some(out.clone()));
            }
        }

        #[test]
        fn any_bytes_are_passed_on_or_refused_the_same_in_any_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..80), step in 1usize..20
        ) {
            let sent = [PREFACE, &bytes].concat();
            let (whole, pieces) = (rewritten(&sent, 1000).ok(), rewritten(&sent, step).ok());
            prop_assert_eq!(whole, pieces);
        }
    }
}
