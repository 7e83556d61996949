//! Numbers by which states know people, each by its form and its check digits where it has some.

use super::{begins, ends};
use crate::redact::{Found, Kind};

/// Longest of them, as they are written, in bytes.
const BYTES_MAX: usize = 21;

/// A form: `9` stands for a digit, `A` for a letter, anything else for itself; and the check of its letters and digits.
struct Form {
    kind: Kind,
    forms: &'static [&'static str],
    checks: fn(&[u8]) -> bool,
}

const FORMS: &[Form] = &[
    Form { kind: Kind::UsSsn, forms: &["999-99-9999"], checks: us_ssn },
    Form { kind: Kind::BrCpf, forms: &["999.999.999-99"], checks: br_cpf },
    Form {
        kind: Kind::FrNir,
        forms: &["999999999999999", "9 99 99 99 999 999 99", "9 99 99 99 999 999 - 99"],
        checks: fr_nir,
    },
    Form {
        kind: Kind::EsDni,
        forms: &["99999999A", "99999999-A", "A9999999A", "A-9999999-A", "A9999999-A"],
        checks: es_dni,
    },
    Form { kind: Kind::ItFiscalCode, forms: &["AAAAAA**A**A***A"], checks: it_fiscal_code },
    Form { kind: Kind::UkNino, forms: &["AA999999A", "AA 99 99 99 A"], checks: uk_nino },
];

/// What begins at `at`.
pub(super) fn find(bytes: &[u8], at: usize) -> Option<Found> {
    if !begins(bytes, at) {
        return None;
    }
    FORMS.iter().find_map(|form| {
        let end = form.forms.iter().find_map(|it| end(bytes, at, it, form.checks))?;
        Some(Found { kind: form.kind, range: at..end })
    })
}

fn end(bytes: &[u8], at: usize, form: &str, checks: fn(&[u8]) -> bool) -> Option<usize> {
    let end = at + form.len();
    let text = bytes.get(at..end)?;
    let mut said = [0; BYTES_MAX];
    let mut count = 0;
    for (b, sign) in text.iter().zip(form.bytes()) {
        let fits = match sign {
            b'9' => b.is_ascii_digit(),
            b'A' => b.is_ascii_alphabetic(),
            b'*' => b.is_ascii_alphanumeric(),
            sign => *b == sign,
        };
        if !fits {
            return None;
        }
        if b.is_ascii_alphanumeric() {
            said[count] = *b;
            count += 1;
        }
    }
    (ends(bytes, end) && checks(&said[..count])).then_some(end)
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |all, b| all * 10 + u64::from(b - b'0'))
}

/// Area, group and serial that are given out (Social Security Administration, POMS RM 10201); there is no check digit.
pub(super) fn us_ssn(digits: &[u8]) -> bool {
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..9]));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

/// Two check digits by 11 (Receita Federal); eleven equal digits check and are nobody's.
pub(super) fn br_cpf(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let sum: u64 =
            digits[..count].iter().zip((2..=count as u64 + 1).rev()).map(|(b, by)| u64::from(b - b'0') * by).sum();
        sum * 10 % 11 % 10 == u64::from(digits[count] - b'0')
    };
    digits.iter().any(|b| *b != digits[0]) && check(9) && check(10)
}

/// Sex, year, month, and 97 less the remainder by 97 (INSEE). Births in Corsica, with a letter, are left to their key.
fn fr_nir(digits: &[u8]) -> bool {
    let month = number(&digits[3..5]);
    let is_month = matches!(month, 1..=12 | 20..=42 | 50..=99);
    matches!(digits[0], b'1' | b'2') && is_month && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

/// The letter by 23 (Ministerio del Interior), of citizens and, with X, Y or Z first, of residents.
fn es_dni(said: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let first = match said[0] {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit if digit.is_ascii_digit() => digit,
        _ => return false,
    };
    let number = number(&[first]) * 10_000_000 + number(&said[1..8]);
    said[8] == LETTERS[(number % 23) as usize]
}

/// Month, places where only digits or their letters stand, and the letter by 26 (Decreto ministeriale 23 dicembre 1976).
fn it_fiscal_code(said: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let said: Vec<u8> = said.iter().map(u8::to_ascii_uppercase).collect();
    let is_digit = |place: &usize| said[*place].is_ascii_digit() || b"LMNPQRSTUV".contains(&said[*place]);
    if ![6, 7, 9, 10, 12, 13, 14].iter().all(is_digit) || !b"ABCDEHLMPRST".contains(&said[8]) {
        return false;
    }
    let value = |b: u8| u32::from(if b.is_ascii_digit() { b - b'0' } else { b - b'A' });
    let weighted = |(place, b): (usize, &u8)| if place % 2 == 0 { ODD[value(*b) as usize] } else { value(*b) };
    let sum: u32 = said[..15].iter().enumerate().map(weighted).sum();
    u32::from(said[15] - b'A') == sum % 26
}

/// Prefixes that are given out, and a suffix from A to D (HMRC, NIM39110); there is no check digit, so upper case alone.
fn uk_nino(said: &[u8]) -> bool {
    let [first, second] = [said[0], said[1]];
    let never = matches!(&[first, second], b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ");
    first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(&first)
        && !b"DFIQUVO".contains(&second)
        && !never
        && (b'A'..=b'D').contains(&said[8])
}
