//! SHA-256 and SHA-512, HMAC, hexadecimal, and comparison that tells nothing by its time.

use aws_lc_rs::{constant_time, digest, hmac};
use std::fmt::Write as _;

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, data);
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// SHA-512 of `data`.
pub fn sha512(data: &[u8]) -> [u8; 64] {
    let digest = digest::digest(&digest::SHA512, data);
    digest.as_ref().try_into().expect("SHA-512 gives 64 bytes")
}

/// HMAC-SHA256 (RFC 2104) of `parts`, one after the other, under `key`.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
}

/// HMAC-SHA-1 (RFC 2104), for one-time codes of apps, which know no other. Nothing else is to use it.
pub fn hmac_sha1(key: &[u8], data: &[u8]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, data).as_ref().try_into().expect("SHA-1 gives 20 bytes")
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The bytes of hexadecimal text in either case; `None` where it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// Whether `a` and `b` are the same, in time that depends on their lengths only.
///
/// For secrets and their hashes: an early exit would tell a guesser how many bytes were right.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_fips_180_4_says() {
        // FIPS 180-4, the example of one block.
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn authenticates_as_rfc_4231_says() {
        // Test case 2.
        let tag = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        // FIPS 180-4, the example of one block.
        assert!(hex(&sha512(b"abc")).starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn authenticates_as_rfc_2202_says() {
        // RFC 2202, section 3, test case 2.
        let mac = hmac_sha1(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&mac), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 9, 0xab])), Some(vec![0, 9, 0xab]));
        assert_eq!(unhex(""), Some(Vec::new()));
        for text in ["0", "0g", "+1", "\u{e9}", "0x"] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn compares_whole_slices() {
        assert!(equal(b"", b"") && equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
