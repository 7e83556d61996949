//! Callers without mutual TLS: refused, unless the service still takes them.

use crate::client::{get, hear, hear_until, mtls, plain, status, talk, until};
use crate::programs;
use crate::world::{Guard, World, policies};
use bartizan_core::edge::Mtls;
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::Epoch;
use bartizan_policy::Engine;
use bartizan_proxy::counters;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

fn set(guard: &mut Guard, mtls: Mtls) {
    guard.redirect(|directory| directory.own.inbound.as_mut().unwrap().mtls = mtls);
}

fn plaintext_calls(guard: &Guard) -> u64 {
    let sum = counters::sum(&guard.proxy.counters(), &guard.proxy.events);
    sum.plaintext.values().map(|it| it.calls).sum()
}

#[tokio::test]
async fn a_strict_guard_reads_nothing_that_is_no_tls() {
    let world = World::new();
    let guard = world.sidecar("open", programs::http().await, Protocol::Http).await;
    let response = talk(plain(guard.mesh()).await, get("/")).await;
    assert!(!response.contains("HTTP/1.1"), "{response:?}");
    assert_eq!(plaintext_calls(&guard), 0);
}

#[tokio::test]
async fn a_permissive_guard_takes_both_and_tells_them_apart() {
    let world = World::new();
    let mut guard = world.sidecar("open", programs::http().await, Protocol::Http).await;
    set(&mut guard, Mtls::Permissive);
    let forged =
        "GET /a HTTP/1.1\r\nhost: x\r\nx-bartizan-peer: spiffe://bank.test/svc/web\r\nconnection: close\r\n\r\n";
    let response = talk(plain(guard.mesh()).await, forged).await;
    assert!(status(&response) == 200 && !response.contains("x-bartizan-peer"), "nobody's name: {response}");
    let event = guard.event(|event| if let What::Request(it) = &event.what { Some(it.clone()) } else { None }).await;
    assert!(event.peer.is_none());
    let by: Vec<_> = event.decision.unwrap().policies.iter().map(ToString::to_string).collect();
    assert_eq!(by, ["fleet:calls/unauthenticated->open"]);
    assert_eq!(plaintext_calls(&guard), 1);

    // With a certificate it is somebody, who has no edge to here.
    let response = talk(mtls(&world, guard.mesh(), "stranger").await, get("/")).await;
    assert_eq!(status(&response), 403, "{response}");
    assert_eq!(plaintext_calls(&guard), 1);
}

#[tokio::test]
async fn what_names_a_caller_never_means_one_without_a_name() {
    let world = World::new();
    let api = programs::http().await;
    // `api` permits `web` and the gateway, and is not permissive in its policies.
    let mut guard = world.sidecar("api", api, Protocol::Http).await;
    set(&mut guard, Mtls::Permissive);
    let response = talk(plain(guard.mesh()).await, get("/")).await;
    assert_eq!(status(&response), 403, "neither the gateway nor web: {response}");
    // And a forbid holds for them as for anybody.
    let forbid = r#"forbid (principal, action, resource == Service::"open") unless { principal == Workload::"web" };"#;
    let mut guard = world.sidecar_with("open", api, Protocol::Http, forbid).await;
    set(&mut guard, Mtls::Permissive);
    assert_eq!(status(&talk(plain(guard.mesh()).await, get("/")).await), 403);
}

#[tokio::test]
async fn becoming_strict_ends_plaintext_after_the_answer_under_way_and_nobody_else() {
    let world = World::new();
    let slow = programs::custom(|mut stream: tokio::net::TcpStream| async move {
        loop {
            hear_until(&mut stream, "\r\n\r\n").await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut guard = world.sidecar("open", slow, Protocol::Http).await;
    set(&mut guard, Mtls::Permissive);
    let mut open = plain(guard.mesh()).await;
    open.write_all(b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mesh = guard.mesh();
    until("it is under way", async || plaintext_calls(&guard) == 1).await;
    set(&mut guard, Mtls::Strict);
    // Policies of a strict service permit nobody without a name.
    let strict =
        Engine::compile(&policies("forbid (principal == Workload::\"unauthenticated\", action, resource);"), Epoch(2));
    guard.proxy.change(|live| live.policies = Some(Arc::new(strict.unwrap())));
    let answer = hear(&mut open).await;
    assert!(answer.ends_with("ok"), "answered, then closed: {answer:?}");
    assert!(!talk(plain(mesh).await, get("/")).await.contains("HTTP/1.1"));
}

#[tokio::test]
async fn bytes_are_relayed_for_both() {
    let world = World::new();
    let mut guard = world.sidecar("open-db", programs::tcp_that_greets().await, Protocol::Tcp).await;
    set(&mut guard, Mtls::Permissive);
    // It waits for the server to speak, as clients of databases do.
    let mut client = plain(guard.mesh()).await;
    hear_until(&mut client, "hello\n").await;
    client.write_all(b"ping").await.unwrap();
    hear_until(&mut client, "ping").await;
    assert_eq!(plaintext_calls(&guard), 1);
    set(&mut guard, Mtls::Strict);
    hear(&mut client).await; // ends, after the time for what is under way
}
