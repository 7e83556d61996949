//! ECDSA P-256 key pairs, and signatures with SHA-256 in ASN.1 DER.

use crate::error::CryptoError;
use crate::limits::{KEY_PEM_BYTES_MAX, PKCS8_BYTES_MAX};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use bartizan_core::Secret;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::fmt;

/// What comes before the point in the SubjectPublicKeyInfo of every P-256 key (RFC 5480 section 2.1.1).
pub(crate) const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, // SEQUENCE, 89 bytes
    0x30, 0x13, // SEQUENCE, 19 bytes: algorithm
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, // id-ecPublicKey
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, // secp256r1
    0x03, 0x42, 0x00, // BIT STRING, 66 bytes, no unused bits
];
/// Length of an uncompressed point: 4, then two coordinates of 32 bytes.
const POINT_BYTES: usize = 65;

/// A P-256 key that signs, wherever its private half is.
pub trait Sign {
    /// The public key as DER of a SubjectPublicKeyInfo.
    fn public_spki(&self) -> &[u8];

    /// Signs `message` (ES256, the signature in ASN.1 DER).
    ///
    /// # Errors
    /// [`CryptoError`] where the library or the token refuses.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Why the last signature was not made, where that is known and was not asked for yet.
    fn failure(&self) -> Option<CryptoError> {
        None
    }
}

impl Sign for KeyPair {
    fn public_spki(&self) -> &[u8] {
        Self::public_spki(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Self::sign(self, message)
    }
}

impl<K: Sign> Sign for &K {
    fn public_spki(&self) -> &[u8] {
        (**self).public_spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        (**self).sign(message)
    }

    fn failure(&self) -> Option<CryptoError> {
        (**self).failure()
    }
}

/// A private key and its public half. It leaves the process only through [`KeyPair::pkcs8`], sealed by the caller.
pub struct KeyPair {
    inner: EcdsaKeyPair,
    pkcs8: Secret<Vec<u8>>,
    spki: Vec<u8>,
}

impl KeyPair {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library has none to give.
    pub fn generate() -> Result<Self, CryptoError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|e| CryptoError::Library { what: "making a key", why: e.to_string() })?;
        Self::from_pkcs8(&Secret::new(document.as_ref().to_vec()))
    }

    /// The key that [`KeyPair::pkcs8`] wrote.
    ///
    /// # Errors
    /// [`CryptoError`] where it is too long, broken, or no P-256 key.
    pub fn from_pkcs8(pkcs8: &Secret<Vec<u8>>) -> Result<Self, CryptoError> {
        let bytes = pkcs8.expose();
        if bytes.len() > PKCS8_BYTES_MAX {
            return Err(CryptoError::TooLarge { what: "private key", bytes: bytes.len(), max: PKCS8_BYTES_MAX });
        }
        let inner = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes)
            .map_err(|e| CryptoError::Malformed { what: "P-256 private key", why: e.to_string() })?;
        let mut spki = P256_SPKI_PREFIX.to_vec();
        spki.extend_from_slice(inner.public_key().as_ref());
        Ok(Self { inner, pkcs8: Secret::new(bytes.clone()), spki })
    }

    /// The private key as PKCS#8 DER.
    pub fn pkcs8(&self) -> Secret<Vec<u8>> {
        Secret::new(self.pkcs8.expose().clone())
    }

    /// The public key as DER of a SubjectPublicKeyInfo.
    pub fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    /// Signs `message` (ES256, the signature in ASN.1 DER).
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library has no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = self
            .inner
            .sign(&SystemRandom::new(), message)
            .map_err(|e| CryptoError::Library { what: "signing", why: e.to_string() })?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", crate::hash::hex(&crate::hash::sha256(&self.spki)[..8]))
    }
}

/// The first private key in a PEM text, as PKCS#8 or as SEC 1 (`EC PRIVATE KEY`) has it; text around it is skipped.
///
/// # Errors
/// [`CryptoError`] where it is too long, there is none, or it is no P-256 key.
pub fn from_pem(text: &Secret<String>) -> Result<KeyPair, CryptoError> {
    let malformed = |why: String| CryptoError::Malformed { what: "private key", why };
    let text = text.expose().as_bytes();
    if text.len() > KEY_PEM_BYTES_MAX {
        return Err(CryptoError::TooLarge { what: "private key", bytes: text.len(), max: KEY_PEM_BYTES_MAX });
    }
    match PrivateKeyDer::from_pem_slice(text).map_err(|e| malformed(e.to_string()))? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(&Secret::new(der.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Sec1(der) => {
            let der = Secret::new(der.secret_sec1_der().to_vec());
            let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der.expose());
            let document = key.map_err(|e| malformed(e.to_string()))?.to_pkcs8v1();
            let document = document.map_err(|e| malformed(e.to_string()))?;
            KeyPair::from_pkcs8(&Secret::new(document.as_ref().to_vec()))
        }
        _ => Err(CryptoError::UnsupportedKey),
    }
}

/// The private key as PEM text (`PRIVATE KEY`), for programs that read nothing else.
pub fn pem(key: &KeyPair) -> Secret<String> {
    let text = Secret::new(crate::base64::encode(key.pkcs8().expose()));
    let mut pem = String::with_capacity(2 * text.expose().len() + 60); // never moved, so that one copy is wiped
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in text.expose().as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Secret::new(pem)
}

