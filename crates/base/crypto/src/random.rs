//! Randomness of the operating system. Planes draw it and hand it to engines as an argument.

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

#[cfg(test)]
mod tests {
    #[test]
    fn draws_differ() {
        let drawn: std::collections::BTreeSet<[u8; 16]> = (0..100).map(|_| super::bytes()).collect();
        assert_eq!(drawn.len(), 100);
        assert_ne!(super::u64(), super::u64());
    }
}
