//! X.509-SVIDs: what comes, and that it is good.

use crate::workloads::world::{World, uid, wait_for, with_header};
use bartizan_core::{Secret, Timestamp, TrustDomain};
use bartizan_crypto::KeyPair;
use bartizan_identity::{TrustBundles, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::workload_v1::{X509BundlesRequest, X509svid, X509svidRequest};
use std::time::Duration;

/// The certificates of a chain that came as one.
fn split(mut der: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [0x30, 0x82, high, low, ..] = der {
        let (one, rest) = der.split_at(4 + usize::from(u16::from_be_bytes([*high, *low])));
        all.push(one);
        der = rest;
    }
    assert!(der.is_empty());
    all
}

/// Checks everything about an identity, as a stranger would.
fn check(svid: &X509svid) -> (String, Timestamp) {
    let domain = TrustDomain::parse("bank.test").unwrap();
    let roots = split(&svid.bundle).into_iter().map(<[u8]>::to_vec).collect();
    let bundles = TrustBundles::of(&domain, roots).unwrap();
    let peer = verify_peer(&split(&svid.x509_svid), &bundles, clock::now()).unwrap();
    assert_eq!(peer.id().as_str(), svid.spiffe_id);
    let key = KeyPair::from_pkcs8(&Secret::new(svid.x509_svid_key.clone())).unwrap();
    assert_eq!(key.public_spki(), peer.spki(), "the key belongs to the certificate");
    (svid.spiffe_id.clone(), peer.not_after())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_all_of_its_identities() {
    let own = uid();
    let exe = std::env::current_exe().unwrap();
    let hash = {
        let bytes = std::fs::read(&exe).unwrap();
        bartizan_crypto::hash::hex(&bartizan_crypto::hash::sha256(&bytes))
    };
    let world = World::start(&format!(
        "  a-hash: {{ selectors: {{ sha256: \"{hash}\" }}, ttl_s: 60, id: /by/hash }}\n  b-path: {{ selectors: {{ path: {}, uid: {own} }} }}\n  \
         c-other: {{ selectors: {{ uid: {} }} }}\n  d-uid: {{ selectors: {{ uid: {own} }}, node: local, dns: [d.bank.test] }}\n",
        exe.display(),
        own + 1
    ))
    .await;
    world.entries(4).await;
    let mut client = world.client().await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    let response = wait_for("three identities", async || {
        let response = stream.message().await.unwrap().unwrap();
        (response.svids.len() == 3).then_some(response)
    })
    .await;
    let checked: Vec<_> = response.svids.iter().map(check).collect();
    let ids: Vec<_> = checked.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        ids,
        ["spiffe://bank.test/by/hash", "spiffe://bank.test/workload/b-path", "spiffe://bank.test/workload/d-uid"]
    );
    assert!(checked[0].1.since(clock::now()) <= Duration::from_secs(60), "as short as the entry says");
    assert!(checked[1].1.since(clock::now()) > Duration::from_secs(3500));

    let mut bundles = client.fetch_x509_bundles(with_header(X509BundlesRequest {})).await.unwrap().into_inner();
    let bundles = bundles.message().await.unwrap().unwrap();
    assert_eq!(bundles.bundles["spiffe://bank.test"], response.svids[0].bundle);
    world.stop().await;
}

/// The shortest life there is: renewed at about half of it, with a fresh key, on the same stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_pushed_with_a_fresh_key() {
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {} }}, ttl_s: 60 }}\n", uid())).await;
    let mut client = world.client().await;
    world.entries(1).await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().svids.remove(0);
    let second = tokio::time::timeout(Duration::from_secs(50), stream.message()).await.expect("renewed in time");
    let second = second.unwrap().unwrap().svids.remove(0);
    assert_eq!(first.spiffe_id, second.spiffe_id);
    assert_ne!(first.x509_svid_key, second.x509_svid_key);
    assert!(check(&second).1 > check(&first).1);
    world.stop().await;
}
