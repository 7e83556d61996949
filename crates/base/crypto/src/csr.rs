//! Certificate requests (PKCS#10): a public key with the proof that the sender holds the private one. Names in them are
//! ignored: who somebody is comes from attestation, never from the request.

use crate::error::CryptoError;
use crate::issue::Signer;
use crate::key::{self, KeyPair};
use crate::limits::CSR_BYTES_MAX;
use rcgen::{CertificateParams, DistinguishedName};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A P-256 key whose holder proved to have the private half. [`check`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsrKey {
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
}

/// A request for `key`, DER, without names.
///
/// # Errors
/// [`CryptoError::Library`] where signing fails.
pub fn make(key: &KeyPair) -> Result<Vec<u8>, CryptoError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params
        .serialize_request(&Signer(key))
        .map_err(|e| CryptoError::Library { what: "making a certificate request", why: e.to_string() })?;
    Ok(request.der().to_vec())
}

/// Checks size, key and signature of a request.
///
/// # Errors
/// [`CryptoError`]: too large, unreadable, another key than P-256, a signature that is wrong or of another kind.
pub fn check(der: &[u8]) -> Result<CsrKey, CryptoError> {
    let malformed = |why: String| CryptoError::Malformed { what: "certificate request", why };
    if der.len() > CSR_BYTES_MAX {
        return Err(CryptoError::TooLarge { what: "certificate request", bytes: der.len(), max: CSR_BYTES_MAX });
    }
    let (rest, request) =
        X509CertificationRequest::from_der(der).map_err(|e| malformed(e.to_string().to_lowercase()))?;
    if !rest.is_empty() {
        return Err(malformed("there are bytes after its end".to_owned()));
    }
    let spki = request.certification_request_info.subject_pki.raw;
    key::check_spki(spki)?;
    let info = request.certification_request_info.raw;
    let signature = &request.signature_value.data;
    // The parser forgives odd tags and lengths; nobody needs that, so there is one encoding for each request.
    if der != encoded(info, signature) {
        return Err(malformed("it is not signed with ECDSA and SHA-256, or not strict DER".to_owned()));
    }
    key::verify(spki, info, signature)?;
    Ok(CsrKey { spki: spki.to_vec() })
}

/// The one right encoding of a request from its signed part and its signature.
fn encoded(info: &[u8], signature: &[u8]) -> Vec<u8> {
    const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]; // RFC 5758 section 3.2
    let bit_string = tagged(0x03, &[&[0], signature]);
    tagged(0x30, &[info, &ECDSA_WITH_SHA256, &bit_string])
}

/// One DER value; its length is below 64 KiB, as [`CSR_BYTES_MAX`] sees to.
fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut der = vec![tag];
    match content.len().to_be_bytes() {
        [.., 0, short] if short < 0x80 => der.push(short),
        [.., 0, long] => der.extend([0x81, long]),
        [.., high, low] => der.extend([0x82, high, low]),
    }
    der.extend(content);
    der
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_a_request_in_which_anything_was_altered() {
        let key = KeyPair::generate().unwrap();
        let der = make(&key).unwrap();
        assert_eq!(check(&der).unwrap().spki, key.public_spki());
        for at in 0..der.len() {
            for flip in [1, 0x80] {
                let mut altered = der.clone();
                altered[at] ^= flip;
                assert!(check(&altered).is_err(), "byte {at} changed by {flip:#x}");
            }
            assert!(check(&der[..at]).is_err(), "cut at {at}");
        }
        assert!(check(&[&der[..], b"\0"].concat()).is_err(), "a byte after the end");
    }

    #[test]
    fn refuses_somebody_elses_key() {
        let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let der = make(&mine).unwrap();
        let at = der.windows(91).position(|window| window == mine.public_spki()).unwrap();
        let stolen = [&der[..at], theirs.public_spki(), &der[at + 91..]].concat();
        assert_eq!(check(&stolen), Err(CryptoError::Signature));
    }

    #[test]
    fn refuses_large_requests_before_parsing() {
        assert!(matches!(check(&vec![0x30; CSR_BYTES_MAX + 1]), Err(CryptoError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(check(&bytes).is_err());
        }
    }
}
