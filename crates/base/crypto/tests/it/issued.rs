//! What we issue: read back and verified, it says what was asked for and no more.

use crate::NOW;
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::cert::{self, Usage, verify_path};
use bartizan_crypto::forge::{KeyUsage, Recipe};
use bartizan_crypto::issue::{self, Issuer, Validity};
use bartizan_crypto::{CryptoError, KeyPair, hash};
use std::time::Duration;

const VALID: Validity = Validity { not_before: NOW, not_after: Timestamp::from_secs(NOW.as_secs() + 3600) };

fn domain() -> TrustDomain {
    TrustDomain::parse("bank.test").unwrap()
}

fn root() -> Issuer {
    let key = KeyPair::generate().unwrap();
    let certificate = issue::root(&key, &domain(), [1; 16], VALID).unwrap();
    Issuer::new(key, &certificate).unwrap()
}

#[test]
fn refuses_to_join_certificates_with_keys_that_may_not_sign() {
    let leaf = Recipe::leaf("spiffe://bank.test/svc/accounts", NOW).self_signed();
    assert!(matches!(Issuer::new(leaf.key, &leaf.der), Err(CryptoError::Malformed { .. })), "no CA");
    let ca = Recipe::ca("CA", NOW).self_signed();
    assert!(
        matches!(Issuer::new(KeyPair::generate().unwrap(), &ca.der), Err(CryptoError::Malformed { .. })),
        "other key"
    );
    let mute = Recipe::ca("CA", NOW).with(|r| r.key_usage = vec![KeyUsage::CrlSign]).self_signed();
    assert!(matches!(Issuer::new(mute.key, &mute.der), Err(CryptoError::Malformed { .. })), "no keyCertSign");
    assert!(Issuer::new(KeyPair::generate().unwrap(), b"").is_err(), "no certificate");
}

#[test]
fn refuses_keys_and_names_that_do_not_fit() {
    let (root, key) = (root(), KeyPair::generate().unwrap());
    let id = SpiffeId::parse("spiffe://bank.test/svc/accounts").unwrap();
    assert_eq!(issue::leaf(&root, b"no key", &id, [2; 16], VALID), Err(CryptoError::UnsupportedKey));
    let spki = key.public_spki();
    assert!(issue::edge(&root, spki, &[], &[], [2; 16], VALID).is_err(), "no name at all");
    assert!(issue::edge(&root, spki, &["b\u{e4}nk.test".to_owned()], &[], [2; 16], VALID).is_err(), "not ASCII");
}

#[test]
fn leaves_name_one_uri_and_lead_to_their_root() {
    let root = root();
    let issuing_key = KeyPair::generate().unwrap();
    let issuing = issue::intermediate(&root, issuing_key.public_spki(), &domain(), [2; 16], VALID).unwrap();
    let issuing = Issuer::new(issuing_key, &issuing).unwrap();
    let key = KeyPair::generate().unwrap();
    let id = SpiffeId::parse("spiffe://bank.test/svc/accounts").unwrap();
    let leaf = issue::leaf(&issuing, key.public_spki(), &id, [0xff; 16], VALID).unwrap();

    let read = cert::read(&leaf).unwrap();
    assert_eq!(read.uris(), [id.as_str()]);
    assert!(!read.has_other_sans() && !read.is_ca());
    assert_eq!((read.not_before(), read.not_after()), (VALID.not_before, VALID.not_after));
    assert_eq!(read.spki(), key.public_spki());
    assert_eq!(read.serial_hex(), hash::hex(&issue::serial([0xff; 16])));
    assert_eq!(read.serial_hex(), "7fffffffffffffffffffffffffffffff", "positive, and 16 bytes");
    let roots = [root.certificate().to_vec()];
    verify_path(&[&leaf, issuing.certificate()], &roots, NOW, Usage::Peer).unwrap();

    // The issuing CA may issue leaves only, the root one CA more.
    let third_key = KeyPair::generate().unwrap();
    let third = issue::intermediate(&issuing, third_key.public_spki(), &domain(), [3; 16], VALID).unwrap();
    let third = Issuer::new(third_key, &third).unwrap();
    let below = issue::leaf(&third, key.public_spki(), &id, [4; 16], VALID).unwrap();
    verify_path(&[&below, third.certificate(), issuing.certificate()], &roots, NOW, Usage::Peer).unwrap_err();
}

#[test]
fn signers_carry_the_id_of_their_domain_and_names_of_their_own() {
    let (one, key) = (root(), KeyPair::generate().unwrap());
    let read = cert::read(one.certificate()).unwrap();
    assert_eq!(read.uris(), ["spiffe://bank.test"]);
    let usage = read.key_usage().unwrap();
    assert!(read.is_ca() && usage.key_cert_sign && usage.crl_sign && !usage.digital_signature);

    let name = |serial| {
        let der = issue::root(&key, &domain(), serial, VALID).unwrap();
        let at = der.windows(8).position(|window| window == b"Bartizan").unwrap();
        der[at..at + 22].to_vec()
    };
    assert_ne!(name([1; 16]), name([2; 16]), "two roots of one domain have two names");
}

#[test]
fn edge_certificates_are_for_servers_and_hosts() {
    let root = root();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned()];
    let ips = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
    let edge = issue::edge(&root, key.public_spki(), &names, &ips, [5; 16], VALID).unwrap();
    let read = cert::read(&edge).unwrap();
    assert!(read.uris().is_empty() && read.has_other_sans(), "no SPIFFE ID for outsiders to see");
    let roots = [root.certificate().to_vec()];
    verify_path(&[&edge], &roots, NOW, Usage::Server).unwrap();
    verify_path(&[&edge], &roots, NOW, Usage::Client).unwrap_err();
    for needle in [&b"localhost"[..], &[0x87, 4, 127, 0, 0, 1], &[0x87, 16, 0, 0]] {
        assert!(edge.windows(needle.len()).any(|window| window == needle), "{needle:?} is not in it");
    }
}

#[test]
fn a_validity_beyond_the_calendar_ends_with_it() {
    let key = KeyPair::generate().unwrap();
    let endless = Validity { not_before: NOW, not_after: Timestamp::from_millis(u64::MAX) };
    let certificate = issue::root(&key, &domain(), [1; 16], endless).unwrap();
    let read = cert::read(&certificate).unwrap();
    assert_eq!(read.not_after(), Timestamp::from_secs(253_402_300_799));
    assert!(read.not_after() > NOW.plus(Duration::from_secs(1)));
}
