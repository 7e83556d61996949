//! Chains and bundles made so that a naive verifier tries every combination (SPIRE's CPU exhaustion of 2025 as a class).

use crate::{NOW, slices};
use bartizan_core::TrustDomain;
use bartizan_core::event::HandshakeFailure as Failure;
use bartizan_core::limits::CHAIN_CERTS_MAX;
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_identity::limits::ROOTS_MAX;
use bartizan_identity::{TrustBundles, verify_peer};
use std::time::{Duration, Instant};

const ID: &str = "spiffe://bank.test/svc/accounts";

/// Far above what 100 signature checks take, far below what trying every path would.
const BOUND: Duration = Duration::from_secs(2);

fn bundles(roots: &[Forged]) -> TrustBundles {
    let domain = TrustDomain::parse("bank.test").unwrap();
    TrustBundles::of(&domain, roots.iter().map(|root| root.der.clone()).collect()).unwrap()
}

fn refused_in_time(chain: &[Vec<u8>], bundles: &TrustBundles) -> Failure {
    let started = Instant::now();
    let refusal = verify_peer(&slices(chain), bundles, NOW).unwrap_err();
    assert!(started.elapsed() < BOUND, "took {:?} to find: {refusal}", started.elapsed());
    refusal.failure
}

#[test]
fn issuers_that_all_bear_one_name_cost_bounded_time() {
    // Every root and every intermediate is called `x`, so each may have issued each; none of the signatures fits.
    let roots: Vec<Forged> = (0..ROOTS_MAX).map(|_| Recipe::ca("x", NOW).self_signed()).collect();
    let strangers: Vec<Forged> = (0..CHAIN_CERTS_MAX).map(|_| Recipe::ca("x", NOW).self_signed()).collect();
    let leaf = Recipe::leaf(ID, NOW).signed_by(&strangers[0]);
    let mut chain = vec![leaf.der];
    chain.extend(strangers[1..].iter().map(|issuer| issuer.der.clone()));
    assert_eq!(chain.len(), CHAIN_CERTS_MAX);
    assert_eq!(refused_in_time(&chain, &bundles(&roots)), Failure::UntrustedIssuer);
}

#[test]
fn issuers_that_sign_each_other_in_a_circle_cost_bounded_time() {
    let first = Recipe::ca("a", NOW).self_signed();
    let b = Recipe::ca("b", NOW).signed_by(&first);
    let c = Recipe::ca("c", NOW).signed_by(&b);
    let a_again = Recipe::ca("a", NOW).signed_by(&c);
    let leaf = Recipe::leaf(ID, NOW).signed_by(&c);
    let stranger = Recipe::ca("root", NOW).self_signed();
    let chain = [leaf.der, c.der, b.der, a_again.der];
    assert_eq!(refused_in_time(&chain, &bundles(&[stranger])), Failure::UntrustedIssuer);
}

#[test]
fn a_thousand_certificates_cost_nothing() {
    let root = Recipe::ca("root", NOW).self_signed();
    let leaf = Recipe::leaf(ID, NOW).signed_by(&root);
    let chain = vec![leaf.der; 1000];
    assert_eq!(refused_in_time(&chain, &bundles(&[root])), Failure::BadSvid);
}

#[test]
fn names_without_end_cost_bounded_time() {
    let root = Recipe::ca("root", NOW).self_signed();
    let many = Recipe::leaf(ID, NOW).with(|r| r.dns_names = (0..1500).map(|n| format!("{n}.a")).collect());
    let many = many.signed_by(&root);
    assert!(many.der.len() < bartizan_core::limits::CERT_BYTES_MAX);
    let uris = Recipe::leaf(ID, NOW).with(|r| r.uris = vec!["a:".to_owned(); 2000]).signed_by(&root);
    let bundles = bundles(&[root]);
    verify_peer(&[&many.der], &bundles, NOW).expect("DNS names are nobody's business here");
    assert_eq!(refused_in_time(&[uris.der], &bundles), Failure::BadSvid);
}
