//! Public keys as bare numbers, as passkeys bring them, and their signatures in the forms that are used there.

use crate::error::CryptoError;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey};

/// A public key with the one algorithm that it is for. A value was checked to be a point on its curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawKey {
    /// P-256, both coordinates one after the other; signatures with SHA-256 in ASN.1 DER.
    P256([u8; 64]),
    /// Ed25519.
    Ed25519([u8; 32]),
}

impl RawKey {
    /// A point on P-256.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedKey`] where it is not on the curve.
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, CryptoError> {
        let mut point = [0; 64];
        point[..32].copy_from_slice(x);
        point[32..].copy_from_slice(y);
        let key = Self::P256(point);
        key.parse().map(|_| key)
    }

    /// A point on Curve25519.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedKey`] where it is none.
    pub fn ed25519(point: &[u8; 32]) -> Result<Self, CryptoError> {
        let key = Self::Ed25519(*point);
        key.parse().map(|_| key)
    }

    /// Its bytes, from which [`Self::from_bytes`] makes it again.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::P256(point) => point,
            Self::Ed25519(point) => point,
        }
    }

    /// The inverse of [`Self::bytes`]: the two kinds have different lengths.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let key = match bytes.len() {
            64 => bytes.try_into().map(Self::P256),
            _ => bytes.try_into().map(Self::Ed25519),
        };
        let key = key.map_err(|_| CryptoError::UnsupportedKey)?;
        key.parse().map(|_| key)
    }

    /// Checks that `signature` over `message` was made by its private half.
    ///
    /// # Errors
    /// [`CryptoError::Signature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.parse()?.verify_sig(message, signature).map_err(|_| CryptoError::Signature)
    }

    fn parse(&self) -> Result<ParsedPublicKey, CryptoError> {
        let parsed = match self {
            Self::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, [&[4][..], point].concat()),
            Self::Ed25519(point) => ParsedPublicKey::new(&ED25519, point),
        };
        parsed.map_err(|_| CryptoError::UnsupportedKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyPair;

    #[test]
    fn a_point_beside_the_curve_and_another_signature_are_refused() {
        let pair = KeyPair::generate().unwrap();
        let point = &pair.public_spki()[27..];
        let (x, y): ([u8; 32], [u8; 32]) = (point[..32].try_into().unwrap(), point[32..].try_into().unwrap());
        let key = RawKey::p256(&x, &y).unwrap();
        let mut beside = y;
        beside[31] ^= 1;
        assert_eq!(RawKey::p256(&x, &beside), Err(CryptoError::UnsupportedKey));
        assert_eq!(RawKey::p256(&[0; 32], &[0; 32]), Err(CryptoError::UnsupportedKey));
        assert_eq!(RawKey::from_bytes(key.bytes()), Ok(key.clone()));
        assert_eq!(RawKey::from_bytes(&point[..63]), Err(CryptoError::UnsupportedKey));

        let signature = pair.sign(b"message").unwrap();
        key.verify(b"message", &signature).unwrap();
        assert_eq!(key.verify(b"messagf", &signature), Err(CryptoError::Signature));
        assert_eq!(key.verify(b"message", b""), Err(CryptoError::Signature));
    }

    #[test]
    fn the_vector_of_rfc_8032() {
        // Section 7.1, test 2.
        let unhex = |text: &str| crate::hash::unhex(text).unwrap();
        let point = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").try_into().unwrap();
        let key = RawKey::ed25519(&point).unwrap();
        let signature = unhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        key.verify(&[0x72], &signature).unwrap();
        assert_eq!(key.verify(&[0x73], &signature), Err(CryptoError::Signature));
        assert_eq!(RawKey::from_bytes(key.bytes()), Ok(key));
    }
}
