//! Numbers of telephones: international ones (E.164), and North American ones as they are written there.

/// Fewest and most digits behind the `+`, a count.
const DIGITS: std::ops::RangeInclusive<usize> = 9..=15;
/// Codes of countries of one and of two digits; all others that begin with 2, 3, 4, 5, 6, 8, 9 have three (ITU-T E.164, annex).
const CODES_OF_TWO: &[u8] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
/// Beginnings of codes of three digits.
const CODES_OF_THREE: &[u8] =
    &[21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99];

/// The end of the number that begins at `at`.
pub(super) fn end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes[at] {
        b'+' => international(bytes, at + 1),
        b'0' if bytes[at..].starts_with(b"00") && super::begins(bytes, at) => from_abroad(bytes, at + 2),
        _ if super::begins(bytes, at) => north_american(bytes, at),
        _ => None,
    }
}

/// `0049 30 123456`: only in groups, since an identifier may begin with noughts too.
fn from_abroad(bytes: &[u8], at: usize) -> Option<usize> {
    let end = international(bytes, at)?;
    bytes[at..end].iter().any(|b| !b.is_ascii_digit()).then_some(end)
}

/// Digits in groups, the last one that makes a number.
fn international(bytes: &[u8], at: usize) -> Option<usize> {
    let mut digits = [0; *DIGITS.end()];
    let (mut count, mut end, mut last) = (0, at, None);
    loop {
        while let Some(b) = bytes.get(end).filter(|b| b.is_ascii_digit()) {
            let Some(place) = digits.get_mut(count) else { return last };
            *place = b - b'0';
            (count, end) = (count + 1, end + 1);
        }
        if bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
            return last;
        }
        if is_number(&digits[..count]) {
            last = Some(end);
        }
        // The code of a country stands together.
        let is_code = count > 1 || (count == 1 && matches!(digits[0], 1 | 7));
        let gap = gap(&bytes[end..]);
        let goes_on = gap > 0 && is_code && bytes.get(end + gap).is_some_and(u8::is_ascii_digit);
        if !goes_on {
            return last;
        }
        end += gap;
    }
}

/// The length of what stands between two groups of digits: one sign, or two of which one is a bracket.
fn gap(bytes: &[u8]) -> usize {
    let is_bracket = |b: u8| matches!(b, b'(' | b')');
    let is_sign = |b: u8| matches!(b, b' ' | b'-' | b'.' | b'/') || is_bracket(b);
    match bytes {
        [first, second, ..] if is_sign(*first) && is_sign(*second) => {
            2 * usize::from(is_bracket(*first) || is_bracket(*second))
        }
        [first, ..] => usize::from(is_sign(*first)),
        [] => 0,
    }
}

fn is_number(digits: &[u8]) -> bool {
    if !DIGITS.contains(&digits.len()) {
        return false;
    }
    let two = digits[0] * 10 + digits[1];
    match digits[0] {
        1 => digits.len() == 11 && digits[1] >= 2 && digits[4] >= 2,
        7 => digits.len() == 11,
        _ => CODES_OF_TWO.contains(&two) || CODES_OF_THREE.contains(&two),
    }
}

/// `(212) 555-0123`, `212-555-0123`, `212.555.0123`.
fn north_american(bytes: &[u8], at: usize) -> Option<usize> {
    let bracket = bytes[at] == b'(';
    let from = at + usize::from(bracket);
    let area = three(bytes, from)?;
    let mut next = from + 3;
    let sign = if bracket {
        next += 1;
        (bytes.get(next - 1) == Some(&b')')).then_some(())?;
        next += usize::from(bytes.get(next) == Some(&b' '));
        None
    } else {
        next += 1;
        Some(*bytes.get(next - 1)?).filter(|b| matches!(b, b'-' | b'.'))
    };
    if !bracket && sign.is_none() {
        return None;
    }
    let exchange = three(bytes, next)?;
    let between = *bytes.get(next + 3)?;
    let fits = sign.map_or(matches!(between, b'-' | b'.' | b' '), |sign| sign == between);
    let end = next + 8;
    let rest = bytes.get(next + 4..end)?;
    let sound = |code: [u8; 3]| code[0] >= b'2' && code[1..] != *b"11";
    (fits && sound(area) && sound(exchange) && rest.iter().all(u8::is_ascii_digit) && super::ends(bytes, end))
        .then_some(end)
}

fn three(bytes: &[u8], at: usize) -> Option<[u8; 3]> {
    let three: [u8; 3] = bytes.get(at..at + 3)?.try_into().ok()?;
    three.iter().all(u8::is_ascii_digit).then_some(three)
}
