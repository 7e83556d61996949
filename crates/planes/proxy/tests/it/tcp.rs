//! Bytes through two sidecars.

use crate::client::{hear, hear_until, plain, tls};
use crate::programs;
use crate::world::{Guard, World, free_addr};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use tokio::io::AsyncWriteExt;

async fn two(program: std::net::SocketAddr) -> (World, Guard, Guard) {
    let world = World::new();
    let callee = world.sidecar("db", program, Protocol::Tcp).await;
    let caller = world.caller("web", &[(&callee, Protocol::Tcp)]).await;
    (world, caller, callee)
}

#[tokio::test]
async fn a_closed_half_reaches_the_program_and_its_answer_comes_back() {
    let (world, caller, callee) = two(programs::tcp().await).await;
    let mut stream = plain(caller.outbound("db")).await;
    let megabyte = vec![b'x'; 1 << 20];
    stream.write_all(&megabyte).await.unwrap();
    stream.shutdown().await.unwrap();
    let heard = hear(&mut stream).await;
    assert!(heard.starts_with("heard: ") && heard.len() == "heard: ".len() + megabyte.len());
    let connection = callee.event(|e| match &e.what {
        What::Connection(c) => Some(c.clone()),
        _ => None,
    });
    let connection = connection.await;
    assert_eq!((connection.bytes_up, connection.bytes_down), (1 << 20, (1 << 20) + 7));
    assert_eq!((connection.peer, connection.error), (Some(world.id("web")), None));
    assert!(connection.decision.is_some());
}

#[tokio::test]
async fn a_program_may_speak_first() {
    let (_world, caller, _callee) = two(programs::tcp_that_greets().await).await;
    let mut stream = plain(caller.outbound("db")).await;
    hear_until(&mut stream, "hello\n").await;
    stream.write_all(b"ping").await.unwrap();
    hear_until(&mut stream, "ping").await;
}

#[tokio::test]
async fn an_undeclared_caller_is_cut_off_before_the_program_hears_of_it() {
    let (world, _caller, callee) = two(programs::tcp_that_greets().await).await;
    let mut stream = tls(callee.mesh(), Some(&world.shown("stranger")), &["bartizan-tcp"]).await.unwrap();
    assert_eq!(hear(&mut stream).await, "");
    let denied = callee.event(|e| matches!(&e.what, What::Connection(_)).then(|| e.is_denial()));
    assert!(denied.await);
}

#[tokio::test]
async fn a_tcp_service_is_not_reached_as_http() {
    let (world, _caller, callee) = two(programs::tcp_that_greets().await).await;
    assert!(tls(callee.mesh(), Some(&world.shown("web")), &["http/1.1"]).await.is_err());
}

#[tokio::test]
async fn a_dead_program_closes_the_connection_and_is_reported() {
    let (_world, caller, callee) = two(free_addr()).await;
    let mut stream = plain(caller.outbound("db")).await;
    assert_eq!(hear(&mut stream).await, "");
    let error = callee.event(|e| match &e.what {
        What::Connection(c) => c.error.clone(),
        _ => None,
    });
    assert_eq!(&*error.await, "upstream_unreachable");
}
