//! Reading certificates: everything that is not one, whole and well-formed, is refused; nothing makes it panic.

use crate::NOW;
use bartizan_core::limits::CERT_BYTES_MAX;
use bartizan_crypto::CertError;
use bartizan_crypto::cert::{self, ExtKeyUsage, KeyUsage};
use bartizan_crypto::forge::{Ca, Extension, Recipe};
use proptest::prelude::*;
use std::sync::LazyLock;

const ID: &str = "spiffe://bank.test/svc/accounts";

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| Recipe::leaf(ID, NOW).self_signed().der);

#[test]
fn refuses_what_is_no_certificate() {
    let good = GOOD.as_slice();
    let not_ascii = replaced(good, b"/svc/", b"/s\xe9c/");
    let version_1 = replaced(good, &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 0]);
    for (der, why) in [
        (&b""[..], "empty"),
        (b"-----BEGIN CERTIFICATE-----", "PEM"),
        (&[0x30, 0x80], "indefinite length"),
        (&[0xff; 200], "garbage"),
        (&[good, b"\0"].concat(), "a byte after its end"),
        (&good[..good.len() - 1], "cut short"),
        (&not_ascii, "a URI that is not ASCII"),
        (&version_1, "version 1"),
    ] {
        assert!(matches!(cert::read(der), Err(CertError::Malformed { .. })), "accepted, though {why}");
    }
}

#[test]
fn refuses_large_certificates_before_parsing() {
    let large = Recipe::leaf(ID, NOW).with(|r| r.padding_bytes = CERT_BYTES_MAX).self_signed();
    assert!(matches!(cert::read(&large.der), Err(CertError::TooLarge { .. })));
    let garbage = vec![0; CERT_BYTES_MAX + 1];
    assert_eq!(cert::read(&garbage), Err(CertError::TooLarge { bytes: CERT_BYTES_MAX + 1, max: CERT_BYTES_MAX }));

    let just_small_enough = Recipe::leaf(ID, NOW).with(|r| r.padding_bytes = CERT_BYTES_MAX - 1024).self_signed();
    cert::read(&just_small_enough.der).unwrap();
}

#[test]
fn refuses_extensions_that_are_doubled_or_broken() {
    let subject_alt_name = |value: &[u8]| Extension { oid: vec![2, 5, 29, 17], critical: false, value: value.to_vec() };
    let one_uri = [&[0x30, 0x15, 0x86, 0x13][..], b"spiffe://a.test/svc"].concat();

    let doubled = Recipe::leaf(ID, NOW).with(|r| r.extensions.push(subject_alt_name(&one_uri))).self_signed();
    assert!(matches!(cert::read(&doubled.der), Err(CertError::Malformed { .. })), "two lists of names");

    for (value, why) in [
        (&[0x30, 0x15][..], "cut short"),
        (&[0x04, 0x01, 0x00], "no list"),
        (&[0x30, 0x05, 0x86, 0x03, b'a', 0xff, b'b'], "a URI that is not ASCII"),
    ] {
        let recipe = Recipe::leaf(ID, NOW).with(|r| {
            r.uris.clear();
            r.extensions.push(subject_alt_name(value));
        });
        assert!(matches!(cert::read(&recipe.self_signed().der), Err(CertError::Malformed { .. })), "{why}");
    }
}

#[test]
fn tells_what_a_certificate_says() {
    let recipe = Recipe::leaf(ID, NOW).with(|r| {
        r.uris.push("https://bank.test/".to_owned());
        r.dns_names.push("accounts.bank.test".to_owned());
    });
    let forged = recipe.self_signed();
    let cert = cert::read(&forged.der).unwrap();
    assert_eq!(cert.uris(), [ID, "https://bank.test/"]);
    assert!(cert.has_other_sans() && !cert.is_ca());
    assert_eq!(cert.key_usage().unwrap(), KeyUsage { digital_signature: true, ..KeyUsage::default() });
    assert_eq!(cert.ext_key_usage().unwrap(), ExtKeyUsage { server_auth: true, client_auth: true });
    assert_eq!((cert.not_before(), cert.not_after()), (recipe.not_before, recipe.not_after));
    assert_eq!(cert.spki(), forged.key.public_spki());

    let ca = cert::read(&Recipe::ca("CA", NOW).self_signed().der).unwrap();
    assert!(ca.is_ca() && ca.uris().is_empty() && !ca.has_other_sans() && ca.ext_key_usage().is_none());
    assert!(ca.key_usage().unwrap().key_cert_sign);

    let bare = Recipe::leaf(ID, NOW).with(|r| {
        r.ca = Ca::Unsaid;
        r.key_usage.clear();
        r.ext_key_usage.clear();
    });
    let bare = cert::read(&bare.self_signed().der).unwrap();
    assert_eq!((bare.is_ca(), bare.key_usage(), bare.ext_key_usage()), (false, None, None));
}

fn replaced(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = der.windows(from.len()).position(|window| window == from).unwrap();
    [&der[..at], to, &der[at + from.len()..]].concat()
}

proptest! {
    #[test]
    fn any_bytes_read_or_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(cert::read(&bytes).is_err(), "random bytes read as a certificate");
    }

    /// Bytes that are almost a certificate reach deeper into the parser than random ones.
    #[test]
    fn mutated_certificates_read_or_are_refused_without_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut der = GOOD.clone();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        if !whole {
            der.truncate(cut.index(der.len()));
        }
        if let Ok(cert) = cert::read(&der) {
            prop_assert_eq!(cert::read(&der).unwrap(), cert, "reading is a function of the bytes");
        }
    }
}
