//! Who gets in: only services of our trust domain, in date, and policy has the last word.

use crate::client::{get, header, hear, mtls, status, talk, tls};
use crate::programs;
use crate::world::{Guard, World, name};
use bartizan_core::event::{HandshakeFailure, What};
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::Mode;
use bartizan_core::tls::{TlsGroup, TlsGroups};
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::forge::{Ca, Recipe};
use bartizan_runtime::{clock, tls as rtls};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

async fn guarded() -> (World, Guard) {
    let world = World::new();
    let guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
    (world, guard)
}

async fn failure(guard: &Guard) -> HandshakeFailure {
    guard
        .event(|event| match &event.what {
            What::Handshake(handshake) => handshake.failure,
            _ => None,
        })
        .await
}

/// Tries a request and expects that the connection is cut at the handshake, for `wanted`.
async fn refused(guard: &Guard, identity: Option<&rtls::Identity>, wanted: HandshakeFailure) {
    // In TLS 1.3 the client may be done before the server refuses it: then the first read fails.
    if let Ok(mut stream) = tls(guard.mesh(), identity, &["http/1.1"]).await {
        let _ = stream.write_all(get("/").as_bytes()).await;
        assert_eq!(hear(&mut stream).await, "", "somebody answered");
    }
    assert_eq!(failure(guard).await, wanted);
}

fn shown(world: &World, recipe: &Recipe) -> rtls::Identity {
    let (chain, key) = world.forge(recipe);
    rtls::Identity::new(&chain, &key).unwrap()
}

#[tokio::test]
async fn a_declared_caller_gets_through_and_the_program_learns_who_it_is() {
    let (world, guard) = guarded().await;
    let response = talk(mtls(&world, guard.mesh(), "web").await, get("/orders/7?q=1")).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("GET /orders/7?q=1\n"), "{response}");
    assert!(response.contains("x-bartizan-peer: spiffe://bank.test/svc/web\n"), "{response}");
    let event = guard
        .event(|event| match &event.what {
            What::Request(request) => Some((event.request, request.clone())),
            _ => None,
        })
        .await;
    let (request_id, request) = event;
    assert_eq!(request.peer, Some(world.id("web")));
    assert_eq!((request.status, request.route.as_deref(), &*request.path), (200, Some("orders"), "/orders/7"));
    assert!(request.decision.is_some_and(|d| !d.policies.is_empty()));
    assert_eq!(header(&response, "x-request-id"), request_id.map(|id| id.to_string()).as_deref());
}

#[tokio::test]
async fn an_undeclared_caller_is_denied_with_a_reason_and_an_event() {
    let (world, guard) = guarded().await;
    let response = talk(mtls(&world, guard.mesh(), "stranger").await, get("/")).await;
    assert_eq!(status(&response), 403);
    assert!(response.contains("denied by policy") && response.contains("request_id"), "{response}");
    let event = guard.event(|e| matches!(&e.what, What::Request(r) if r.status == 403).then(|| e.clone())).await;
    assert!(event.is_denial());
}

#[tokio::test]
async fn a_forbidding_policy_gives_its_reason() {
    let world = World::new();
    let extra = r#"@id("no-deletes") @reason("nothing is deleted here")
        forbid(principal, action == Action::"write", resource) when { context.method == "DELETE" };"#;
    let guard = world.sidecar_with("api", programs::http().await, Protocol::Http, extra).await;
    let response = talk(mtls(&world, guard.mesh(), "web").await, get("/").replace("GET", "DELETE")).await;
    assert_eq!(status(&response), 403);
    assert!(response.contains("nothing is deleted here"), "{response}");
    let judged = guard.event(|e| match &e.what {
        What::Request(r) => r.decision.clone(),
        _ => None,
    });
    assert_eq!(judged.await.policies.iter().map(|p| &**p).collect::<Vec<_>>(), ["no-deletes"]);
}

#[tokio::test]
async fn mode_mtls_decides_nothing_but_still_wants_a_certificate() {
    let (world, mut guard) = guarded().await;
    guard.redirect(|directory| directory.mode = Mode::Mtls);
    let response = talk(mtls(&world, guard.mesh(), "stranger").await, get("/")).await;
    assert_eq!(status(&response), 200);
    refused(&guard, None, HandshakeFailure::NoCertificate).await;
}

#[tokio::test]
async fn without_a_certificate_nobody_gets_in() {
    let (_world, guard) = guarded().await;
    refused(&guard, None, HandshakeFailure::NoCertificate).await;
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let (_world, guard) = guarded().await;
    let rival = World::new(); // the same trust domain, by its name
    refused(&guard, Some(&rival.shown("web")), HandshakeFailure::UntrustedIssuer).await;
}

#[tokio::test]
async fn a_foreign_trust_domain_is_refused() {
    let (_world, guard) = guarded().await;
    let foreign = World::of("other.test");
    refused(&guard, Some(&foreign.shown("web")), HandshakeFailure::ForeignDomain).await;
}

