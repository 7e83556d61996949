//! Paths: what does not lead from a leaf to a given root, at a given time, for a given purpose, is refused.

use crate::NOW;
use bartizan_core::Timestamp;
use bartizan_core::limits::{CERT_BYTES_MAX, CHAIN_CERTS_MAX};
use bartizan_crypto::PathError;
use bartizan_crypto::cert::{Usage, verify_path};
use bartizan_crypto::forge::{Ca, ExtKeyUsage, Extension, Forged, Recipe};
use std::slice::from_ref;
use std::time::Duration;

const ID: &str = "spiffe://bank.test/svc/accounts";

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

    fn verify(&self, leaf: &Forged, now: Timestamp, usage: Usage) -> Result<(), PathError> {
        verify_path(&[&leaf.der, &self.issuing.der], from_ref(&self.root.der), now, usage).map(|_which| ())
    }
}

#[test]
fn refuses_chains_by_number_and_size_alone() {
    let garbage: &[u8] = b"not a certificate";
    let large = vec![0; CERT_BYTES_MAX + 1];
    assert_eq!(verify_path(&[], &[], NOW, Usage::Peer), Err(PathError::Empty));
    assert!(matches!(
        verify_path(&[garbage; CHAIN_CERTS_MAX + 1], &[], NOW, Usage::Peer),
        Err(PathError::TooMany { certs: 5, max: 4 })
    ));
    assert!(matches!(verify_path(&[garbage, &large], &[], NOW, Usage::Peer), Err(PathError::TooLarge { .. })));
    assert!(matches!(verify_path(&[garbage], &[], NOW, Usage::Peer), Err(PathError::Malformed { .. })));
}

#[test]
fn refuses_strangers() {
    let (pki, other) = (Pki::new(), Pki::new());
    let leaf = Recipe::leaf(ID, NOW).signed_by(&pki.issuing);
    let roots = [pki.root.der.clone()];
    pki.verify(&leaf, NOW, Usage::Peer).unwrap();

    let untrusted = |chain: &[&[u8]], roots: &[Vec<u8>], why: &str| {
        let result = verify_path(chain, roots, NOW, Usage::Peer);
        assert!(matches!(result, Err(PathError::Untrusted { .. })), "{why}: {result:?}");
    };
    untrusted(&[&leaf.der, &pki.issuing.der], from_ref(&other.root.der), "another root of the same name");
    untrusted(&[&leaf.der, &pki.issuing.der], &[], "no root");
    untrusted(&[&leaf.der], &roots, "the intermediate is missing");
    untrusted(&[&leaf.der, &other.issuing.der], &roots, "another intermediate of the same name");
    untrusted(&[&Recipe::leaf(ID, NOW).self_signed().der], &roots, "signed by itself");

    let claimed = Recipe::leaf(ID, NOW).signed_with(&pki.issuing.der, &other.issuing.key);
    untrusted(&[&claimed.der, &pki.issuing.der], &roots, "signed by another key in the name of the issuer");
}

#[test]
fn refuses_a_signature_in_which_a_bit_was_changed() {
    let pki = Pki::new();
    let mut leaf = Recipe::leaf(ID, NOW).signed_by(&pki.issuing);
    *leaf.der.last_mut().unwrap() ^= 1;
    assert!(matches!(pki.verify(&leaf, NOW, Usage::Peer), Err(PathError::Untrusted { .. })));
}

