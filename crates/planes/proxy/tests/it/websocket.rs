//! WebSocket through two sidecars.

use crate::client::{get, hear, hear_until, plain, status, talk};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use tokio::io::AsyncWriteExt;

pub const SWITCH: &str = "GET /chat HTTP/1.1\r\nhost: api\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn two() -> (World, Guard, Guard) {
    let world = World::new();
    let callee = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    (world, caller, callee)
}

#[tokio::test]
async fn frames_pass_both_ways_after_the_switch() {
    let (_world, caller, callee) = two().await;
    let mut stream = plain(caller.outbound("api")).await;
    stream.write_all(SWITCH.as_bytes()).await.unwrap();
    let head = hear_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(status(&head), 101, "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("sec-websocket-accept: yes"), "{head}");
    // Bytes that the framing guard would refuse as a request.
    for frame in ["\u{1}\u{5}hello\n", "GET / HTTP/1.1\n\n", "last"] {
        stream.write_all(frame.as_bytes()).await.unwrap();
        assert_eq!(hear_until(&mut stream, frame).await, frame);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(hear(&mut stream).await, "");
    let event = callee.event(|e| match &e.what {
        What::Request(r) => Some((r.status, r.error.clone())),
        _ => None,
    });
    assert_eq!(event.await, (101, None));
}

#[tokio::test]
async fn a_stop_ends_switched_connections_in_bounded_time() {
    let (_world, caller, callee) = two().await;
    let mut stream = plain(caller.outbound("api")).await;
    stream.write_all(SWITCH.as_bytes()).await.unwrap();
    hear_until(&mut stream, "\r\n\r\n").await;
    callee.stopped().await;
    assert_eq!(hear(&mut stream).await, "");
}

#[tokio::test]
async fn a_declined_switch_leaves_a_working_connection() {
    let program = programs::custom(|mut stream| async move {
        use tokio::io::AsyncReadExt;
        let mut head = [0; 2048];
        while stream.read(&mut head).await.is_ok_and(|n| n > 0) {
            stream.write_all(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        }
    })
    .await;
    let world = World::new();
    let callee = world.sidecar("api", program, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let response = talk(plain(caller.outbound("api")).await, format!("{SWITCH}{}", get("/after"))).await;
    assert_eq!(response.matches("HTTP/1.1 426").count(), 2, "{response}");
}

#[tokio::test]
async fn a_switch_to_anything_else_is_an_ordinary_request() {
    let (_world, caller, _callee) = two().await;
    let bytes = "GET /x HTTP/1.1\r\nhost: api\r\nconnection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABk\r\n\r\n";
    let response = talk(plain(caller.outbound("api")).await, bytes).await;
    assert_eq!(status(&response), 200);
    assert!(!response.contains("h2c") && !response.contains("http2-settings"), "{response}");
}
