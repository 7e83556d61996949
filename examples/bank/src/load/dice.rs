//! Chance that can be repeated.

use crate::words::Key;
use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea and Flood 2014): good enough to mix payments, and nine lines.
pub(super) struct Dice(u64);

impl Dice {
    /// Dice for one throw of one run; neighbouring numbers give unrelated dice.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.next() ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to, and without, `end`. The bias of the remainder does not matter here.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A UUID of version 4.
    pub(super) fn key(&mut self) -> Key {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        Key::of((bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62))
    }
}

/// A seed that no other run has. Keys come from it and not from `--seed`: a second run with the same seed against the
/// same bank would else ask about the payments of the first instead of making its own.
pub(super) fn run_seed() -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    nanos ^ (u64::from(std::process::id()) << 48)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_are_uuids_of_version_4_and_differ() {
        let keys: HashSet<_> = (0..1000).map(|number| Dice::of(7, number).key().to_string()).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            assert_eq!(&key[14..15], "4");
            assert!(matches!(&key[19..20], "8" | "9" | "a" | "b"), "{key}");
        }
    }
}
