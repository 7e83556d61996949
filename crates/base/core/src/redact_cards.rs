//! Numbers of payment cards in a text: found by where they begin, how long they are, and their check digit (ISO/IEC 7812).

use std::ops::Range;

/// Shortest and longest number, in digits.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Where they are, in order. Digits may stand in groups with one blank or `-` between them. Time is linear in the length of `text`.
pub(crate) fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // Most texts have too few digits for one.
    if text.iter().filter(|b| b.is_ascii_digit()).count() < *DIGITS.start() {
        return found;
    }
    let mut at = 0;
    while at < text.len() {
        if !begins(text, at) {
            at += 1;
            continue;
        }
        match card_at(text, at) {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += text[at..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len() - at),
        }
    }
    found
}

/// Whether a group of digits begins here that is not the rest of a word or the fraction of a number.
fn begins(text: &[u8], at: usize) -> bool {
    text[at].is_ascii_digit() && (at == 0 || !(text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'.'))
}

/// The end of the number that begins at `at`.
fn card_at(text: &[u8], at: usize) -> Option<usize> {
    let mut digits = [0; *DIGITS.end()];
    let (mut count, mut end) = (0, at);
    loop {
        while let Some(b) = text.get(end).filter(|b| b.is_ascii_digit()) {
            *digits.get_mut(count)? = b - b'0';
            (count, end) = (count + 1, end + 1);
        }
        let ends = !text.get(end).is_some_and(u8::is_ascii_alphanumeric);
        if ends && is_card(&digits[..count]) {
            return Some(end);
        }
        let grouped = matches!(text.get(end), Some(b' ' | b'-')) && text.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !grouped {
            return None;
        }
        end += 1;
    }
}

fn is_card(digits: &[u8]) -> bool {
    DIGITS.contains(&digits.len()) && is_issued(digits) && checks(digits)
}

/// Whether some network issues numbers that begin so and are that long.
fn is_issued(digits: &[u8]) -> bool {
    let begins = |count: usize| digits[..count].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        13 => digits[0] == 4,
        14 => matches!(begins(2), 36 | 38) || (300..=305).contains(&begins(3)),
        15 => matches!(begins(2), 34 | 37),
        16 => {
            digits[0] == 4
                || matches!(begins(2), 35 | 51..=55 | 62 | 65)
                || (2221..=2720).contains(&begins(4))
                || begins(4) == 6011
                || (644..=649).contains(&begins(3))
        }
        19 => digits[0] == 4 || begins(2) == 62,
        _ => begins(2) == 62,
    }
}

/// The algorithm of Luhn.
fn checks(digits: &[u8]) -> bool {
    let weighted = |(place, digit): (usize, &u8)| match place % 2 {
        0 => u32::from(*digit),
        _ => u32::from(*digit) * 2 - if *digit > 4 { 9 } else { 0 },
    };
    digits.iter().rev().enumerate().map(weighted).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_numbers_of_cards_and_no_others() {
        for (text, expected) in [
            ("4111111111111111", vec![(0, 16)]),
            ("card 4111 1111 1111 1111 2027", vec![(5, 24)]),
            ("card=5555-5555-5555-4444;", vec![(5, 24)]),
            ("/pay/378282246310005/now", vec![(5, 20)]),
            ("id 42 4111 1111 1111 1111", vec![(6, 25)]),
            ("a 6011111111111117, b 3530111333300000", vec![(2, 18), (22, 38)]),
            ("4111111111111112", vec![]),
            ("x4111111111111111", vec![]),
            ("4111111111111111x", vec![]),
            ("0.4111111111111111", vec![]),
            ("1700000000123456789 1700000000123", vec![]),
            ("41111111111111111111111", vec![]),
            ("4bf92f3577b34da6a3ce929d0e0e4736", vec![]),
            ("550e8400-e29b-41d4-a716-446655440000", vec![]),
        ] {
            let found: Vec<_> = find(text.as_bytes()).into_iter().map(|it| (it.start, it.end)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
