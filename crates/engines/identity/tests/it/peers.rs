//! `verify_peer`: one rule of X.509-SVID after the other is broken, and each is refused for its own cause.

use crate::{Fleet, NOW, later, service, slices};
use bartizan_core::event::HandshakeFailure as Failure;
use bartizan_core::limits::{CERT_BYTES_MAX, CHAIN_CERTS_MAX};
use bartizan_core::snapshot::Bundles;
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::forge::{Ca, ExtKeyUsage, Extension, Forged, KeyUsage, Recipe};
use bartizan_identity::{TrustBundles, VerifiedPeer, expect_peer, verify_peer};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;

const ID: &str = "spiffe://bank.test/svc/accounts";

/// Forged authorities of `bank.test` and `other.test`; a verifier that holds the bundles of both.
struct Two {
    bank: Pki,
    other: Pki,
    bundles: TrustBundles,
}

struct Pki {
    root: Forged,
    issuing: Forged,
}

impl Pki {
    fn new() -> Self {
        let root = Recipe::ca("root", NOW).self_signed();
        let issuing = Recipe::ca("issuing", NOW).with(|r| r.ca = Ca::Below(0)).signed_by(&root);
        Self { root, issuing }
    }

    fn chain(&self, leaf: &Recipe) -> Vec<Vec<u8>> {
        vec![leaf.signed_by(&self.issuing).der, self.issuing.der.clone()]
    }
}

static TWO: LazyLock<Two> = LazyLock::new(|| {
    let (bank, other) = (Pki::new(), Pki::new());
    let bundles = bundles(&[("bank.test", &[&bank.root]), ("other.test", &[&other.root])]);
    Two { bank, other, bundles }
});

fn bundles(domains: &[(&str, &[&Forged])]) -> TrustBundles {
    let texts = |roots: &[&Forged]| roots.iter().map(|root| base64::encode(&root.der)).collect();
    let roots = domains.iter().map(|(domain, roots)| (TrustDomain::parse(domain).unwrap(), texts(roots))).collect();
    TrustBundles::read(&Bundles { roots, ..Bundles::default() }).unwrap()
}

fn verify(chain: &[Vec<u8>], now: Timestamp) -> Result<VerifiedPeer, Failure> {
    verify_peer(&slices(chain), &TWO.bundles, now).map_err(|refusal| refusal.failure)
}

/// A leaf of `bank.test`, changed, is refused as no SVID.
fn no_svid(why: &str, change: impl FnOnce(&mut Recipe)) {
    let chain = TWO.bank.chain(&Recipe::leaf(ID, NOW).with(change));
    assert_eq!(verify(&chain, NOW), Err(Failure::BadSvid), "{why}");
}

#[test]
fn refuses_nobody() {
    assert_eq!(verify(&[], NOW), Err(Failure::NoCertificate));
}

#[test]
fn refuses_leaves_that_are_no_svid() {
    no_svid("no URI", |r| r.uris.clear());
    no_svid("a DNS name only", |r| {
        r.uris.clear();
        r.dns_names.push("accounts.bank.test".to_owned());
    });
    no_svid("two URIs", |r| r.uris.push("spiffe://bank.test/svc/ledger".to_owned()));
    no_svid("the same URI twice", |r| r.uris.push(ID.to_owned()));
    no_svid("two URIs, one of them no SPIFFE ID", |r| r.uris.push("https://bank.test/".to_owned()));
    for uri in [
        "https://bank.test/svc/accounts",
        "spiffe://bank.test",
        "spiffe://bank.test/",
        "spiffe://bank.test/svc/../svc/accounts",
        "spiffe://bank.test/svc//accounts",
        "spiffe://Bank.test/svc/accounts",
        "spiffe://bank.test:443/svc/accounts",
        "spiffe://me@bank.test/svc/accounts",
        "spiffe://bank.test/svc/accounts?admin",
        "spiffe://bank.test/svc/%61ccounts",
        "",
    ] {
        no_svid(uri, |r| r.uris = vec![uri.to_owned()]);
    }
    no_svid("longer than a SPIFFE ID may be", |r| r.uris = vec![format!("{ID}/{}", "a".repeat(2048))]);

    no_svid("a CA as leaf", |r| r.ca = Ca::Unlimited);
    no_svid("a CA as leaf, with a CA's usage", |r| {
        r.ca = Ca::Unlimited;
        r.key_usage = vec![KeyUsage::DigitalSignature, KeyUsage::KeyCertSign];
    });
    no_svid("no key usage", |r| r.key_usage.clear());
    no_svid("no digitalSignature", |r| r.key_usage = vec![KeyUsage::KeyAgreement]);
    no_svid("keyCertSign", |r| r.key_usage.push(KeyUsage::KeyCertSign));
    no_svid("cRLSign", |r| r.key_usage.push(KeyUsage::CrlSign));
    no_svid("a server only", |r| r.ext_key_usage = vec![ExtKeyUsage::ServerAuth]);
    no_svid("a client only", |r| r.ext_key_usage = vec![ExtKeyUsage::ClientAuth]);
    no_svid("another purpose", |r| r.ext_key_usage = vec![ExtKeyUsage::CodeSigning]);
    no_svid("any purpose", |r| r.ext_key_usage = vec![ExtKeyUsage::Any]);
    no_svid("a critical extension that nobody knows", |r| {
        r.extensions.push(Extension { oid: vec![1, 3, 6, 1, 4, 1, 99999, 3], critical: true, value: vec![5, 0] });
    });
    no_svid("an oversized certificate", |r| r.padding_bytes = CERT_BYTES_MAX);
}

