//! Sealing: AES-256-GCM under a key that is random, derived, or stretched from a passphrase.
//!
//! Sealed bytes are: version (1 byte), nonce (12 bytes, random), ciphertext, tag (16 bytes). The context is authenticated
//! but not stored: bytes sealed for one use do not open for another.

use crate::error::CryptoError;
use crate::limits::{ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, PASSPHRASE_BYTES_MAX};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use bartizan_core::Secret;
use zeroize::Zeroize as _;

/// The only format so far; another first byte is refused.
const VERSION: u8 = 1;
/// Version and nonce.
const HEADER_BYTES: usize = 1 + NONCE_LEN;

/// Seals `plain` under `key`, for the use that `context` names.
///
/// The nonce is random, so one key may seal 2^32 times (NIST SP 800-38D section 8.3), far more than any key here does.
pub fn seal(key: &Secret<[u8; 32]>, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = crate::random::bytes();
    let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + AES_256_GCM.tag_len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    let mut body = plain.to_vec();
    let tag = cipher(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), associated(context), &mut body)
        .expect("AES-GCM seals anything below 64 GiB");
    sealed.extend_from_slice(&body);
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal`] made with the same key and context.
///
/// # Errors
/// [`CryptoError::Unseal`] where anything about it differs.
pub fn open(key: &Secret<[u8; 32]>, context: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, CryptoError> {
    let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(CryptoError::Unseal)?;
    if header[0] != VERSION {
        return Err(CryptoError::Unseal);
    }
    let nonce = Nonce::try_assume_unique_for_key(&header[1..]).map_err(|_| CryptoError::Unseal)?;
    let mut buffer = body.to_vec();
    let opened = cipher(key).open_in_place(nonce, associated(context), &mut buffer).map(|plain| plain.len());
    let Ok(len) = opened else {
        buffer.zeroize();
        return Err(CryptoError::Unseal);
    };
    buffer.truncate(len);
    Ok(Secret::new(buffer))
}

/// Stretches a passphrase to a key with Argon2id; slow on purpose, see [`crate::limits::ARGON2_PASSES`].
///
/// # Errors
/// [`CryptoError::TooLarge`] above [`PASSPHRASE_BYTES_MAX`], [`CryptoError::Malformed`] where it is empty.
pub fn key_from_passphrase(passphrase: &Secret<String>, salt: &[u8; 16]) -> Result<Secret<[u8; 32]>, CryptoError> {
    let text = passphrase.expose();
    if text.is_empty() {
        return Err(CryptoError::Malformed { what: "passphrase", why: "it is empty".to_owned() });
    }
    if text.len() > PASSPHRASE_BYTES_MAX {
        return Err(CryptoError::TooLarge { what: "passphrase", bytes: text.len(), max: PASSPHRASE_BYTES_MAX });
    }
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, Some(32))
        .expect("the constants are inside what Argon2 allows");
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(text.as_bytes(), salt, &mut key)
        .map_err(|e| CryptoError::Library { what: "stretching the passphrase", why: e.to_string() })?;
    let stretched = Secret::new(key);
    key.zeroize();
    Ok(stretched)
}

/// Another key for another use, from which the first cannot be computed (HKDF-SHA256, RFC 5869).
pub fn derive(key: &Secret<[u8; 32]>, info: &[u8]) -> Secret<[u8; 32]> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"bartizan").extract(key.expose());
    let mut derived = [0; 32];
    extracted
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|out| out.fill(&mut derived))
        .expect("32 bytes are less than HKDF can give");
    let secret = Secret::new(derived);
    derived.zeroize();
    secret
}

fn cipher(key: &Secret<[u8; 32]>) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("32 bytes are a key of AES-256"))
}

/// The version is authenticated as well, so that a later format cannot be turned into this one.
fn associated(context: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&[VERSION], context].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> Secret<[u8; 32]> {
        Secret::new([byte; 32])
    }

    #[test]
    fn refuses_other_keys_other_contexts_and_every_altered_byte() {
        let sealed = seal(&key(1), b"root", b"secret");
        assert_eq!(open(&key(1), b"root", &sealed).unwrap().expose(), b"secret");

        assert_eq!(open(&key(2), b"root", &sealed).unwrap_err(), CryptoError::Unseal);
        assert_eq!(open(&key(1), b"svid", &sealed).unwrap_err(), CryptoError::Unseal);
        assert_eq!(open(&key(1), b"", &sealed).unwrap_err(), CryptoError::Unseal);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 0x80;
            assert_eq!(open(&key(1), b"root", &altered).unwrap_err(), CryptoError::Unseal, "byte {at}");
            assert_eq!(open(&key(1), b"root", &sealed[..at]).unwrap_err(), CryptoError::Unseal, "cut at {at}");
        }
    }

    #[test]
    fn never_seals_twice_alike() {
        assert_ne!(seal(&key(1), b"c", b"same"), seal(&key(1), b"c", b"same"));
    }

    #[test]
    fn derives_a_key_per_use() {
        let one = derive(&key(1), b"svid cache of accounts");
        assert_eq!(one.expose(), derive(&key(1), b"svid cache of accounts").expose());
        assert_ne!(one.expose(), derive(&key(1), b"svid cache of payment").expose());
        assert_ne!(one.expose(), derive(&key(2), b"svid cache of accounts").expose());
        assert_ne!(one.expose(), key(1).expose());
    }

    #[test]
    fn stretches_passphrases() {
        let passphrase = Secret::new("correct horse".to_owned());
        let one = key_from_passphrase(&passphrase, &[1; 16]).unwrap();
        assert_ne!(one.expose(), key_from_passphrase(&passphrase, &[2; 16]).unwrap().expose(), "the salt counts");
        let other = key_from_passphrase(&Secret::new("correct horsf".to_owned()), &[1; 16]).unwrap();
        assert_ne!(one.expose(), other.expose());

        assert!(key_from_passphrase(&Secret::new(String::new()), &[1; 16]).is_err(), "empty");
        assert!(key_from_passphrase(&Secret::new("x".repeat(1025)), &[1; 16]).is_err(), "too long");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..200), context in "\\PC{0,20}") {
            let sealed = seal(&key(7), context.as_bytes(), &plain);
            let opened = open(&key(7), context.as_bytes(), &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain);
        }

        #[test]
        fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(open(&key(7), b"", &bytes).is_err());
        }
    }
}
