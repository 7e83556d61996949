//! What does not get in: requests that two readers could frame in two ways, and those that come too large or too slowly.

use crate::client::{get, header, mtls, plain, status, talk};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::limits;
use tokio::io::AsyncWriteExt;

async fn guarded() -> (World, Guard) {
    let world = World::new();
    let guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
    (world, guard)
}

#[tokio::test]
async fn smuggling_forms_are_answered_400_and_reported() {
    let (world, guard) = guarded().await;
    let caller = world.caller("web", &[(&guard, Protocol::Http)]).await;
    let post = |lines: &str, body: &str| format!("POST /a HTTP/1.1\r\nhost: api\r\n{lines}\r\n{body}");
    for (bytes, rule) in [
        (
            post("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            "content_length_and_transfer_encoding",
        ),
        (post("content-length: 4\r\ncontent-length: 5\r\n", "abcde"), "content_length_duplicate"),
        (post("content-length: +4\r\n", "abcd"), "content_length_invalid"),
        (post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"), "transfer_encoding"),
        (post("transfer-encoding : chunked\r\n", "0\r\n\r\n"), "space_before_colon"),
        (post("x: a\r\n b\r\n", ""), "obs_fold"),
        ("GET / HTTP/1.1\nhost: api\n\n".to_owned(), "bare_lf"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "host_missing"),
        ("GET http://elsewhere/ HTTP/1.1\r\nhost: api\r\n\r\n".to_owned(), "target_absolute"),
    ] {
        // Behind a good request, as a smuggler would; and at both doors.
        let bytes =
            format!("GET /first HTTP/1.1\r\nhost: api\r\n\r\n{bytes}GET /smuggled HTTP/1.1\r\nhost: api\r\n\r\n");
        for (guard, response) in [
            (&guard, talk(mtls(&world, guard.mesh(), "web").await, &bytes).await),
            (&caller, talk(plain(caller.outbound("api")).await, &bytes).await),
        ] {
            let answers: Vec<_> = response.matches("HTTP/1.1 ").collect();
            assert_eq!(answers.len(), 2, "{rule}: {response}");
            assert!(response.starts_with("HTTP/1.1 200") && response.contains("GET /first"), "{rule}: {response}");
            assert!(response.contains("HTTP/1.1 400") && response.contains(rule), "{rule}: {response}");
            assert!(!response.contains("/smuggled"), "{rule}: {response}");
            let reported = guard.event(|e| match &e.what {
                What::Refused(r) if &*r.rule == rule => Some((r.status, e.is_denial())),
                _ => None,
            });
            assert_eq!(reported.await, (400, true), "{rule}");
        }
    }
    assert!(guard.proxy.counters().len() == 2 && guard.proxy.events.counts().dropped == 0);
}

#[tokio::test]
async fn a_broken_chunk_never_reaches_the_program_as_a_whole_request() {
    let (world, guard) = guarded().await;
    let bytes = "POST /a HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n";
    let response = talk(mtls(&world, guard.mesh(), "web").await, bytes).await;
    assert!(!response.contains("HTTP/1.1 200"), "{response}");
    assert_eq!(guard.refused_rule().await, "chunk_end");
}

#[tokio::test]
async fn too_large_heads_are_answered_431_although_nobody_reads_on() {
    let (world, guard) = guarded().await;
    let long = format!("GET / HTTP/1.1\r\nhost: api\r\nx: {}\r\n\r\n", "y".repeat(limits::HEAD_BYTES_MAX));
    let many = format!("GET / HTTP/1.1\r\nhost: api\r\n{}\r\n", "x: y\r\n".repeat(limits::HEADERS_MAX));
    for (bytes, rule) in [(long, "head_too_large"), (many, "too_many_headers")] {
        let response = talk(mtls(&world, guard.mesh(), "web").await, bytes).await;
        assert_eq!(status(&response), 431, "{response}");
        assert!(response.contains(rule) && header(&response, "connection") == Some("close"), "{response}");
    }
}

#[tokio::test]
async fn a_head_just_below_the_limit_passes() {
    let (world, guard) = guarded().await;
    let frame = "GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\nx: \r\n\r\n".len();
    // The program's own server (hyper) takes heads of up to about 400 KiB.
    let value = "y".repeat(limits::HEAD_BYTES_MAX - frame);
    let bytes = format!("GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\nx: {value}\r\n\r\n");
    assert_eq!(bytes.len(), limits::HEAD_BYTES_MAX);
    let response = talk(mtls(&world, guard.mesh(), "web").await, bytes).await;
    assert_eq!(status(&response), 200);
    assert!(response.contains(&value));
}

#[tokio::test]
async fn a_slow_head_is_answered_408() {
    let (world, guard) = guarded().await;
    let mut stream = mtls(&world, guard.mesh(), "web").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: api\r\n").await.unwrap();
    let response = crate::client::hear(&mut stream).await;
    assert_eq!(status(&response), 408, "{response}");
    assert_eq!(guard.refused_rule().await, "slow_head");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_answered_413() {
    let (world, guard) = guarded().await;
    let bytes = format!("POST / HTTP/1.1\r\nhost: api\r\ncontent-length: {}\r\n\r\nabc", limits::BODY_BYTES_MAX + 1);
    let response = talk(mtls(&world, guard.mesh(), "web").await, bytes).await;
    assert_eq!(status(&response), 413);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_cut_off() {
    let (world, guard) = guarded().await;
    let mut stream = mtls(&world, guard.mesh(), "web").await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: api\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [format!("{:x}\r\n", 1 << 20).as_bytes(), &vec![b'a'; 1 << 20], b"\r\n"].concat();
    let mut written = 0;
    while written <= limits::BODY_BYTES_MAX * 2 && stream.write_all(&chunk).await.is_ok() {
        written += 1 << 20;
    }
    let _ = crate::client::hear(&mut stream).await; // a 413, unless the end came first
    let status = guard.event(|e| match &e.what {
        What::Request(r) => Some((r.status, r.error.clone())),
        _ => None,
    });
    assert_eq!(status.await, (413, Some("body_too_large".into())));
}

#[tokio::test]
async fn an_ambiguous_path_is_answered_400_and_reported() {
    let (world, guard) = guarded().await;
    for path in ["/a/../b", "/a//b", "/a/%2e%2e/b", "/a%2fb", "/a;x", "/a\\b"] {
        let response = talk(mtls(&world, guard.mesh(), "web").await, get(path)).await;
        assert_eq!(status(&response), 400, "{path}: {response}");
        let reported = guard.event(|e| match &e.what {
            What::Request(r) if &*r.path == path => Some((r.error.clone(), e.is_denial())),
            _ => None,
        });
        assert_eq!(reported.await, (Some("path_ambiguous".into()), true));
    }
}
