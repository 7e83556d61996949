//! RSA moduli that a faulty chip library made, and that can be factored (ROCA, CVE-2017-15361).
//!
//! Source: Nemec and others, The Return of Coppersmith's Attack, section 2: such a modulus is a power of 65537 modulo each
//! of the small primes. Of random moduli fewer than one in 2^27 is.

/// The primes of the test. Those modulo which every number is a power of 65537 say nothing, and are left out.
const PRIMES: &[u32] = &[11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a modulus has the mark of that library.
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let is_it = power == rest;
            power = power * 65537 % prime;
            is_it
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_powers_of_65537_from_other_numbers() {
        // 65537^5, which is a power modulo every prime, and the number after the next.
        let number = 65537_u128.pow(5);
        assert!(is_weak(&number.to_be_bytes()));
        assert!(!is_weak(&(number + 2).to_be_bytes()));
        let moduli = (1..1000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).to_be_bytes());
        assert_eq!(moduli.filter(|modulus| is_weak(modulus)).count(), 0);
    }
}
