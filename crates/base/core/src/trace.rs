//! The thread through all hops of one request: W3C Trace Context, whose trace id is our request id.
//!
//! Source: W3C Trace Context, section 3.2 (traceparent, version 00).

use serde::{Deserialize, Serialize};
use std::fmt;

/// The trace id of a request: 16 bytes, never all zero, printed as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(u128);

impl RequestId {
    /// From 16 random bytes; all zero, which the standard forbids, becomes 1.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes).max(1))
    }

    /// The 16 bytes, big-endian.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// As it is printed: ASCII.
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        hex(&self.bytes(), &mut digits);
        digits
    }

    /// The inverse of [`RequestId::bytes`]; `None` for zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let value = u128::from_be_bytes(bytes);
        (value != 0).then_some(Self(value))
    }

    /// Reads 32 hex digits; `None` for anything else and for zero.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(unhex(text.as_bytes())?)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One hop's place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The same on every hop.
    pub request: RequestId,
    /// This hop's span, never zero.
    pub span: u64,
    /// The trace flags byte; bit 0 means sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Longest `traceparent` looked at, in bytes: version 00 has exactly 55; a later version may add fields.
    pub const BYTES_MAX: usize = 128;

    /// Reads a `traceparent` header; `None` where the standard tells a receiver to start a new trace.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() < 55 || text.len() > Self::BYTES_MAX || !text.is_ascii() {
            return None;
        }
        let [version] = unhex(&text[0..2])?;
        let exact = text.len() == 55;
        if version == 0xff || (version == 0 && !exact) || (!exact && text[55] != b'-') {
            return None;
        }
        if [2, 35, 52].iter().any(|&i| text[i] != b'-') {
            return None;
        }
        let request = RequestId::from_bytes(unhex(&text[3..35])?)?;
        let span = u64::from_be_bytes(unhex(&text[36..52])?);
        let [flags] = unhex(&text[53..55])?;
        (span != 0).then_some(Self { request, span, flags })
    }

    /// The header value for the next hop, under a span id of this hop's own: ASCII.
    pub fn header(&self) -> [u8; 55] {
        let mut text = *b"00-________________________________-________________-__";
        hex(&self.request.bytes(), &mut text[3..35]);
        hex(&self.span.to_be_bytes(), &mut text[36..52]);
        hex(&[self.flags], &mut text[53..55]);
        text
    }
}

/// Writes two lower-case digits for each byte.
fn hex(bytes: &[u8], digits: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// What each byte is worth as a lower-case digit; 255 for none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// The bytes of lower-case digits; `None` where there are others, or not twice as many as bytes.
fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut seen = 0;
    if digits.len() != N * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        seen |= high | low; // looked at once: this runs for each request and each hop
        *byte = high << 4 | low & 15;
    }
    (seen < 16).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_the_standard_tells_to_restart() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(TraceContext::parse(good).is_some());
        for (text, why) in [
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "zero trace id"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "zero span"),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version ff"),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "upper case"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "version 00 with more"),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "wrong separator"),
            ("", "empty"),
        ] {
            assert_eq!(TraceContext::parse(text), None, "accepted {text:?}, though {why}");
        }
        assert!(TraceContext::parse(&good.replacen("00", "01", 1)).is_some(), "a later version is read as 00");
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(id in any::<[u8; 16]>(), span in 1u64.., flags: u8) {
            let context = TraceContext { request: RequestId::from_random(id), span, flags };
            prop_assert_eq!(TraceContext::parse(std::str::from_utf8(&context.header()).unwrap()), Some(context));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,140}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
