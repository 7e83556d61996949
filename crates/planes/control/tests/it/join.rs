//! How nodes join: each token counts once, whatever happens at the same time.

use crate::support::{Node, Place, Running};
use bartizan_core::event::HandshakeFailure;
use bartizan_crypto::{KeyPair, csr};
use bartizan_identity::verify_peer;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::Code;
use std::sync::Arc;

fn id_of(control: &Running, chain: &[Vec<u8>]) -> String {
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    verify_peer(&chain, &control.bundles, clock::now()).unwrap().id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_used_by_many_at_once_lets_one_in() {
    let place = Place::new();
    let control = Arc::new(Running::start(&place).await);
    let token = control.token().await;
    let tries = (0..16).map(|n| {
        let (control, token) = (Arc::clone(&control), token.clone());
        tokio::spawn(async move { Node::join(&control, &format!("node-{n}"), &token).await.map(|_| ()) })
    });
    let tries: Vec<_> = tries.collect();
    let mut let_in = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(()) => let_in += 1,
            Err(status) => assert_eq!(status.code(), Code::PermissionDenied),
        }
    }
    assert_eq!(let_in, 1);
    control.wait_for_events("?deny=true&limit=100", 15).await; // each refusal is recorded
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_request_does_not_use_a_token_up() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let token = control.token().await;
    let good = csr::make(&KeyPair::generate().unwrap()).unwrap();
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (name, csr, why) in [
        ("node", Vec::new(), "no request"),
        ("node", altered, "a wrong signature"),
        ("node", vec![0x30; 100_000], "far too long"),
        ("No Node", good.clone(), "no name"),
        ("", good.clone(), "an empty name"),
    ] {
        let status = Node::ask(&control, None, name, &token, csr).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{why}");
    }
    let chain = Node::ask(&control, None, "node", &token, good).await.unwrap();
    assert_eq!(id_of(&control, &chain), "spiffe://bank.test/bartizan/node/node");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_token_of_ours_lets_a_stranger_in() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let of_another = control.token().await;
    for token in ["", "guess", &of_another[..of_another.len() - 1], &"x".repeat(100_000)] {
        let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
        let status = Node::ask(&control, None, "node", token, csr).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(!status.message().contains("token"), "a stranger is told nothing: {}", status.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_renews_with_its_identity_a_fresh_key_and_its_own_name() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let fresh = || csr::make(&KeyPair::generate().unwrap()).unwrap();
    let chain = Node::ask(&control, Some(&node), "local", "", fresh()).await.unwrap();
    assert_eq!(id_of(&control, &chain), "spiffe://bank.test/bartizan/node/local");
    let status = Node::ask(&control, Some(&node), "other", "", fresh()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "another name");
    let status = Node::ask(&control, Some(&node), "local", "", csr::make(&node.key).unwrap()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "the old key");
    let proxy = control.proxy_of("accounts").await;
    let service = Node { key: proxy.key, chain: proxy.chain };
    let status = Node::ask(&control, Some(&service), "local", "", fresh()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "a service is no node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_fails_at_the_handshake_and_is_counted() {
    let (ours, theirs) = (Place::new(), Place::new());
    let (control, other) = (Running::start(&ours).await, Running::start(&theirs).await);
    let stranger = other.node().await;
    let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
    let status = Node::ask(&control, Some(&stranger), "local", "", csr).await.unwrap_err();
    assert_ne!(status.code(), Code::PermissionDenied, "there was no call to refuse");
    let handshakes = crate::support::wait_for("failed handshake", async || {
        let handshakes = control.status().await.control.handshakes;
        (!handshakes.failed.is_empty()).then_some(handshakes)
    })
    .await;
    assert_eq!(handshakes.failed[&HandshakeFailure::UntrustedIssuer], 1);
    assert_eq!(handshakes.attempted, handshakes.completed + 1);
    let event = crate::support::wait_for("event", async || control.events("?deny=true").await.pop()).await;
    assert!(event.to_string().contains("untrusted_issuer"), "{event}");
}
