//! Callees without a guard: called in plain, and only where the directory says so.

use crate::client::{get, hear_until, plain, status, talk, tls};
use crate::programs;
use crate::world::{Guard, World, free_addr, name, policies};
use bartizan_core::edge::Instance;
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::Peer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::AsyncWriteExt;

/// A guard of `web` with `api` at `at`, as `change` has it.
async fn web(world: &World, at: SocketAddr, protocol: Protocol, change: impl FnOnce(&mut Peer)) -> Guard {
    let mut directory = world.directory("web");
    let mut api = Peer { plain: true, ..Peer::alone(world.id("api"), at, protocol) };
    change(&mut api);
    directory.own.outbound.insert(name("api"), free_addr());
    directory.peers.insert(name("api"), api);
    Guard::start(world, directory, &policies("")).await
}

#[tokio::test]
async fn a_callee_that_is_not_said_to_be_without_a_guard_is_never_called_in_plain() {
    let world = World::new();
    let program = programs::http().await;
    let guarded = web(&world, program, Protocol::Http, |api| api.plain = false).await;
    let response = talk(plain(guarded.outbound("api")).await, get("/a")).await;
    assert_eq!(status(&response), 502, "{response}");
    let bare = web(&world, program, Protocol::Http, |_| {}).await;
    let tokens = "txn-token: a.b.c\r\ntxn-delegation: d.e.f\r\nx-mine: 1\r\nconnection:";
    let response = talk(plain(bare.outbound("api")).await, get("/a").replace("connection:", tokens)).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("x-mine: 1"), "{response}");
    assert!(
        !response.contains("a.b.c") && !response.contains("d.e.f"),
        "nobody there checks users' tokens: {response}"
    );
}

#[tokio::test]
async fn what_only_guards_may_say_is_not_taken_from_a_program() {
    let world = World::new();
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let liar = programs::custom(move |mut stream: tokio::net::TcpStream| {
        let asked = Arc::clone(&asked);
        async move {
            hear_until(&mut stream, "\r\n\r\n").await;
            asked.fetch_add(1, Relaxed);
            let lie = "HTTP/1.1 200 OK\r\nx-bartizan-unsent: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
            let _ = stream.write_all(lie.as_bytes()).await;
        }
    })
    .await;
    let at = |mesh| Instance { mesh, zone: None, weight: 1 };
    let web = web(&world, liar, Protocol::Http, |api| api.instances = vec![at(liar), at(liar)]).await;
    let post = "POST /a HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let response = talk(plain(web.outbound("api")).await, post).await;
    assert_eq!((status(&response), count.load(Relaxed)), (200, 1), "{response}");
    assert!(!response.contains("x-bartizan-unsent"), "{response}");
}

#[tokio::test]
async fn calls_are_shared_and_tried_again_as_ever() {
    let world = World::new();
    let (program, dead) = (programs::http().await, free_addr());
    let at = |mesh| Instance { mesh, zone: None, weight: 1 };
    let web = web(&world, program, Protocol::Http, |api| api.instances = vec![at(program), at(dead)]).await;
    for n in 0..10 {
        let response = talk(plain(web.outbound("api")).await, get("/a")).await;
        assert_eq!(status(&response), 200, "{n}: {response}");
    }
}

#[tokio::test]
async fn bytes_are_relayed_too() {
    let world = World::new();
    let web = web(&world, programs::tcp_that_greets().await, Protocol::Tcp, |_| {}).await;
    let mut client = plain(web.outbound("api")).await;
    hear_until(&mut client, "hello\n").await;
    client.write_all(b"ping").await.unwrap();
    hear_until(&mut client, "ping").await;
}

#[tokio::test]
async fn the_gateway_decides_for_a_service_without_a_guard() {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let deny =
        r#"forbid (principal == Workload::"gateway", action, resource) when { context.path like "/api/closed*" };"#;
    let mut gateway = world.gateway(&api, deny).await;
    let program = programs::http().await;
    gateway.redirect(|directory| {
        let peer = Peer { plain: true, ..Peer::alone(world.id("api"), program, Protocol::Http) };
        directory.peers.insert(name("api"), peer);
    });
    api.stopped().await;
    let edge = async || tls(gateway.edge(), None, &["http/1.1"]).await.unwrap();
    assert_eq!(status(&talk(edge().await, get("/api/closed")).await), 403);
    let forged = "x-bartizan-peer: spiffe://bank.test/svc/web\r\nx-forwarded-for: 6.6.6.6\r\nconnection:";
    let response = talk(edge().await, get("/api/a").replace("connection:", forged)).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(
        !response.contains("x-bartizan-peer") && !response.contains("6.6.6.6"),
        "nobody's word but ours: {response}"
    );
    assert!(response.contains("x-forwarded-for: 127.0.0.1"), "{response}");
}
