//! Personal data in a text: what it is, and where it stands.
//!
//! Each kind is known by its form and, where it has one, by its check digits; a few only by the key that they stand under, since a
//! birthday is a date like any other. How much of each is found, and how much is found that is none, is measured over `corpus/pii`.

mod email;
mod iban;
mod keyed;
mod national;
mod phone;

use crate::redact::{Found, Kind};

pub(crate) use keyed::is_value_under;

/// Fewest digits of anything with digits here, a count.
const DIGITS_MIN: usize = 6;

/// Notes all that is found. Time is linear in the length of `text`.
pub(crate) fn find(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let (mut digits, mut at_signs) = (0, 0);
    for b in bytes {
        digits += usize::from(b.is_ascii_digit());
        at_signs += usize::from(matches!(b, b'@' | b'%'));
    }
    if at_signs > 0 {
        email::find(bytes, found);
    }
    // Most texts have too few digits for anything else.
    if digits < DIGITS_MIN {
        return;
    }
    keyed::find(bytes, found);
    let mut at = 0;
    while at < bytes.len() {
        if at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        at = one(bytes, at, found).max(at + 1);
    }
}

/// What begins at the begin of a word, and where it ends.
fn one(bytes: &[u8], at: usize, found: &mut Vec<Found>) -> usize {
    let of = |kind: Kind, end: Option<usize>| end.map(|end| Found { kind, range: at..end });
    let it = match bytes[at] {
        b'+' | b'(' | b'0'..=b'9' => of(Kind::Phone, phone::end(bytes, at)).or_else(|| national::find(bytes, at)),
        b'A'..=b'Z' | b'a'..=b'z' => of(Kind::Iban, iban::end(bytes, at)).or_else(|| national::find(bytes, at)),
        _ => None,
    };
    let end = it.as_ref().map_or(at, |it| it.range.end);
    found.extend(it);
    end
}

/// Whether a number or word may begin at `at`: behind a sign that is part of numbers it is the rest of one.
fn begins(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'-' | b'.' | b'_' | b'+'))
}

/// Whether it may end before `at`: a sign with something behind it goes on.
fn ends(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None => true,
        Some(b'-' | b'.' | b'_') => !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric),
        Some(b) => !b.is_ascii_alphanumeric(),
    }
}