/// Checks that `signature` over `message` was made by the key whose SubjectPublicKeyInfo is `spki`.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] for another key than P-256, [`CryptoError::Signature`] where it does not fit.
pub fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    parse(spki)?.1.verify_sig(message, signature).map_err(|_| CryptoError::Signature)
}

/// Checks that `spki` is DER of a SubjectPublicKeyInfo with a point on P-256, uncompressed.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] for anything else.
pub fn check_spki(spki: &[u8]) -> Result<(), CryptoError> {
    point_of(spki).map(drop)
}

/// The point inside `spki`, checked to lie on the curve.
pub(crate) fn point_of(spki: &[u8]) -> Result<&[u8], CryptoError> {
    parse(spki).map(|(point, _)| point)
}

fn parse(spki: &[u8]) -> Result<(&[u8], ParsedPublicKey), CryptoError> {
    let point = spki.strip_prefix(&P256_SPKI_PREFIX).ok_or(CryptoError::UnsupportedKey)?;
    if point.len() != POINT_BYTES || point[0] != 4 {
        return Err(CryptoError::UnsupportedKey);
    }
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| CryptoError::UnsupportedKey)?;
    Ok((point, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_wrong_signature() {
        let key = KeyPair::generate().unwrap();
        let other = KeyPair::generate().unwrap();
        let signature = key.sign(b"message").unwrap();
        verify(key.public_spki(), b"message", &signature).unwrap();

        assert_eq!(verify(key.public_spki(), b"messagf", &signature), Err(CryptoError::Signature));
        assert_eq!(verify(other.public_spki(), b"message", &signature), Err(CryptoError::Signature));
        assert_eq!(verify(key.public_spki(), b"message", b""), Err(CryptoError::Signature));
        for at in 0..signature.len() {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert_eq!(verify(key.public_spki(), b"message", &altered), Err(CryptoError::Signature), "byte {at}");
        }
    }

    #[test]
    fn refuses_public_keys_that_are_not_points_on_p256() {
        let key = KeyPair::generate().unwrap();
        let good = key.public_spki();
        check_spki(good).unwrap();

        let mut off_curve = good.to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        let mut compressed = good[..26 + 33].to_vec();
        compressed[26] = 2;
        let infinity = [&good[..26], &[0; 65]].concat();
        for (spki, why) in [
            (&b""[..], "empty"),
            (&good[..90], "cut short"),
            (&[good, b"x"].concat(), "trailing byte"),
            (&off_curve, "not on the curve"),
            (&compressed, "compressed"),
            (&infinity, "point at infinity"),
            (&good[26..], "a bare point"),
        ] {
            assert_eq!(check_spki(spki), Err(CryptoError::UnsupportedKey), "accepted, though {why}");
        }
    }

    #[test]
    fn reads_keys_as_openssl_writes_them() {
        // `openssl ecparam -name prime256v1 -genkey`: with parameters before it, as SEC 1.
        let sec1 = concat!(
            "-----BEGIN EC PARAMETERS-----\n",
            "BggqhkjOPQMBBw==\n",
            "-----END EC PARAMETERS-----\n",
            "-----BEGIN EC PRIVATE KEY-----\n",
            "MHcCAQEEIJ0I27r7ZUqqe45n7dYpaSqvocft9PB3UQZkcQJPk0FsoAoGCCqGSM49\n",
            "AwEHoUQDQgAEyyKya8HpZaFPXWNkIy6IA+FTX9YmvRrVRWmTGG0F8FMfc/A3u0uP\n",
            "5HA5sPUoyKvVfx/vdasaNaEIya5JrNFL8g==\n",
            "-----END EC PRIVATE KEY-----\n",
        );
        let read = from_pem(&Secret::new(sec1.to_owned())).unwrap();
        verify(read.public_spki(), b"m", &read.sign(b"m").unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        assert_eq!(from_pem(&pem(&key)).unwrap().public_spki(), key.public_spki());
        for (text, why) in [
            (String::new(), "empty"),
            (pem(&key).expose().replace("PRIVATE", "PUBLIC"), "another label"),
            (" ".repeat(KEY_PEM_BYTES_MAX + 1), "too long"),
        ] {
            assert!(from_pem(&Secret::new(text)).is_err(), "accepted, though {why}");
        }
    }

    #[test]
    fn reads_back_what_it_wrote_and_prints_no_secret() {
        let key = KeyPair::generate().unwrap();
        let again = KeyPair::from_pkcs8(&key.pkcs8()).unwrap();
        assert_eq!(again.public_spki(), key.public_spki());
        verify(key.public_spki(), b"m", &again.sign(b"m").unwrap()).unwrap();

        let printed = format!("{key:?}");
        assert!(printed.len() < 32, "{printed}");
        assert!(KeyPair::from_pkcs8(&Secret::new(vec![0; 138])).is_err());
        assert!(matches!(KeyPair::from_pkcs8(&Secret::new(vec![0; 4096])), Err(CryptoError::TooLarge { .. })));
    }
}
