//! Keys that sign tokens: ES256 as JSON Web Signatures have it (RFC 7518 section 3.4: the signature is two numbers of 32
//! bytes, not ASN.1), and Ed25519 (RFC 8037), which is cheaper and for tokens that we read ourselves.

use crate::error::CryptoError;
use crate::jose::{Alg, Jwk};
use crate::key::{self, KeyPair};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use bartizan_core::Secret;
use std::fmt;

/// Length of a signature in bytes, of either algorithm.
pub const SIGNATURE_BYTES: usize = 64;
/// What comes before the 32 bytes in the SubjectPublicKeyInfo of every Ed25519 key (RFC 8410 section 4).
const ED25519_SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signs tokens. It never leaves the process.
pub struct TokenKey {
    inner: Inner,
    spki: Vec<u8>,
}

enum Inner {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl TokenKey {
    /// A fresh P-256 key from the operating system's randomness, for ES256.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library has none to give.
    pub fn generate() -> Result<Self, CryptoError> {
        Self::from_pair(&KeyPair::generate()?)
    }

    /// A P-256 key that is there already, for ES256.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library refuses it.
    pub fn from_pair(pair: &KeyPair) -> Result<Self, CryptoError> {
        let inner = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.pkcs8().expose())
            .map_err(|e| CryptoError::Library { what: "making a key", why: e.to_string() })?;
        Ok(Self { inner: Inner::Es256(inner), spki: pair.public_spki().to_vec() })
    }

    /// A fresh Ed25519 key from the operating system's randomness, for `EdDSA`.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library has none to give.
    pub fn generate_ed25519() -> Result<Self, CryptoError> {
        Self::ed25519_from_seed(&Secret::new(crate::random::bytes()))
    }

    /// The Ed25519 key of a seed, which has to be as unpredictable as a key: for engines, which draw none, and for keys that go
    /// from one process to another as their seed.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library refuses.
    pub fn ed25519_from_seed(seed: &Secret<[u8; 32]>) -> Result<Self, CryptoError> {
        let inner = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map_err(|e| CryptoError::Library { what: "making a key", why: e.to_string() })?;
        let spki = [&ED25519_SPKI_PREFIX, inner.public_key().as_ref()].concat();
        Ok(Self { inner: Inner::Ed25519(inner), spki })
    }

    /// What it signs with.
    pub fn alg(&self) -> Alg {
        match self.inner {
            Inner::Es256(_) => Alg::Es256,
            Inner::Ed25519(_) => Alg::EdDsa,
        }
    }

    /// The public key as a JSON Web Key, named by its thumbprint.
    pub fn public_jwk(&self) -> Jwk {
        let jwk = match &self.inner {
            Inner::Es256(_) => {
                let point = &self.spki[self.spki.len() - 64..];
                Jwk::p256(&point[..32], &point[32..])
            }
            Inner::Ed25519(_) => Jwk::ed25519(&self.spki[ED25519_SPKI_PREFIX.len()..]),
        };
        let kid = crate::base64::encode_url(&jwk.thumbprint());
        jwk.with_kid(kid)
    }

    /// The public key as DER of a SubjectPublicKeyInfo.
    pub fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library has no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], CryptoError> {
        let library = |why: String| CryptoError::Library { what: "signing a token", why };
        let signature = match &self.inner {
            Inner::Es256(key) => key.sign(&SystemRandom::new(), message),
            Inner::Ed25519(key) => key.try_sign(message),
        };
        let signature = signature.map_err(|e| library(e.to_string()))?;
        signature.as_ref().try_into().map_err(|_| library("a signature of another length".to_owned()))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// Checks that `signature` over `message` was made by the key whose SubjectPublicKeyInfo is `spki`.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] for another key than P-256, [`CryptoError::Signature`] where it does not fit.
pub fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    let point = key::point_of(spki)?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(message, signature).map_err(|_| CryptoError::Signature)
}

/// The two coordinates of a public key, 32 bytes each: `x` and `y` of a JSON Web Key.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] for another key than P-256.
pub fn coordinates(spki: &[u8]) -> Result<([u8; 32], [u8; 32]), CryptoError> {
    let point = key::point_of(spki)?;
    let half = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| CryptoError::UnsupportedKey);
    Ok((half(&point[1..33])?, half(&point[33..65])?))
}

/// The inverse of [`coordinates`]: a SubjectPublicKeyInfo.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] where the two are not 32 bytes each, or no point of the curve.
pub fn from_coordinates(x: &[u8], y: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if (x.len(), y.len()) != (32, 32) {
        return Err(CryptoError::UnsupportedKey);
    }
    let spki = [&key::P256_SPKI_PREFIX, &[4][..], x, y].concat();
    key::check_spki(&spki).map(|()| spki)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_wrong_signature() {
        let (key, other) = (TokenKey::generate().unwrap(), TokenKey::generate().unwrap());
        let signature = key.sign(b"message").unwrap();
        verify(key.public_spki(), b"message", &signature).unwrap();
        assert_eq!(verify(key.public_spki(), b"messagf", &signature), Err(CryptoError::Signature));
        assert_eq!(verify(other.public_spki(), b"message", &signature), Err(CryptoError::Signature));
        assert_eq!(verify(key.public_spki(), b"message", &signature[..63]), Err(CryptoError::Signature));
        assert_eq!(verify(key.public_spki(), b"message", &[0; 64]), Err(CryptoError::Signature), "all zero");
        for at in 0..signature.len() {
            let mut altered = signature;
            altered[at] ^= 1;
            assert_eq!(verify(key.public_spki(), b"message", &altered), Err(CryptoError::Signature), "byte {at}");
        }
    }

    #[test]
    fn a_seed_is_a_key() {
        // RFC 8032 section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed = crate::hash::unhex(seed).unwrap().try_into().unwrap();
        let key = TokenKey::ed25519_from_seed(&Secret::new(seed)).unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(crate::hash::hex(key.public_spki()).ends_with(public));
        assert!(
            crate::hash::hex(&key.sign(b"").unwrap()).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")
        );
    }

    #[test]
    fn the_other_form_of_a_signature_does_not_count() {
        let pair = KeyPair::generate().unwrap();
        let asn1 = pair.sign(b"message").unwrap();
        assert_eq!(verify(pair.public_spki(), b"message", &asn1), Err(CryptoError::Signature));
    }

    #[test]
    fn tells_the_coordinates_of_a_point() {
        let key = TokenKey::generate().unwrap();
        let (x, y) = coordinates(key.public_spki()).unwrap();
        assert!(key.public_spki().ends_with(&[x, y].concat()));
        assert_eq!(from_coordinates(&x, &y).unwrap(), key.public_spki());
        assert_eq!(from_coordinates(&x, &x), Err(CryptoError::UnsupportedKey), "not on the curve");
        assert_eq!(from_coordinates(&x[1..], &y), Err(CryptoError::UnsupportedKey));
        assert!(coordinates(&key.public_spki()[1..]).is_err());
    }
}