#[test]
fn accepts_what_the_standard_leaves_open() {
    let accepted = |why: &str, change: &dyn Fn(&mut Recipe)| {
        let chain = TWO.bank.chain(&Recipe::leaf(ID, NOW).with(change));
        let peer = verify(&chain, NOW).unwrap_or_else(|failure| panic!("{why}: {failure:?}"));
        assert_eq!(peer.id().as_str(), ID);
    };
    accepted("no extended key usage", &|r| r.ext_key_usage.clear());
    accepted("no basic constraints", &|r| r.ca = Ca::Unsaid);
    accepted("a DNS name beside the URI", &|r| r.dns_names.push("accounts.bank.test".to_owned()));
    accepted("a subject", &|r| r.subject = "spiffe://other.test/svc/accounts".to_owned());
    accepted("further usages", &|r| r.key_usage.push(KeyUsage::KeyAgreement));
}

#[test]
fn keeps_to_dates_to_the_second() {
    let second = Duration::from_secs(1);
    let recipe = Recipe::leaf(ID, NOW);
    let chain = TWO.bank.chain(&recipe);
    assert_eq!(verify(&chain, recipe.not_before.minus(second)), Err(Failure::NotYetValid));
    let peer = verify(&chain, recipe.not_before).unwrap();
    assert_eq!(peer.not_after(), recipe.not_after);
    verify(&chain, recipe.not_after).unwrap();
    assert_eq!(verify(&chain, recipe.not_after.plus(second)), Err(Failure::Expired));
    assert_eq!(verify(&chain, Timestamp::from_secs(0)), Err(Failure::NotYetValid), "a clock before 1970");
    assert_eq!(verify(&chain, Timestamp::from_millis(u64::MAX)), Err(Failure::Expired), "a clock at the end of time");
}

#[test]
fn a_peer_counts_no_longer_than_its_whole_chain() {
    let second = Duration::from_secs(1);
    let short = |not_after| {
        let issuing = Recipe::ca("short", NOW).with(|r| r.not_after = not_after).signed_by(&TWO.bank.root);
        let leaf = Recipe::leaf(ID, NOW).signed_by(&issuing);
        vec![leaf.der, issuing.der]
    };
    assert_eq!(verify(&short(NOW.minus(second)), NOW), Err(Failure::Expired));
    assert_eq!(verify(&short(later(10)), NOW).unwrap().not_after(), later(10), "the issuer ends before the leaf");
}

#[test]
fn refuses_those_whom_no_root_of_their_domain_vouches_for() {
    let untrusted = |chain: &[Vec<u8>], why: &str| {
        assert_eq!(verify(chain, NOW), Err(Failure::UntrustedIssuer), "{why}");
    };
    let good = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    verify(&good, NOW).unwrap();

    untrusted(&Pki::new().chain(&Recipe::leaf(ID, NOW)), "another CA with the same names");
    untrusted(&[Recipe::leaf(ID, NOW).self_signed().der], "signed by itself");
    untrusted(&good[..1], "the issuer is missing");
    untrusted(&TWO.other.chain(&Recipe::leaf(ID, NOW)), "a known CA, but of another trust domain");

    let foreign_path = "spiffe://other.test/svc/accounts";
    untrusted(&TWO.bank.chain(&Recipe::leaf(foreign_path, NOW)), "our CA names somebody of another domain");
    let theirs = verify(&TWO.other.chain(&Recipe::leaf(foreign_path, NOW)), NOW).unwrap();
    assert_eq!(theirs.id().role_in(&TrustDomain::parse("bank.test").unwrap()), None, "the same path is nobody here");

    let mut tampered = good.clone();
    *tampered[0].last_mut().unwrap() ^= 1;
    untrusted(&tampered, "the leaf's signature");
    let mut tampered = good.clone();
    *tampered[1].last_mut().unwrap() ^= 1;
    untrusted(&tampered, "the issuer's signature");
    let at = good[0].windows(12).position(|window| window == b"svc/accounts").unwrap();
    let mut tampered = good.clone();
    tampered[0][at + 4..at + 12].copy_from_slice(b"payments");
    untrusted(&tampered, "another name under the old signature");
}

