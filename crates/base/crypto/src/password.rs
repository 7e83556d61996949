//! Hashes of passwords: Argon2id (RFC 9106), in the text form of the PHC.
//!
//! Slow and hungry on purpose: never on a thread that serves others, and never many at once.

use crate::error::CryptoError;
use crate::hash;
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_HASH_MEMORY_KIB_MAX, PASSWORD_HASH_PASSES_MAX};
use argon2::{Algorithm, Argon2, Params, Version};
use bartizan_core::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it, a count.
    pub passes: u32,
}

/// A hash in text form, such as `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
///
/// # Errors
/// [`CryptoError::TooLarge`] for a password above [`PASSWORD_BYTES_MAX`]; [`CryptoError::Library`] for a cost that cannot be.
pub fn hash(password: &Secret<String>, salt: &[u8; SALT_BYTES], cost: Cost) -> Result<String, CryptoError> {
    let hashed = stretch(password, salt, cost)?;
    let Cost { memory_kib, passes } = cost;
    let (salt, hashed) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hashed.expose()));
    Ok(format!("$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${hashed}"))
}

/// Whether `password` is the one that `text` was made from.
///
/// # Errors
/// As [`hash`], and [`CryptoError::Malformed`] where `text` is nothing that [`hash`] writes.
pub fn verify(password: &Secret<String>, text: &str) -> Result<bool, CryptoError> {
    let Parts { cost, salt, hashed } = Parts::read(text).ok_or_else(malformed)?;
    Ok(hash::equal(stretch(password, &salt, cost)?.expose(), &hashed))
}

/// What a guess at `text` costs; `None` where it is nothing that [`hash`] writes.
pub fn cost(text: &str) -> Option<Cost> {
    Some(Parts::read(text)?.cost)
}

struct Parts {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    hashed: [u8; HASH_BYTES],
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$argon2id$v=19$m=")?.split('$');
        let (numbers, salt, hashed) = (parts.next()?, parts.next()?, parts.next()?);
        let (memory_kib, rest) = numbers.split_once(",t=")?;
        let passes = rest.strip_suffix(",p=1")?;
        let cost = Cost { memory_kib: memory_kib.parse().ok()?, passes: passes.parse().ok()? };
        // Whoever could write it should not get to hold us up.
        let bounded = cost.memory_kib <= PASSWORD_HASH_MEMORY_KIB_MAX && cost.passes <= PASSWORD_HASH_PASSES_MAX;
        let salt = STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?;
        let hashed = STANDARD_NO_PAD.decode(hashed).ok()?.try_into().ok()?;
        (bounded && parts.next().is_none()).then_some(Self { cost, salt, hashed })
    }
}

fn stretch(
    password: &Secret<String>,
    salt: &[u8; SALT_BYTES],
    cost: Cost,
) -> Result<Secret<[u8; HASH_BYTES]>, CryptoError> {
    let text = password.expose();
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(CryptoError::TooLarge { what: "password", bytes: text.len(), max: PASSWORD_BYTES_MAX });
    }
    let failed = |why: argon2::Error| CryptoError::Library { what: "hashing a password", why: why.to_string() };
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(HASH_BYTES)).map_err(failed)?;
    let mut hashed = [0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(text.as_bytes(), salt, &mut hashed).map_err(failed)?;
    Ok(Secret::new(hashed))
}

fn malformed() -> CryptoError {
    CryptoError::Malformed { what: "hash of a password", why: "not one that we write".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Cost = Cost { memory_kib: 64, passes: 1 };

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn another_password_and_whatever_is_no_hash_are_refused() {
        let text = hash(&secret("correct horse"), &[7; 16], SMALL).unwrap();
        assert!(verify(&secret("correct horse"), &text).unwrap());
        assert_eq!(cost(&text), Some(SMALL));
        for other in ["", "correct hors", "correct horsf", "Correct horse", "correct horse "] {
            assert!(!verify(&secret(other), &text).unwrap(), "{other:?}");
        }
        for altered in [
            String::new(),
            text.replace("argon2id", "argon2i"),
            text.replace("v=19", "v=16"),
            text.replace("m=64", "m=4294967295"),
            text.replace("t=1", "t=1000000"),
            text.replace("p=1", "p=2"),
            format!("{text}$"),
            text[..text.len() - 1].to_owned(),
            format!("{text}="),
        ] {
            assert!(verify(&secret("correct horse"), &altered).is_err(), "{altered}");
        }
        assert!(hash(&secret(&"x".repeat(PASSWORD_BYTES_MAX + 1)), &[7; 16], SMALL).is_err());
    }

    #[test]
    fn the_reference_program_agrees() {
        // printf 'correct horse' | argon2 sixteen-bytes-ok -id -k 64 -t 1 -p 1 -l 32 -e
        let text = hash(&secret("correct horse"), b"sixteen-bytes-ok", SMALL).unwrap();
        assert_eq!(text, REFERENCE);
    }

    const REFERENCE: &str =
        "$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbi1ieXRlcy1vaw$GPQYjMQppdQrAPHushpMYdY860sSJ2wB2Tpqwh097/0";
}
