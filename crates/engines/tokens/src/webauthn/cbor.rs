//! CBOR as CTAP 2 writes it (RFC 8949 with definite lengths and shortest numbers): maps, arrays, texts, bytes, whole numbers,
//! booleans and null. Everything else is refused: floats, tags, lengths that come later, a key that is there twice.

use crate::limits::{CBOR_DEPTH_MAX, CBOR_ITEMS_MAX};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Bool(bool),
    Null,
}

impl Value<'_> {
    /// The value of a key, where this is a map.
    pub(super) fn get(&self, key: &Value<'_>) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(it, _)| it == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// It is no CBOR of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoCbor;

/// The value at the beginning of `bytes`, and what stands behind it.
pub(super) fn read(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), NoCbor> {
    let mut reader = Reader { rest: bytes, items_left: CBOR_ITEMS_MAX };
    let value = reader.value(CBOR_DEPTH_MAX)?;
    Ok((value, reader.rest))
}

struct Reader<'a> {
    rest: &'a [u8],
    items_left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, NoCbor> {
        self.items_left = self.items_left.checked_sub(1).ok_or(NoCbor)?;
        let first = self.take(1)?[0];
        let (major, more) = (first >> 5, first & 0x1f);
        if major == 7 {
            return match more {
                20 => Ok(Value::Bool(false)),
                21 => Ok(Value::Bool(true)),
                22 => Ok(Value::Null),
                _ => Err(NoCbor),
            };
        }
        let number = self.number(more)?;
        match major {
            0 => i64::try_from(number).map(Value::Int).map_err(|_| NoCbor),
            1 => i64::try_from(number).map(|number| Value::Int(-1 - number)).map_err(|_| NoCbor),
            2 => self.bytes(number).map(Value::Bytes),
            3 => std::str::from_utf8(self.bytes(number)?).map(Value::Text).map_err(|_| NoCbor),
            4 => self.array(number, depth.checked_sub(1).ok_or(NoCbor)?),
            5 => self.map(number, depth.checked_sub(1).ok_or(NoCbor)?),
            _ => Err(NoCbor),
        }
    }

    fn array(&mut self, count: u64, depth: usize) -> Result<Value<'a>, NoCbor> {
        // No room is made for what is only promised.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(Value::Array(values))
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Value<'a>, NoCbor> {
        let mut pairs: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        for _ in 0..count {
            let key = self.value(depth)?;
            let plain = matches!(key, Value::Int(_) | Value::Text(_) | Value::Bytes(_));
            if !plain || pairs.iter().any(|(it, _)| *it == key) {
                return Err(NoCbor);
            }
            pairs.push((key, self.value(depth)?));
        }
        Ok(Value::Map(pairs))
    }

    /// A number in as few bytes as it fits in.
    fn number(&mut self, more: u8) -> Result<u64, NoCbor> {
        let (number, least) = match more {
            0..=23 => return Ok(u64::from(more)),
            24 => (u64::from(self.take(1)?[0]), 24),
            25 => (self.big_endian(2)?, 1 << 8),
            26 => (self.big_endian(4)?, 1 << 16),
            27 => (self.big_endian(8)?, 1 << 32),
            _ => return Err(NoCbor),
        };
        if number < least { Err(NoCbor) } else { Ok(number) }
    }

    fn big_endian(&mut self, count: usize) -> Result<u64, NoCbor> {
        Ok(self.take(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self, count: u64) -> Result<&'a [u8], NoCbor> {
        self.take(usize::try_from(count).map_err(|_| NoCbor)?)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NoCbor> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(NoCbor)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unhex(text: &str) -> Vec<u8> {
        bartizan_crypto::hash::unhex(text).unwrap()
    }

    #[test]
    fn what_could_be_written_in_two_ways_or_is_never_sent_is_refused() {
        for (hex, why) in [
            ("", "nothing"),
            ("1801", "a number in more bytes than it needs"),
            ("190001", "the same"),
            ("1a00000001", "the same"),
            ("1b0000000000000001", "the same"),
            ("1bffffffffffffffff", "beyond what is used"),
            ("580161", "a length in more bytes than it needs"),
            ("5f4161ff", "a length that comes later"),
            ("9f01ff", "the same"),
            ("bf6161 01ff".replace(' ', "").as_str(), "the same"),
            ("c11a514b67b0", "a tag"),
            ("f90000", "a float"),
            ("f7", "undefined"),
            ("f8ff", "a simple value"),
            ("a2616101616102", "a key twice"),
            ("a1a00001", "a map as a key"),
            ("a1f601", "null as a key"),
            ("62c328", "no UTF-8"),
            ("4261", "cut short"),
            ("8201", "cut short"),
            ("9affffffff", "a promise"),
            ("8181818181818101", "nested too deep"),
        ] {
            assert_eq!(read(&unhex(hex)), Err(NoCbor), "{hex}: {why}");
        }
        let many = [&[0x98, 0xff][..], &[0; 255]].concat();
        assert_eq!(read(&many), Err(NoCbor), "too many");
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 8949, appendix A.
        for (hex, value) in [
            ("00", Value::Int(0)),
            ("17", Value::Int(23)),
            ("1818", Value::Int(24)),
            ("1903e8", Value::Int(1000)),
            ("1a000f4240", Value::Int(1_000_000)),
            ("20", Value::Int(-1)),
            ("3903e7", Value::Int(-1000)),
            ("f4", Value::Bool(false)),
            ("f5", Value::Bool(true)),
            ("f6", Value::Null),
            ("40", Value::Bytes(b"")),
            ("4401020304", Value::Bytes(&[1, 2, 3, 4])),
            ("6449455446", Value::Text("IETF")),
            ("83010203", Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)])),
            ("a201020304", Value::Map(vec![(Value::Int(1), Value::Int(2)), (Value::Int(3), Value::Int(4))])),
        ] {
            assert_eq!(read(&unhex(hex)), Ok((value, &[][..])), "{hex}");
        }
        assert_eq!(read(&unhex("0001")).unwrap().1, [1], "what stands behind is told");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((_, rest)) = read(&bytes) {
                prop_assert!(bytes.ends_with(rest) && rest.len() < bytes.len());
                // What was read is read the same without what stands behind.
                let whole = &bytes[..bytes.len() - rest.len()];
                prop_assert_eq!(read(whole).unwrap().1, &[] as &[u8]);
                for cut in 0..whole.len() {
                    prop_assert!(read(&whole[..cut]).is_err(), "a part of it is nothing");
                }
            }
        }
    }
}
