//! Randomness of the operating system. Planes draw it and hand it to engines as an argument.

use std::cell::Cell;

/// `N` unpredictable bytes.
///
/// # Panics
/// Where the operating system gives none: there is nothing safe left to do then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    aws_lc_rs::rand::fill(&mut buffer).expect("the operating system gives randomness");
    buffer
}

/// One unpredictable number, over the whole range.
///
/// # Panics
/// As [`bytes`].
pub fn u64() -> u64 {
    u64::from_le_bytes(bytes())
}

thread_local! {
    static NAMES: Cell<u64> = Cell::new(u64());
}

/// A number that names something for those who search for it later: a span, a request. It repeats as seldom as a random one and
/// costs a hundredth of one, but whoever has seen some can compute the next: nothing may be protected by it.
///
/// Source: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), begun at a random number in
/// each thread.
pub fn name() -> u64 {
    let state = NAMES.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    NAMES.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #[test]
    fn draws_differ() {
        let drawn: std::collections::BTreeSet<[u8; 16]> = (0..100).map(|_| super::bytes()).collect();
        assert_eq!(drawn.len(), 100);
        assert_ne!(super::u64(), super::u64());
    }

    #[test]
    fn names_differ_also_between_threads() {
        let names = || (0..1000).map(|_| super::name()).collect::<Vec<_>>();
        let mut all = names();
        all.extend(std::thread::spawn(names).join().unwrap());
        let count = all.len();
        assert_eq!(all.into_iter().collect::<std::collections::BTreeSet<_>>().len(), count);
    }
}
