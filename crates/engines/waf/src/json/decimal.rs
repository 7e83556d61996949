//! Numbers as they are written, compared without loss: money does not go through a binary fraction on its way to a verdict.

use std::cmp::Ordering;

/// A decimal number: its digits without zeros at either end, and where the point stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Digits, each 0 to 9; empty for zero.
    digits: Box<[u8]>,
    /// The number is the digits as a whole number, times ten to this.
    exponent: i64,
}

impl Decimal {
    /// From a number of JSON. What is none becomes zero.
    pub fn parse(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        // Whoever writes an exponent beyond this means the same as with this: larger, or smaller, than anything.
        let huge = if exponent.starts_with('-') { -(1 << 40) } else { 1 << 40 };
        let mut exponent: i64 = exponent.parse().unwrap_or(huge).clamp(-(1 << 40), 1 << 40);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        exponent -= fraction.len() as i64;
        let all = whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit).map(|byte| byte - b'0');
        let mut digits: Vec<u8> = all.skip_while(|&digit| digit == 0).collect();
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        if digits.is_empty() {
            return Self { negative: false, digits: Box::default(), exponent: 0 };
        }
        Self { negative, digits: digits.into(), exponent }
    }

    /// Whether it is a whole number, however it is written.
    pub fn is_whole(&self) -> bool {
        self.digits.is_empty() || self.exponent >= 0
    }

    /// As a count; the largest there is where it is larger, 0 where it is no whole number from 0.
    pub fn to_u32(&self) -> u32 {
        if self.negative || !self.is_whole() {
            return 0;
        }
        let digits = self.digits.iter().fold(0_u64, |all, &digit| all.saturating_mul(10).saturating_add(digit.into()));
        let power = u32::try_from(self.exponent).ok().and_then(|exponent| 10_u64.checked_pow(exponent));
        let number = power.map_or(u64::MAX, |power| digits.saturating_mul(power));
        if self.digits.is_empty() { 0 } else { u32::try_from(number).unwrap_or(u32::MAX) }
    }

    /// Whether it is a whole number of `divisor`s.
    pub fn is_multiple_of(&self, divisor: &Divisor) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        let shift = self.exponent - divisor.exponent;
        // A whole number of divisors has no digit below the last one of the divisor, and ours is no zero.
        if shift < 0 {
            return false;
        }
        let by = u128::from(divisor.digits);
        let rest = self.digits.iter().fold(0_u128, |rest, &digit| (rest * 10 + u128::from(digit)) % by);
        (rest * power_of_ten(shift.unsigned_abs(), by)).is_multiple_of(by)
    }

    /// How many digits stand before the point, below zero where zeros follow it.
    fn magnitude(&self) -> i64 {
        self.digits.len() as i64 + self.exponent
    }
}

/// Ten to the `power`, what is left of it when divided by `by`, which is below 2^64.
fn power_of_ten(mut power: u64, by: u128) -> u128 {
    let (mut base, mut out) = (10 % by, 1 % by);
    while power > 0 {
        if power & 1 == 1 {
            out = out * base % by;
        }
        base = base * base % by;
        power >>= 1;
    }
    out
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |it: &Self| {
            if it.digits.is_empty() {
                0
            } else if it.negative {
                -1
            } else {
                1
            }
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.digits.is_empty() {
            return by_sign;
        }
        let size = self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits));
        if self.negative { size.reverse() } else { size }
    }
}

/// What numbers may have to be a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divisor {
    digits: u64,
    exponent: i64,
}

impl Divisor {
    /// From a number above zero with at most 18 digits.
    pub fn of(number: &Decimal) -> Option<Self> {
        if number.negative || number.digits.is_empty() || number.digits.len() > 18 {
            return None;
        }
        let digits = number.digits.iter().fold(0_u64, |all, &digit| all * 10 + u64::from(digit));
        Some(Self { digits, exponent: number.exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text)
    }

    #[test]
    fn tells_numbers_apart_that_doubles_do_not() {
        assert!(of("9007199254740993") > of("9007199254740992"));
        assert!(of("0.1000000000000000055") > of("0.1"));
        assert!(of("1e400") > of("1e399"));
        assert!(of("-1e400") < of("-1e399"));
        assert!(of("1e99999999999999999999") > of("1e4"));
        assert_eq!(of("1.0"), of("1"));
        assert_eq!(of("100e-2"), of("1"));
        assert_eq!(of("-0.0"), of("0"));
    }

    #[test]
    fn knows_whole_numbers_and_multiples() {
        for whole in ["1", "1.0", "10e-1", "1e300", "0.0", "-7"] {
            assert!(of(whole).is_whole(), "{whole}");
        }
        assert!(!of("1.5").is_whole() && !of("1e-1").is_whole());
        let multiple = |number: &str, of_what: &str| of(number).is_multiple_of(&Divisor::of(&of(of_what)).unwrap());
        assert!(multiple("19.99", "0.01") && multiple("0.0075", "0.0001") && multiple("1e308", "1e-8"));
        assert!(multiple("4.5", "1.5") && multiple("0", "7") && multiple("1e308", "0.5") && multiple("-9", "3"));
        assert!(
            !multiple("19.999", "0.01")
                && !multiple("0.00751", "0.0001")
                && !multiple("35", "1.5")
                && !multiple("7", "2")
        );
        assert!(Divisor::of(&of("0")).is_none() && Divisor::of(&of("-1")).is_none());
    }

    proptest! {
        #[test]
        fn orders_as_whole_numbers_do(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, shift in 0_u32..6) {
            let scaled = |n: i64| of(&format!("{n}e-{shift}"));
            prop_assert_eq!(scaled(a).cmp(&scaled(b)), a.cmp(&b));
            prop_assert_eq!(of(&format!("{a}00e-{}", shift + 2)), scaled(a));
        }

        #[test]
        fn multiples_are_those_of_whole_numbers(a in 0_i64..100_000, b in 1_i64..1_000, shift in 0_u32..6) {
            let divisor = Divisor::of(&of(&format!("{b}e-{shift}"))).unwrap();
            prop_assert_eq!(of(&format!("{a}e-{shift}")).is_multiple_of(&divisor), a % b == 0);
        }
    }
}
