//! The binary: its start, its end, and what it says where it cannot start.

use crate::client::until;
use crate::stub::{mesh, published, serve, until_serving};
use crate::world::PATIENCE;
use axum::Json;
use axum::http::StatusCode;
use axum::routing::post;
use bartizan_crypto::base64;
use bartizan_runtime::local;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan-proxy"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env_remove("BARTIZAN_LOG").env_remove("RUST_LOG");
    command
}

fn proxy(dir: &Path, control: SocketAddr) -> Command {
    let mut command = binary();
    command.args(["--service", "api", "--trust-domain", "bank.test", "--control", &control.to_string()]);
    command.arg("--node-socket").arg(dir.join("node.sock")).arg("--trust-bundle").arg(dir.join("roots.pem"));
    command.arg("--state-dir").arg(dir.join("state")).args(["--workers", "2", "--exit-with-stdin"]);
    command
}

/// A node that vouches for whoever brings the ticket `good`.
async fn node(dir: &Path) {
    let vouch = async |Json(asked): Json<Value>| {
        if asked["ticket"] != "good" || asked["service"] != "api" || asked["spki"].as_str().is_none() {
            return (StatusCode::FORBIDDEN, Json(json!({ "error": "the ticket is not known" })));
        }
        (StatusCode::OK, Json(json!({ "voucher": "voucher", "seal_key": base64::encode(&[7; 32]) })))
    };
    let listener = local::bind(&dir.join("node.sock")).unwrap();
    let router = axum::Router::new().route("/v1/vouch", post(vouch));
    tokio::spawn(local::serve(listener, router, CancellationToken::new()));
}

async fn ended(mut child: Child) -> (Option<i32>, String) {
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    (status.code(), said)
}

#[tokio::test]
async fn starts_serves_and_stops_when_its_parent_goes() {
    let (stub, directory, addr, dir) = published().await;
    let roots = stub.world.bundles.roots_of("bank.test").unwrap();
    std::fs::write(dir.path().join("roots.pem"), bartizan_crypto::cert::pem(&roots[0])).unwrap();
    node(dir.path()).await;
    let _control = serve(&stub, addr).await;
    let mut child = proxy(dir.path(), addr).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"good\n").await.unwrap();
    until_serving(&stub, &directory).await;
    until("it counts itself", async || {
        stub.state.lock().unwrap().stats.as_ref().is_some_and(|s| s.resident_bytes > 0 && s.handshakes_completed > 0)
    })
    .await;
    drop(stdin);
    let (code, said) = ended(child).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(TcpStream::connect(mesh(&directory)).await.is_err(), "nothing listens any more");
    assert!(!stub.events().is_empty(), "what happened was sent before the end");
}

#[tokio::test]
async fn says_why_it_cannot_start() {
    let (stub, _directory, addr, dir) = published().await;
    node(dir.path()).await;
    let mut child = proxy(dir.path(), addr).spawn().unwrap();
    drop(child.stdin.take());
    let (code, said) = ended(child).await;
    assert!(code == Some(1) && said.contains("no ticket came on standard input"), "{code:?} {said}");

    let mut child = proxy(dir.path(), addr).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"good\n").await.unwrap();
    let (code, said) = ended(child).await;
    assert!(code == Some(1) && said.contains("roots.pem` cannot be used"), "{code:?} {said}");

    let twice = proxy(dir.path(), addr).args(["--control", &addr.to_string()]).spawn().unwrap();
    let (code, said) = ended(twice).await;
    assert!(code == Some(1) && said.contains(&format!("`{addr}` is given twice")), "{code:?} {said}");

    let roots = stub.world.bundles.roots_of("bank.test").unwrap();
    std::fs::write(dir.path().join("roots.pem"), bartizan_crypto::cert::pem(&roots[0])).unwrap();
    let mut child = proxy(dir.path(), addr).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"bad\n").await.unwrap();
    let (code, said) = ended(child).await;
    assert!(code == Some(75) && said.contains("the ticket is not known"), "{code:?} {said}");
    assert!(!said.contains("bad\n"), "the ticket is not printed");
}

#[tokio::test]
async fn help_shows_how_to_start_it() {
    let help = binary().arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["--service", "--node-socket", "Examples:", "Exit codes: 0", "BARTIZAN_LOG"] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    let wrong = binary().args(["--service", "Not a name"]).output().await.unwrap();
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("is not a service name"));
}
