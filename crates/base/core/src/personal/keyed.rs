//! What is known by the key that it stands under alone: a birthday is a date like any other, a local telephone number digits.

use super::national;
use crate::redact::{Found, Kind};
use std::ops::Range;

/// Longest tail of a key that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 40;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 24;
/// Fewest and most digits of a telephone number, a count.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

/// Ends of keys, in lower case and without signs.
const KEYS: &[(&str, Kind)] = &[
    ("phone", Kind::Phone),
    ("phonenumber", Kind::Phone),
    ("telephone", Kind::Phone),
    ("mobile", Kind::Phone),
    ("mobilenumber", Kind::Phone),
    ("msisdn", Kind::Phone),
    ("tel", Kind::Phone),
    ("birthdate", Kind::Birthdate),
    ("birthday", Kind::Birthdate),
    ("dateofbirth", Kind::Birthdate),
    ("dob", Kind::Birthdate),
    ("ssn", Kind::UsSsn),
    ("socialsecuritynumber", Kind::UsSsn),
    ("cpf", Kind::BrCpf),
];

/// Values behind `key=`, `key:` and `"key": "`.
pub(super) fn find(bytes: &[u8], found: &mut Vec<Found>) {
    for (at, _) in bytes.iter().enumerate().filter(|(_, b)| matches!(b, b'=' | b':')) {
        let Some(kind) = key_before(bytes, at) else { continue };
        let is_between = |b: &&u8| matches!(**b, b' ' | b'"' | b'\'' | b'\\');
        let from = at + 1 + bytes[at + 1..].iter().take(4).take_while(is_between).count();
        if let Some(range) = value(bytes, from, kind) {
            found.push(Found { kind, range });
        }
    }
}

/// Whether an attribute with that key has such a value.
pub(crate) fn is_value_under(key: &str, text: &str) -> bool {
    let bytes = text.as_bytes();
    kind_of(key.as_bytes()).is_some_and(|kind| value(bytes, 0, kind) == Some(0..bytes.len()))
}

fn key_before(bytes: &[u8], at: usize) -> Option<Kind> {
    let is_between = |b: &&u8| matches!(**b, b' ' | b'"' | b'\'' | b'\\');
    let end = at - bytes[..at].iter().rev().take(3).take_while(is_between).count();
    let is_key = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'-' | b'.');
    let length = bytes[..end].iter().rev().take(KEY_BYTES_MAX).take_while(is_key).count();
    kind_of(&bytes[end - length..end])
}

fn kind_of(key: &[u8]) -> Option<Kind> {
    let last = key.rsplit(|b| *b == b'.').next().unwrap_or_default();
    let last = &last[last.len().saturating_sub(KEY_BYTES_MAX)..];
    let normal: String =
        last.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| char::from(b.to_ascii_lowercase())).collect();
    // `tel` and `dob` end other words.
    let fits = |word: &str| if word.len() > 3 { normal.ends_with(word) } else { normal == word };
    KEYS.iter().find(|(word, _)| fits(word)).map(|(_, kind)| *kind)
}

fn value(bytes: &[u8], from: usize, kind: Kind) -> Option<Range<usize>> {
    let signs: &[u8] = match kind {
        Kind::Phone => b" +()./-",
        Kind::Birthdate => b"./-",
        _ => b".- ",
    };
    let is_part = |b: &&u8| b.is_ascii_digit() || signs.contains(b);
    let length = bytes.get(from..)?.iter().take(VALUE_BYTES_MAX).take_while(is_part).count();
    let text = &bytes[from..from + length];
    let length = text.iter().rposition(u8::is_ascii_digit)? + 1;
    let text = &text[..length];
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let fits = match kind {
        Kind::Phone => PHONE_DIGITS.contains(&digits.len()),
        Kind::Birthdate => is_date(text),
        Kind::UsSsn => digits.len() == 9 && national::us_ssn(&digits),
        Kind::BrCpf => digits.len() == 11 && national::br_cpf(&digits),
        _ => false,
    };
    fits.then_some(from..from + length)
}

/// `1990-05-01`, `1.5.1990`, `05/01/90`.
fn is_date(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|b| !b.is_ascii_digit()).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    matches!(lengths[..], [4, 2, 2] | [1 | 2, 1 | 2, 2 | 4])
}