#[test]
fn refuses_issuers_that_may_not_issue() {
    let untrusted = |why: &str, change: &dyn Fn(&mut Recipe)| {
        let issuing = Recipe::ca("issuing", NOW).with(change).signed_by(&TWO.bank.root);
        let chain = [Recipe::leaf(ID, NOW).signed_by(&issuing).der, issuing.der];
        assert_eq!(verify(&chain, NOW), Err(Failure::UntrustedIssuer), "{why}");
    };
    untrusted("no CA", &|r| r.ca = Ca::No);
    untrusted("no CA, since unsaid", &|r| r.ca = Ca::Unsaid);
    untrusted("no keyCertSign", &|r| r.key_usage = vec![KeyUsage::CrlSign]);
    untrusted("no key usage", &|r| r.key_usage.clear());
    untrusted("of another domain", &|r| r.uris = vec!["spiffe://other.test".to_owned()]);
    untrusted("with a name that is none", &|r| r.uris = vec!["spiffe://BANK.test".to_owned()]);
    untrusted("for servers only", &|r| r.ext_key_usage = vec![ExtKeyUsage::ServerAuth]);

    // A workload that issues with its own certificate.
    let workload = Recipe::leaf("spiffe://bank.test/svc/ledger", NOW).with(|r| r.subject = "ledger".to_owned());
    let workload = workload.signed_by(&TWO.bank.issuing);
    let forged = Recipe::leaf(ID, NOW).signed_by(&workload);
    let chain = [forged.der, workload.der, TWO.bank.issuing.der.clone()];
    assert_eq!(verify(&chain, NOW), Err(Failure::UntrustedIssuer));

    // Unneeded company is judged as well.
    let mut chain = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    chain.push(Recipe::leaf(ID, NOW).self_signed().der);
    assert_eq!(verify(&chain, NOW), Err(Failure::UntrustedIssuer), "a leaf among the issuers");
    chain[2] = b"garbage".to_vec();
    assert_eq!(verify(&chain, NOW), Err(Failure::UntrustedIssuer), "garbage among the issuers");
    chain[2] = TWO.bank.root.der.clone();
    verify(&chain, NOW).expect("the root may come along");
}

#[test]
fn refuses_domains_without_a_bundle_or_with_an_empty_one() {
    let foreign = TWO.bank.chain(&Recipe::leaf("spiffe://third.test/svc/accounts", NOW));
    assert_eq!(verify(&foreign, NOW), Err(Failure::ForeignDomain));

    let chain = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    let refused = |bundles: &TrustBundles| verify_peer(&slices(&chain), bundles, NOW).unwrap_err().failure;
    assert_eq!(refused(&TrustBundles::default()), Failure::ForeignDomain);
    assert_eq!(refused(&bundles(&[("other.test", &[&TWO.bank.root])])), Failure::ForeignDomain);
    assert_eq!(refused(&bundles(&[("bank.test", &[])])), Failure::UntrustedIssuer, "known, and trusts nobody");
}

#[test]
fn a_root_counts_only_while_it_is_in_date() {
    let stale = Recipe::ca("root", NOW).with(|r| r.not_after = NOW.minus(Duration::from_secs(1))).self_signed();
    let early = Recipe::ca("root", NOW).with(|r| r.not_before = later(1)).self_signed();
    let chain = |root: &Forged| vec![Recipe::leaf(ID, NOW).signed_by(root).der];
    let judge = |chain: &[Vec<u8>], roots: &[&Forged]| {
        let bundles = bundles(&[("bank.test", roots)]);
        verify_peer(&slices(chain), &bundles, NOW).map(|_| ()).map_err(|refusal| refusal.failure)
    };
    assert_eq!(judge(&chain(&stale), &[&stale]), Err(Failure::Expired));
    assert_eq!(judge(&chain(&early), &[&early]), Err(Failure::NotYetValid));
    assert_eq!(judge(&chain(&stale), &[&stale, &TWO.bank.root]), Err(Failure::UntrustedIssuer));
    assert_eq!(judge(&chain(&TWO.bank.root), &[&stale, &TWO.bank.root]), Ok(()), "in the middle of a rotation");
}

