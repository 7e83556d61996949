//! WebSocket through two sidecars.

use crate::client::{get, hear, hear_until, plain, status, talk, until};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol as Over;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

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

/// A client of HTTP/2 that knows that the guard takes WebSocket on it.
async fn over_http2(guard: &Guard) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(plain(guard.outbound("api")).await).await.unwrap();
    tokio::spawn(connection);
    while !sender.is_extended_connect_protocol_enabled() {
        sleep(Duration::from_millis(5)).await;
    }
    sender
}

/// Asks for `over` on a stream of its own.
async fn connect(client: &mut SendRequest<Bytes>, over: &'static str) -> (Response<RecvStream>, SendStream<Bytes>) {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://api/chat")
        .header("sec-websocket-version", "13")
        .header("origin", "http://api")
        .extension(Over::from_static(over))
        .body(())
        .unwrap();
    let (response, stream) = client.send_request(request, false).unwrap();
    let response = timeout(Duration::from_secs(20), response).await.expect("an answer").unwrap();
    (response, stream)
}

/// What comes next, until it has `bytes` of length; less where it ends.
async fn read(body: &mut RecvStream, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        let Some(Ok(data)) = timeout(Duration::from_secs(20), body.data()).await.expect("bytes, or an end") else {
            break;
        };
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all
}

#[tokio::test]
async fn over_http2_only_a_websocket_may_be_asked_for_by_connect() {
    let (_world, caller, _callee) = two().await;
    let mut client = over_http2(&caller).await;
    let (response, _stream) = connect(&mut client, "connect-udp").await;
    assert_eq!(response.status().as_u16(), 405);
    let (response, _stream) = connect(&mut client, "websocket").await;
    assert_eq!(response.status().as_u16(), 200, "the connection goes on");
}

#[tokio::test]
async fn over_http2_a_program_that_declines_answers_as_ever() {
    let program = programs::custom(|mut stream| async move {
        let mut head = [0; 2048];
        while let Ok(n @ 1..) = stream.read(&mut head).await {
            let head = String::from_utf8_lossy(&head[..n]).to_lowercase();
            let is_one =
                ["get /chat http/1.1", "upgrade: websocket", "sec-websocket-key: ", "sec-websocket-version: 13"];
            let status = if is_one.iter().all(|part| head.contains(part)) { "426 Upgrade Required" } else { "400 No" };
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno").as_bytes()).await.unwrap();
        }
    })
    .await;
    let world = World::new();
    let callee = world.sidecar("api", program, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let mut client = over_http2(&caller).await;
    let (response, _stream) = connect(&mut client, "websocket").await;
    assert_eq!(response.status().as_u16(), 426);
    assert_eq!(read(&mut response.into_body(), 2).await, b"no");
}

#[tokio::test]
async fn over_http2_frames_pass_both_ways_beside_other_requests() {
    let (_world, caller, callee) = two().await;
    let mut client = over_http2(&caller).await;
    let (response, mut stream) = connect(&mut client, "websocket").await;
    assert_eq!(response.status().as_u16(), 200);
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{name} is of HTTP/1.1");
    }
    let mut body = response.into_body();
    for frame in ["\u{1}\u{5}hello\n", "GET / HTTP/1.1\n\n"] {
        stream.send_data(Bytes::from(frame), false).unwrap();
        assert_eq!(read(&mut body, frame.len()).await, frame.as_bytes());
    }
    // More than either window holds, while another request is answered.
    let large = Bytes::from(vec![7; 3 << 20]);
    let send = async {
        let mut rest = large.clone();
        while !rest.is_empty() {
            stream.reserve_capacity(rest.len());
            let room = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
            stream.send_data(rest.split_to(room.min(rest.len())), false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    };
    let other = async {
        let request = Request::get("http://api/other").body(()).unwrap();
        let (response, _) = client.clone().send_request(request, true).unwrap();
        response.await.unwrap().status().as_u16()
    };
    let (_, heard, other) = tokio::join!(send, read(&mut body, usize::MAX), other);
    assert_eq!((heard.len(), other), (large.len(), 200));
    assert!(heard.iter().all(|byte| *byte == 7));
    let event = callee.event(|e| match &e.what {
        What::Request(r) if r.status == 101 => Some((r.method.to_string(), r.error.clone())),
        _ => None,
    });
    assert_eq!(event.await, ("GET".to_owned(), None));
}

/// A program that agrees to WebSocket, hears until nothing comes any more, and stays; and how many of these are open.
async fn listener() -> (SocketAddr, Arc<AtomicUsize>) {
    let open = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&open);
    let program = programs::custom(move |mut stream| {
        let open = Arc::clone(&counted);
        async move {
            let mut some = [0; 2048];
            let _ = stream.read(&mut some).await;
            let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(agreed.as_bytes()).await.unwrap();
            open.fetch_add(1, SeqCst);
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
            // The end of what comes is no end of what is said: only a broken connection shows here.
            while stream.write_all(b".").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
            open.fetch_sub(1, SeqCst);
        }
    });
    (program.await, open)
}

#[tokio::test]
async fn over_http2_a_reset_reaches_the_program_also_where_the_client_was_through() {
    let (program, open) = listener().await;
    let world = World::new();
    let callee = world.sidecar("api", program, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let mut client = over_http2(&caller).await;
    for through in [false, true] {
        let (response, mut stream) = connect(&mut client, "websocket").await;
        assert_eq!((response.status().as_u16(), response.headers().get("content-length")), (200, None));
        until("the program has it", async || open.load(SeqCst) == 1).await;
        if through {
            stream.send_data(Bytes::new(), true).unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        until("the program is rid of it", async || open.load(SeqCst) == 0).await;
    }
}

#[tokio::test]
async fn over_http2_an_answer_that_is_no_switch_is_not_taken_for_one() {
    let program = programs::custom(|mut stream| async move {
        let mut head = [0; 2048];
        while stream.read(&mut head).await.is_ok_and(|n| n > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage").await.unwrap();
        }
    });
    let world = World::new();
    let callee = world.sidecar("api", program.await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let (response, _stream) = connect(&mut over_http2(&caller).await, "websocket").await;
    assert_eq!(response.status().as_u16(), 502, "200 would open the socket of a browser");
}

#[tokio::test]
async fn over_http2_a_stop_ends_it() {
    let (_world, caller, callee) = two().await;
    let (response, _stream) = connect(&mut over_http2(&caller).await, "websocket").await;
    callee.stopped().await;
    assert_eq!(read(&mut response.into_body(), 1).await, b"");
}
