//! The local API: who calls, whose socket it is, limits, streams, the end.

use crate::pki::LONG;
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bartizan_runtime::limits;
use bartizan_runtime::local::{self, BODY_BYTES_MAX, Caller, LocalError};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

struct Running {
    socket: PathBuf,
    stop: CancellationToken,
    done: JoinHandle<()>,
    _dir: TempDir,
}

fn start(router: Router) -> Running {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("api.sock");
    let stop = CancellationToken::new();
    let listener = local::bind(&socket).unwrap();
    let done = tokio::spawn(local::serve(listener, router, stop.clone()));
    Running { socket, stop, done, _dir: dir }
}

async fn whoami(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({ "pid": caller.pid, "uid": caller.uid, "gid": caller.gid }))
}

#[tokio::test]
async fn the_kernel_says_who_calls() {
    let api = start(Router::new().route("/whoami", get(whoami)));
    let me: Value = local::get(&api.socket, "/whoami").await.unwrap();
    let expected = json!({
        "pid": std::process::id(),
        "uid": rustix::process::getuid().as_raw(),
        "gid": rustix::process::getgid().as_raw(),
    });
    assert_eq!(me, expected);
    let mode = std::fs::metadata(&api.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn answers_and_refusals_reach_the_client() {
    let api = start(
        Router::new()
            .route("/twice", post(|Json(n): Json<u32>| async move { Json(2 * n) }))
            .route("/text", get(|| async { "plain" }))
            .route("/no", post(|| async { (StatusCode::UNPROCESSABLE_ENTITY, "fleet.yaml:3:1: no such key") })),
    );
    assert_eq!(local::post::<_, u32>(&api.socket, "/twice", &21).await.unwrap(), 42);
    assert_eq!(local::get_text(&api.socket, "/text?x=1").await.unwrap(), "plain");

    let refused = local::post::<_, Value>(&api.socket, "/no", &json!({})).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused with status 422: fleet.yaml:3:1: no such key");
    let refused = local::get::<Value>(&api.socket, "/nowhere").await.unwrap_err();
    assert!(matches!(refused, LocalError::Refused { status: 404, .. }), "{refused}");
    let broken = local::get::<Value>(&api.socket, "/text").await.unwrap_err();
    assert!(matches!(broken, LocalError::Broken { .. }), "{broken}");
    let broken = local::get::<Value>(&api.socket, "no path").await.unwrap_err();
    assert!(matches!(broken, LocalError::Broken { .. }), "{broken}");
}

#[tokio::test]
async fn bodies_and_heads_are_bounded() {
    let api = start(Router::new().route("/len", post(|body: Bytes| async move { Json(body.len()) })));
    let fits = "x".repeat(BODY_BYTES_MAX - 2); // two quotes
    assert_eq!(local::post::<_, usize>(&api.socket, "/len", &fits).await.unwrap(), BODY_BYTES_MAX);
    let refused = local::post::<_, usize>(&api.socket, "/len", &format!("{fits}x")).await.unwrap_err();
    assert!(matches!(refused, LocalError::Refused { status: 413, .. }), "{refused}");

    // Without a declared length, it is counted.
    let mut raw = UnixStream::connect(&api.socket).await.unwrap();
    raw.write_all(b"POST /len HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = format!("{BODY_BYTES_MAX:x}\r\n{}\r\n2\r\nxx\r\n0\r\n\r\n", "x".repeat(BODY_BYTES_MAX));
    raw.write_all(chunk.as_bytes()).await.unwrap();
    assert!(head(&mut raw).await.starts_with("HTTP/1.1 413 "));

    let mut raw = UnixStream::connect(&api.socket).await.unwrap();
    raw.write_all(format!("GET /{} HTTP/1.1\r\n", "x".repeat(2 * limits::LOCAL_HEAD_BYTES_MAX)).as_bytes())
        .await
        .unwrap();
    let answer = head(&mut raw).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

async fn head(raw: &mut UnixStream) -> String {
    let mut bytes = vec![0; 512];
    let read = timeout(LONG, raw.read(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

/// An endpoint that streams whatever `pieces` yields, and then waits for ever where `endless`.
fn streaming(pieces: &'static [&'static [u8]], endless: bool) -> Router {
    let handler = move || async move {
        let (tx, rx) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        tokio::spawn(async move {
            for piece in pieces {
                if tx.send(Ok(Bytes::from_static(piece))).await.is_err() {
                    return;
                }
            }
            if endless {
                tx.closed().await;
            }
        });
        Body::from_stream(ReceiverStream::new(rx))
    };
    Router::new().route("/events", get(handler))
}

#[tokio::test]
async fn lines_arrive_one_by_one_while_the_server_goes_on() {
    let api = start(streaming(&[b"{\"a\":1}\n{\"b\"", b":2}", b"\n", b"\n", b"{\"c\":3}\n"], true));
    let mut lines = local::lines(&api.socket, "/events?follow=true").await.unwrap();
    for expected in ["{\"a\":1}", "{\"b\":2}", "", "{\"c\":3}"] {
        let line = timeout(LONG, lines.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(line, expected);
    }
    // A stop ends the stream, though its handler would go on.
    api.stop.cancel();
    timeout(limits::DRAIN + LONG, api.done).await.unwrap().unwrap();
    let last = timeout(LONG, lines.next()).await.unwrap();
    assert!(!matches!(last, Some(Ok(_))), "{last:?}");
}

#[tokio::test]
async fn a_line_that_is_cut_or_no_text_is_an_error() {
    for (pieces, why) in [(&[b"{\"a\":1}\n{\"cut" as &[u8]], "cut"), (&[b"{\"a\":1}\n\xff\n"], "not UTF-8")] {
        let api = start(streaming(pieces, false));
        let mut lines = local::lines(&api.socket, "/events").await.unwrap();
        assert!(lines.next().await.unwrap().is_ok());
        assert!(matches!(lines.next().await, Some(Err(LocalError::Broken { .. }))), "{why}");
        assert!(lines.next().await.is_none());
    }
    let refused = local::lines(&start(streaming(&[], false)).socket, "/other").await.unwrap_err();
    assert!(matches!(refused, LocalError::Refused { status: 404, .. }), "{refused}");
}

#[tokio::test]
async fn a_dead_socket_is_taken_over_and_a_live_one_is_not() {
    let api = start(Router::new());
    let error = local::bind(&api.socket).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");

    // Killed, so that the file stays behind.
    api.done.abort();
    api.done.await.unwrap_err();
    assert!(api.socket.exists());
    let error = local::get::<Value>(&api.socket, "/").await.unwrap_err();
    assert!(matches!(error, LocalError::NotRunning { .. }), "{error}");

    let listener = local::bind(&api.socket).unwrap();
    let stop = CancellationToken::new();
    let again = tokio::spawn(local::serve(listener, Router::new().route("/whoami", get(whoami)), stop.clone()));
    local::get::<Value>(&api.socket, "/whoami").await.unwrap();

    stop.cancel();
    timeout(LONG, again).await.unwrap().unwrap();
    assert!(!api.socket.exists(), "an orderly end tidies up");
    let error = local::get::<Value>(&api.socket, "/whoami").await.unwrap_err();
    assert!(matches!(error, LocalError::NotRunning { .. }), "{error}");
}

#[tokio::test]
async fn a_path_that_cannot_be_a_socket_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(local::bind(&file).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");

    let long = dir.path().join("x".repeat(limits::SOCKET_PATH_BYTES_MAX));
    let error = local::bind(&long).unwrap_err();
    assert!(error.to_string().ends_with("choose a shorter data folder"), "{error}");
    let error = local::bind(Path::new("/nonexistent/api.sock")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/api.sock"), "{error}");
}