#[tokio::test]
async fn a_node_or_control_calls_no_service() {
    let (world, guard) = guarded().await;
    for role in [Role::Control, Role::Node(name("local"))] {
        let (svid, key) = world.svid(&SpiffeId::of(&world.domain, &role));
        let identity = rtls::Identity::new(&svid.chain, &key).unwrap();
        refused(&guard, Some(&identity), HandshakeFailure::WrongPeer).await;
    }
}

#[tokio::test]
async fn wrong_leaves_of_the_right_ca_are_refused() {
    let (world, now) = (World::new(), clock::now());
    let good = Recipe::leaf("spiffe://bank.test/svc/web", now);
    let hour = Duration::from_secs(3600);
    for (recipe, wanted) in [
        (good.clone().with(|r| r.not_after = now.minus(Duration::from_secs(2))), HandshakeFailure::Expired),
        (good.clone().with(|r| r.not_before = now.plus(hour / 2)), HandshakeFailure::NotYetValid),
        (good.clone().with(|r| r.uris.push("spiffe://bank.test/svc/api".into())), HandshakeFailure::BadSvid),
        (good.clone().with(|r| r.uris.clear()), HandshakeFailure::BadSvid),
        (good.clone().with(|r| r.ca = Ca::Unlimited), HandshakeFailure::BadSvid),
    ] {
        let guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
        refused(&guard, Some(&shown(&world, &recipe)), wanted).await;
    }
    let guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let stream = tls(guard.mesh(), Some(&shown(&world, &good)), &["http/1.1"]).await.unwrap();
    assert_eq!(status(&talk(stream, get("/")).await), 200, "the same without a mistake");
}

#[tokio::test]
async fn a_caller_whose_certificate_runs_out_gets_no_further_request() {
    let (world, guard) = guarded().await;
    let now = clock::now();
    let short =
        Recipe::leaf("spiffe://bank.test/svc/web", now).with(|r| r.not_after = now.plus(Duration::from_secs(2)));
    let mut stream = tls(guard.mesh(), Some(&shown(&world, &short)), &["http/1.1"]).await.unwrap();
    crate::client::until("the certificate runs out", async || clock::now() >= now.plus(Duration::from_secs(3))).await;
    assert_eq!(talk(&mut stream, get("/").replace("connection: close\r\n", "")).await, "", "it is not even read");
}

#[tokio::test]
async fn expired_snapshots_refuse_requests_and_handshakes() {
    let (world, guard) = guarded().await;
    let caller = world.caller("web", &[(&guard, Protocol::Http)]).await;
    let long = Duration::from_secs(25 * 3600);
    let open = mtls(&world, guard.mesh(), "web").await;

    guard.proxy.heard.ago(long);
    let answer = talk(open, get("/")).await;
    // The ledger looks four times a second; until then requests are refused one by one.
    assert!(answer.is_empty() || status(&answer) == 503, "on a connection that was there before: {answer}");
    refused(&guard, Some(&world.shown("web")), HandshakeFailure::NotReady).await;

    caller.proxy.heard.ago(long);
    let response = talk(crate::client::plain(caller.outbound("api")).await, get("/")).await;
    assert_eq!(status(&response), 503);
    assert!(response.contains("expired"), "{response}");
}

#[tokio::test]
async fn a_guard_holds_to_the_key_exchanges_of_its_fleet_in_both_directions() {
    let of = |group| TlsGroups::of([group]).unwrap();
    let (world, mut api) = guarded().await;
    let mut web = world.caller("web", &[(&api, Protocol::Http)]).await;
    let call = async |web: &Guard| talk(crate::client::plain(web.outbound("api")).await, get("/orders/1")).await;
    assert_eq!(status(&call(&web).await), 200);

    // Inwards: who offers only another one is refused, though it is a good caller.
    api.redirect(|directory| directory.tls = of(TlsGroup::X25519Mlkem768));
    let classic = rtls::Client::new(Some(&world.shown("web")), &["http/1.1"]).unwrap();
    let classic = classic.limited_to(of(TlsGroup::X25519)).unwrap();
    let judge = std::sync::Arc::new(|_: &[&[u8]]| Ok(()));
    let shaken = classic.connect(crate::client::plain(api.mesh()).await, judge, Duration::from_secs(5)).await;
    assert!(shaken.is_err(), "a classic key exchange was let in");
    assert_eq!(failure(&api).await, HandshakeFailure::Protocol);

    // Outwards: a guard that may only use another one does not get through, until both may.
    let mut third = world.caller("web", &[(&api, Protocol::Http)]).await;
    third.redirect(|directory| directory.tls = of(TlsGroup::P256));
    assert_eq!(status(&call(&third).await), 502, "the guard left what its fleet allows");
    third.redirect(|directory| directory.tls = of(TlsGroup::X25519Mlkem768));
    assert_eq!(status(&call(&third).await), 200);
    web.redirect(|directory| directory.tls = TlsGroups::ALL);
    assert_eq!(status(&call(&web).await), 200);
}