#[test]
fn keeps_to_the_dates_of_every_certificate() {
    let pki = Pki::new();
    let second = Duration::from_secs(1);
    let recipe = Recipe::leaf(ID, NOW);
    let (start, end) = (recipe.not_before, recipe.not_after);
    let leaf = recipe.signed_by(&pki.issuing);
    let early = start.minus(second);
    let refused = PathError::NotYetValid { not_before: start, now: early };
    assert_eq!(pki.verify(&leaf, early, Usage::Peer), Err(refused));
    pki.verify(&leaf, start, Usage::Peer).unwrap();
    pki.verify(&leaf, end, Usage::Peer).unwrap();
    let late = end.plus(second);
    assert_eq!(pki.verify(&leaf, late, Usage::Peer), Err(PathError::Expired { not_after: end, now: late }));

    let issuing = Recipe::ca("issuing", NOW).with(|r| r.not_after = NOW.minus(second)).signed_by(&pki.root);
    let leaf = Recipe::leaf(ID, NOW).signed_by(&issuing);
    let stale = Pki { issuing, ..pki };
    assert!(matches!(stale.verify(&leaf, NOW, Usage::Peer), Err(PathError::Expired { .. })), "a stale intermediate");
}

#[test]
fn refuses_certificates_in_the_wrong_place() {
    let pki = Pki::new();
    let misused = |chain: &[&[u8]], why: &str| {
        let result = verify_path(chain, from_ref(&pki.root.der), NOW, Usage::Peer);
        assert!(matches!(result, Err(PathError::Misused { .. })), "{why}: {result:?}");
    };
    let ca_as_leaf = Recipe::leaf(ID, NOW).with(|r| r.ca = Ca::Unlimited).signed_by(&pki.issuing);
    misused(&[&ca_as_leaf.der, &pki.issuing.der], "a CA as leaf");

    for ca in [Ca::No, Ca::Unsaid] {
        let no_ca = Recipe::leaf(ID, NOW).with(|r| (r.ca, r.subject) = (ca, "no CA".to_owned())).signed_by(&pki.root);
        let below = Recipe::leaf(ID, NOW).signed_by(&no_ca);
        misused(&[&below.der, &no_ca.der], "issued by a leaf");
    }

    let too_deep = Recipe::ca("third", NOW).signed_by(&pki.issuing);
    let below = Recipe::leaf(ID, NOW).signed_by(&too_deep);
    misused(&[&below.der, &too_deep.der, &pki.issuing.der], "a CA below one that may have none");

    let narrow = Recipe::leaf(ID, NOW).with(|r| r.ext_key_usage = vec![ExtKeyUsage::ServerAuth]);
    let narrow = narrow.signed_by(&pki.issuing);
    misused(&[&narrow.der, &pki.issuing.der], "a server only, asked to be either end");
    pki.verify(&narrow, NOW, Usage::Server).unwrap();
    assert!(matches!(pki.verify(&narrow, NOW, Usage::Client), Err(PathError::Misused { .. })));
    let unsaid = Recipe::leaf(ID, NOW).with(|r| r.ext_key_usage.clear()).signed_by(&pki.issuing);
    pki.verify(&unsaid, NOW, Usage::Peer).unwrap();
}

#[test]
fn refuses_critical_extensions_that_nobody_knows() {
    let pki = Pki::new();
    let with = |critical| {
        let extension = Extension { oid: vec![1, 3, 6, 1, 4, 1, 99999, 2], critical, value: vec![5, 0] };
        Recipe::leaf(ID, NOW).with(|r| r.extensions.push(extension)).signed_by(&pki.issuing)
    };
    assert!(matches!(pki.verify(&with(true), NOW, Usage::Peer), Err(PathError::Malformed { .. })));
    pki.verify(&with(false), NOW, Usage::Peer).unwrap();
}

/// The decision in `issue.rs` rests on this: should it ever turn green, roots can be bound to their domain.
#[test]
fn a_root_bound_to_uris_of_its_domain_would_be_of_no_use() {
    let permitted = [&[0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x86, 0x09][..], b"bank.test"].concat();
    let constraint = Extension { oid: vec![2, 5, 29, 30], critical: true, value: permitted };
    let root = Recipe::ca("root", NOW).with(|r| r.extensions.push(constraint)).self_signed();
    let leaf = Recipe::leaf(ID, NOW).signed_by(&root);
    let result = verify_path(&[&leaf.der], &[root.der], NOW, Usage::Peer);
    assert!(matches!(result, Err(PathError::Misused { .. })), "{result:?}");
}
