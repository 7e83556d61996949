//! The SPIFFE client of crates.io, an implementation of its own, against our Workload API.

use crate::workloads::world::{World, uid};
use spiffe::{SpiffeId, TrustDomain, WorkloadApiClient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spiffe_client_of_rust_is_content() {
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {} }}, jwt: true }}\n", uid())).await;
    world.entries(1).await;
    let client = WorkloadApiClient::connect_to(format!("unix:{}", world.socket().display())).await.unwrap();
    let domain = TrustDomain::try_from("bank.test").unwrap();
    let us = SpiffeId::try_from("spiffe://bank.test/workload/us").unwrap();

    let context = client.fetch_x509_context().await.unwrap();
    assert_eq!(*context.default_svid().unwrap().spiffe_id(), us);
    assert!(context.bundle_set().get(&domain).is_some());

    let token = client.fetch_jwt_svid(["ledger"], Some(&us)).await.unwrap();
    assert_eq!(*token.spiffe_id(), us);
    let valid = client.validate_jwt_token("ledger", token.token()).await.unwrap();
    assert_eq!(*valid.spiffe_id(), us);
    assert!(client.validate_jwt_token("accounts", token.token()).await.is_err());
    assert!(client.fetch_jwt_bundles().await.unwrap().get(&domain).is_some());
    world.stop().await;
}