#[test]
fn refuses_chains_by_number_and_size_before_anything_else() {
    let garbage = vec![b"garbage".to_vec(); CHAIN_CERTS_MAX + 1];
    assert_eq!(verify(&garbage, NOW), Err(Failure::BadSvid));
    let mut chain = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    chain.push(vec![0; CERT_BYTES_MAX + 1]);
    assert_eq!(verify(&chain, NOW), Err(Failure::BadSvid));
    let mut chain = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    chain.extend(vec![TWO.bank.issuing.der.clone(); CHAIN_CERTS_MAX - 1]);
    assert_eq!(verify(&chain, NOW), Err(Failure::BadSvid), "one certificate too many, all of them good");
}

#[test]
fn a_good_identity_is_still_the_wrong_one() {
    let fleet = Fleet::new("bank.test");
    let accounts = fleet.member(&service("accounts"));
    let peer = verify_peer(&slices(&accounts.svid.chain), &fleet.bundles, NOW).unwrap();
    assert_eq!(peer.serial(), accounts.svid.serial);
    assert_eq!(peer.spki(), accounts.key.public_spki());
    assert_eq!(peer.not_after(), accounts.svid.not_after);

    for (expected, why) in [
        ("spiffe://bank.test/svc/ledger", "another service"),
        ("spiffe://other.test/svc/accounts", "the same path in another domain"),
        ("spiffe://bank.test/svc/accounts/1", "a longer path"),
        ("spiffe://bank.test/svc", "a shorter path"),
    ] {
        let refusal = expect_peer(peer.clone(), &SpiffeId::parse(expected).unwrap()).unwrap_err();
        assert_eq!(refusal.failure, Failure::WrongPeer, "{why}");
    }
    let peer = expect_peer(peer, &fleet.id(&service("accounts"))).unwrap();
    assert_eq!(peer.id().as_str(), ID);
}

#[test]
fn says_what_was_wrong() {
    let detail = |chain: Vec<Vec<u8>>, now| verify_peer(&slices(&chain), &TWO.bundles, now).unwrap_err().to_string();
    let leaf = || Recipe::leaf(ID, NOW);
    let two = leaf().with(|r| r.uris.push("https://bank.test/".to_owned()));
    let messages = [
        detail(vec![], NOW),
        detail(TWO.bank.chain(&two), NOW),
        detail(TWO.bank.chain(&leaf().with(|r| r.uris = vec!["spiffe://bank.test".to_owned()])), NOW),
        detail(TWO.bank.chain(&leaf()), later(7200)),
        detail(TWO.bank.chain(&leaf()), NOW.minus(Duration::from_secs(3600))),
        detail(TWO.other.chain(&leaf()), NOW),
        detail(TWO.bank.chain(&Recipe::leaf("spiffe://third.test/svc/accounts", NOW)), NOW),
        detail(vec![vec![0; CERT_BYTES_MAX + 1]], NOW),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    no_certificate: no certificate was sent
    bad_svid: it names 2 URIs, an SVID names exactly one
    bad_svid: `spiffe://bank.test` is a trust domain, not a workload
    expired: certificate ran out 3600 s ago
    not_yet_valid: certificate becomes valid only in 3540 s; compare the clocks of both hosts
    untrusted_issuer: no path to a trusted root: a signature is wrong
    foreign_domain: no trust bundle is held for `third.test`
    bad_svid: certificate of 16385 bytes is longer than 16384
    ");
}

#[test]
fn no_changed_bit_goes_unnoticed() {
    let good = TWO.bank.chain(&Recipe::leaf(ID, NOW));
    for (which, der) in good.iter().enumerate() {
        for bit in 0..der.len() * 8 {
            let mut chain = good.clone();
            chain[which][bit / 8] ^= 1 << (bit % 8);
            assert!(
                verify(&chain, NOW).is_err(),
                "certificate {which} with bit {} of byte {} flipped",
                bit % 8,
                bit / 8
            );
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(
        chain in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
        now: u64,
    ) {
        prop_assert!(verify(&chain, Timestamp::from_millis(now)).is_err());
    }
}
