//! Messages on a stream of bytes: with their length before them, or with a line feed behind them (RFC 6587, section 3.4).

/// What was found at the beginning of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message of `len` bytes that begins at `start`; `used` bytes of the stream are done with.
    Whole {
        /// Where it begins.
        start: usize,
        /// Its length.
        len: usize,
        /// What has to go from the front of the stream.
        used: usize,
    },
    /// It is too long. So many bytes have to be thrown away as they come; `None` for all up to the next line feed.
    TooLong(Option<usize>),
    /// More bytes are needed.
    More,
}

/// The first message. `counted`: whether a message that begins with a digit has its length before it, as syslog over TCP allows.
pub fn first(bytes: &[u8], counted: bool, bytes_max: usize) -> Frame {
    match bytes.first() {
        None => Frame::More,
        Some(b'1'..=b'9') if counted => by_length(bytes, bytes_max),
        Some(_) => by_line(bytes, bytes_max),
    }
}

fn by_length(bytes: &[u8], bytes_max: usize) -> Frame {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits > 9 {
        return by_line(bytes, bytes_max); // no length that anybody means
    }
    let Some(end) = bytes.get(digits) else { return Frame::More };
    if *end != b' ' {
        return by_line(bytes, bytes_max);
    }
    let len = bytes[..digits].iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    let start = digits + 1;
    match len {
        _ if len > bytes_max => Frame::TooLong(Some(start + len)),
        _ if bytes.len() < start + len => Frame::More,
        _ => Frame::Whole { start, len, used: start + len },
    }
}

fn by_line(bytes: &[u8], bytes_max: usize) -> Frame {
    let window = &bytes[..bytes.len().min(bytes_max + 2)];
    match window.iter().position(|b| *b == b'\n') {
        Some(at) => {
            let len = if at > 0 && bytes[at - 1] == b'\r' { at - 1 } else { at };
            if len > bytes_max {
                return Frame::TooLong(Some(at + 1));
            }
            Frame::Whole { start: 0, len, used: at + 1 }
        }
        None if bytes.len() > bytes_max + 1 => Frame::TooLong(None),
        None => Frame::More,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_come_counted_or_by_lines() {
        for (bytes, expected) in [
            (&b""[..], Frame::More),
            (b"<13>half", Frame::More),
            (b"<13>line\nnext", Frame::Whole { start: 0, len: 8, used: 9 }),
            (b"<13>line\r\n", Frame::Whole { start: 0, len: 8, used: 10 }),
            (b"\n", Frame::Whole { start: 0, len: 0, used: 1 }),
            (b"5 ab\ncd", Frame::Whole { start: 2, len: 5, used: 7 }),
            (b"5 ab", Frame::More),
            (b"5", Frame::More),
            (b"17 x", Frame::TooLong(Some(20))),
            (b"5x is no length\n", Frame::Whole { start: 0, len: 15, used: 16 }),
            (b"12345678901 x\n", Frame::Whole { start: 0, len: 13, used: 14 }),
            (b"01234567890123456", Frame::More),
            (b"012345678901234567", Frame::TooLong(None)),
            (b"01234567890123456\n", Frame::TooLong(Some(18))),
        ] {
            assert_eq!(first(bytes, true, 16), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(first(b"5 ab\n", false, 16), Frame::Whole { start: 0, len: 4, used: 5 }, "lines alone");
    }

    proptest! {
        #[test]
        fn a_frame_lies_within_its_bytes(bytes: Vec<u8>, counted: bool) {
            match first(&bytes, counted, 16) {
                Frame::Whole { start, len, used } => prop_assert!(start + len <= used && used <= bytes.len() && len <= 16 && used > 0),
                Frame::TooLong(Some(skip)) => prop_assert!(skip > 0),
                Frame::TooLong(None) | Frame::More => {}
            }
        }
    }
}
