//! Sets that say "surely not" (Bloom 1970), with the bits of a member found by double hashing (Kirsch and Mitzenmacher 2006).

use crate::limits::PROBES;
use serde::{Deserialize, Serialize};

/// A set of hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bloom(Box<[u64]>);

impl Bloom {
    /// The set of these, with so many bits for each. Those that come twice count once.
    pub(crate) fn of(mut members: Vec<(u64, u64)>, bits_each: usize) -> Self {
        members.sort_unstable();
        members.dedup();
        let words = (members.len() * bits_each).div_ceil(64);
        let mut bits = vec![0u64; words].into_boxed_slice();
        members.into_iter().for_each(|member| places(member, words).for_each(|(word, bit)| bits[word] |= bit));
        Self(bits)
    }

    /// False: it surely is not in it.
    pub(crate) fn may_hold(&self, member: (u64, u64)) -> bool {
        let words = self.0.len();
        words > 0 && places(member, words).all(|(word, bit)| self.0[word] & bit != 0)
    }
}

fn places((first, second): (u64, u64), words: usize) -> impl Iterator<Item = (usize, u64)> {
    let bits = words as u64 * 64;
    (0..PROBES).map(move |n| {
        let bit = first.wrapping_add(n.wrapping_mul(second | 1)) % bits;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

/// Two hashes of 16 bytes.
pub(crate) fn of_number(whole: u128) -> (u64, u64) {
    (mix((whole >> 64) as u64 ^ mix(whole as u64)), mix(whole as u64))
}

/// Two hashes of a text; texts of different `kind` are different.
pub(crate) fn of_text(kind: u64, text: &str) -> (u64, u64) {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ kind;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    words.iter().for_each(|word| hash = mix(hash ^ u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| hash = mix(hash ^ u64::from(*byte)));
    (hash, mix(hash ^ text.len() as u64))
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_hides_what_is_there_and_rarely_shows_what_is_not() {
        let request = |n: u128| of_number(n << 60 | n);
        let it = Bloom::of((0..500).chain(0..500).map(request).collect(), 14);
        assert!((0..500).all(|n| it.may_hold(request(n))));
        let wrong = (500..10_500).filter(|n| it.may_hold(request(*n))).count();
        assert!(wrong < 60, "{wrong} of 10,000: about 0.14 % are expected");
        assert!(!Bloom::of(Vec::new(), 14).may_hold(request(1)));
        assert_ne!(of_text(1, "accounts"), of_text(2, "accounts"));
    }
}
