//! Proof Key for Code Exchange (RFC 7636), by SHA-256 alone: `plain` would show the secret to whoever sees the first request.

use bartizan_crypto::{base64, hash};
use serde::{Deserialize, Serialize};

/// Why a code is not exchanged. None of it changes with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkceError {
    /// Another method, `plain` among them.
    #[error("`code_challenge_method` has to be S256")]
    Method,
    /// Not the base64url of a SHA-256.
    #[error("`code_challenge` has to be a SHA-256 in base64url, 43 characters")]
    Challenge,
    /// Too short to be secret, too long, or with other characters.
    #[error("`code_verifier` has 43 to 128 letters, digits, `-`, `.`, `_`, `~`")]
    Verifier,
    /// Whoever asks is not who began.
    #[error("`code_verifier` is not the one that `code_challenge` was made of")]
    Mismatch,
}

/// The challenge of a log-in that began; [`Challenge::check`] is asked when its code is redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Reads what the first request says.
    ///
    /// # Errors
    /// [`PkceError::Method`] (also where it is missing, which means `plain`), [`PkceError::Challenge`].
    pub fn read(method: Option<&str>, challenge: &str) -> Result<Self, PkceError> {
        if method != Some("S256") {
            return Err(PkceError::Method);
        }
        let bytes = base64::decode_url(challenge).map_err(|_| PkceError::Challenge)?;
        Ok(Self(bytes.try_into().map_err(|_| PkceError::Challenge)?))
    }

    /// Whether `verifier` is what it was made of.
    ///
    /// # Errors
    /// [`PkceError::Verifier`], [`PkceError::Mismatch`].
    pub fn check(&self, verifier: &str) -> Result<(), PkceError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(allowed) {
            return Err(PkceError::Verifier);
        }
        if hash::equal(&hash::sha256(verifier.as_bytes()), &self.0) { Ok(()) } else { Err(PkceError::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_methods_other_verifiers_and_short_ones() {
        // RFC 7636 appendix B.
        let (verifier, text) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let challenge = Challenge::read(Some("S256"), text).unwrap();
        challenge.check(verifier).unwrap();
        for method in [None, Some("plain"), Some("s256"), Some("")] {
            assert_eq!(Challenge::read(method, text), Err(PkceError::Method));
        }
        for wrong in ["", verifier.get(..42).unwrap(), &format!("{text}="), &text[..42], &format!("{text}AA")] {
            assert_eq!(Challenge::read(Some("S256"), wrong), Err(PkceError::Challenge), "{wrong}");
        }
        for (wrong, why) in [
            (verifier[..42].to_owned(), PkceError::Verifier),
            ("a".repeat(129), PkceError::Verifier),
            (verifier.replace('-', "+"), PkceError::Verifier),
            (text.to_owned(), PkceError::Mismatch),
            (verifier.to_lowercase(), PkceError::Mismatch),
        ] {
            assert_eq!(challenge.check(&wrong), Err(why));
        }
    }
}
