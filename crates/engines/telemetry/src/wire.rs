//! Protobuf as it lies on the wire: fields with a number each. Nothing is copied and nothing is kept.
//!
//! Source: Protocol Buffers, "Encoding".

use crate::handed::Malformed;

const BROKEN: Malformed = Malformed("not a protobuf message");

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    Number(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The fields of one message, each with its number. After an error there are no more.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), Malformed> {
        let key = self.number()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0).ok_or(BROKEN)?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| BROKEN)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups, which nobody has written for fifteen years, and what was never defined.
            _ => return Err(BROKEN),
        };
        Ok((number, field))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(BROKEN)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(BROKEN)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BROKEN)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(u32, Field<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_number(out, u64::from(number) << 3 | 2);
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field with a number; one that is 0 is left out, as everywhere in version 3.
pub(crate) fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_number(out, u64::from(number) << 3);
        put_number(out, value);
    }
}

/// Appends a field of eight bytes.
pub(crate) fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_number(out, u64::from(number) << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_message() {
        for (bytes, why) in [
            (&[0x08][..], "a key without value"),
            (&[0x0a, 0x05, 0x01], "shorter than it says"),
            (&[0x00, 0x00], "field number 0"),
            (&[0x0b], "a group"),
            (&[0x0f, 0x00], "wire type 7"),
            (&[0x09, 0, 0, 0], "half of eight bytes"),
            (&[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], "a number of eleven bytes"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], "a field number above all"),
        ] {
            assert!(Reader::new(bytes).any(|field| field.is_err()), "{why}");
            assert!(Reader::new(bytes).count() <= 2, "it ends with the error: {why}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 1_u32..2_000, value in 1_u64.., bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_varint(&mut out, number, value);
            put_fixed64(&mut out, number, value);
            put_bytes(&mut out, number, &bytes);
            let read: Vec<_> = Reader::new(&out).collect::<Result<_, _>>().unwrap();
            let expected = [(number, Field::Number(value)), (number, Field::Fixed64(value)), (number, Field::Bytes(&bytes))];
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            prop_assert!(Reader::new(&bytes).count() <= bytes.len());
        }
    }
}
