//! A public key together with the one algorithm that it is for.

use super::{Alg, JoseError, roca};
use crate::error::CryptoError;
use crate::key;
use crate::limits::{RSA_BITS_MAX, RSA_BITS_MIN, RSA_EXPONENT_BYTES_MAX};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, VerificationAlgorithm,
};
use std::fmt;
use std::sync::Arc;

/// Checks signatures of one algorithm with one key. No value of it can check with another algorithm, so a token cannot make
/// an RSA key into a secret, or into one for another padding.
#[derive(Clone)]
pub struct VerifyKey {
    alg: Alg,
    inner: Arc<ParsedPublicKey>,
}

impl VerifyKey {
    /// A P-256 key from its SubjectPublicKeyInfo, for ES256.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedKey`] for anything else.
    pub fn p256(spki: &[u8]) -> Result<Self, CryptoError> {
        Self::from_bytes(Alg::Es256, &ECDSA_P256_SHA256_FIXED, key::point_of(spki)?)
    }

    /// A point on the curve of `alg`, as its two coordinates, each as long as the curve's field.
    pub(super) fn ec(alg: Alg, x: &[u8], y: &[u8]) -> Result<Self, CryptoError> {
        let (library, len): (&'static dyn VerificationAlgorithm, usize) = match alg {
            Alg::Es256 => (&ECDSA_P256_SHA256_FIXED, 32),
            Alg::Es384 => (&ECDSA_P384_SHA384_FIXED, 48),
            Alg::Es512 => (&ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(CryptoError::UnsupportedKey),
        };
        if (x.len(), y.len()) != (len, len) {
            return Err(CryptoError::UnsupportedKey);
        }
        Self::from_bytes(alg, library, &[&[4], x, y].concat())
    }

    pub(super) fn ed25519(x: &[u8]) -> Result<Self, CryptoError> {
        if x.len() != 32 {
            return Err(CryptoError::UnsupportedKey);
        }
        Self::from_bytes(Alg::EdDsa, &ED25519, x)
    }

    pub(super) fn rsa(alg: Alg, n: &[u8], e: &[u8]) -> Result<Self, CryptoError> {
        let library: &'static RsaParameters = match alg {
            Alg::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Alg::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Alg::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Alg::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Alg::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Alg::Ps512 => &RSA_PSS_2048_8192_SHA512,
            _ => return Err(CryptoError::UnsupportedKey),
        };
        check_rsa(n, e)?;
        let inner = PublicKeyComponents { n, e }.to_parsed_public_key(library);
        let inner = inner.map_err(|_| CryptoError::UnsupportedKey)?;
        Ok(Self { alg, inner: Arc::new(inner) })
    }

    fn from_bytes(alg: Alg, library: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<Self, CryptoError> {
        let inner = ParsedPublicKey::new(library, bytes).map_err(|_| CryptoError::UnsupportedKey)?;
        Ok(Self { alg, inner: Arc::new(inner) })
    }

    /// The algorithm that it is for.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Checks that `signature` over `message` was made by its private half.
    ///
    /// # Errors
    /// [`JoseError::Signature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        self.inner.verify_sig(message, signature).map_err(|_| JoseError::Signature)
    }
}

/// Numbers as RFC 7518 section 6.3.1 writes them: no zero before the first digit, and of a size that can be checked quickly.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), CryptoError> {
    let first = n.first().copied().unwrap_or(0);
    let bits = (n.len() * 8).saturating_sub(first.leading_zeros() as usize);
    let exponent = e.first().is_some_and(|first| *first != 0) && e.len() <= RSA_EXPONENT_BYTES_MAX;
    let odd = e.last().is_some_and(|last| last % 2 == 1) && e != [1];
    if first != 0 && (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) && exponent && odd && !roca::is_weak(n) {
        Ok(())
    } else {
        Err(CryptoError::UnsupportedKey)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyKey({})", self.alg)
    }
}
