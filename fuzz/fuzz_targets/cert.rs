//! Certificates and chains: no bytes make reading panic, and none that our CA did not sign are believed.
#![no_main]

use bartizan_core::{Role, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr, random};
use bartizan_identity::{IssuingCa, RootCa, TrustBundles, verify_peer};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_789_000_000);

/// A verifier, and a chain that it believes.
static GOOD: LazyLock<(TrustBundles, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let domain = TrustDomain::parse("bank.test").expect("a good name");
    let key = || KeyPair::generate().expect("keys can be made");
    let root = RootCa::create(&domain, key(), random::bytes(), NOW).expect("a root can be made");
    let issuing_key = key();
    let request = csr::check(&csr::make(&issuing_key).expect("a request can be made")).expect("it is good");
    let issuing = root.sign_issuing(&request, random::bytes(), NOW).expect("a CA can be made");
    let issuing = IssuingCa::new(issuing_key, &issuing, &domain).expect("key and certificate fit");
    let id = SpiffeId::of(&domain, &Role::Control);
    let svid = issuing.issue(key().public_spki(), &id, random::bytes(), NOW).expect("a leaf can be made");
    let bundles = TrustBundles::of(&domain, vec![root.certificate().to_vec()]).expect("the root is good");
    assert!(verify_peer(&slices(&svid.chain), &bundles, NOW).is_ok(), "the chain to start from is good");
    (bundles, svid.chain)
});

fn slices(chain: &[Vec<u8>]) -> Vec<&[u8]> {
    chain.iter().map(Vec::as_slice).collect()
}

fuzz_target!(|data: &[u8]| {
    let (bundles, good) = &*GOOD;
    if let Ok(read) = cert::read(data) {
        assert_eq!(cert::read(data), Ok(read), "reading is a function of the bytes");
    }
    let _ = csr::check(data);
    assert!(verify_peer(&[data], bundles, NOW).is_err(), "believed bytes from nowhere");
    assert!(verify_peer(&[data, &good[1]], bundles, NOW).is_err(), "believed bytes from nowhere");

    // The same bytes as edits (position in two bytes, then a value) of a good chain reach deeper than noise does.
    for which in 0..good.len() {
        let mut chain = good.clone();
        for edit in data.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % chain[which].len();
            chain[which][at] = edit[2];
        }
        if verify_peer(&slices(&chain), bundles, NOW).is_ok() {
            assert_eq!(&chain, good, "an altered chain was believed");
        }
    }
});
