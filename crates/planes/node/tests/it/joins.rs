//! How the node comes by its identity and keeps it.

use crate::authority::{Authority, Book, TestControl, domain, name, node_id, serve};
use bartizan_core::{Role, Secret, SpiffeId};
use bartizan_node::api::Health;
use bartizan_node::{NodeError, Options, Proof, run};
use bartizan_runtime::control_stream::Addresses;
use bartizan_runtime::{clock, local};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn control(life: Option<Duration>) -> TestControl {
    let book = Book { token: Some("t0ken".to_owned()), life, ..Book::default() };
    TestControl { authority: Arc::new(Authority::new()), book: Arc::new(Mutex::new(book)) }
}

pub(crate) fn control_id() -> SpiffeId {
    SpiffeId::of(&domain(), &Role::Control)
}

pub(crate) fn options(dir: &Path, control: &TestControl, addr: SocketAddr, token: &str) -> Options {
    let trust_bundle = dir.join("roots.pem");
    std::fs::write(&trust_bundle, control.authority.pem()).unwrap();
    Options {
        name: name("local"),
        trust_domain: domain(),
        control: addr.into(),
        trust_bundle,
        socket: dir.join("node.sock"),
        workload_socket: None,
        docker_socket: None,
        kubernetes: None,
        proxy_binary: "/bin/sh".into(),
        seal_secret: Some(dir.join("node.secret")),
        cache: None,
        supervisor: None,
        proof: Some(Proof::Token(Secret::new(token.to_owned()))),
    }
}

/// Polls the node's health until it satisfies `wanted`.
pub(crate) async fn health(socket: &Path, mut wanted: impl FnMut(&Health) -> bool) -> Health {
    let began = Instant::now();
    loop {
        match local::get::<Health>(socket, "/v1/health").await {
            Ok(health) if wanted(&health) => return health,
            other => assert!(began.elapsed() < DEADLINE, "not in time: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_with_a_token_serves_and_stops() {
    let temp = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let control = control(None);
    let addr = serve(control.clone(), &control_id(), stop.clone());
    let node = tokio::spawn(run(options(temp.path(), &control, addr, "t0ken"), stop.clone()));
    let health = health(&temp.path().join("node.sock"), |_| true).await;
    assert_eq!(health.id, node_id());
    assert!(health.not_after > clock::now());
    assert!(temp.path().join("node.secret").is_file());
    stop.cancel();
    node.await.unwrap().unwrap();
    assert!(!temp.path().join("node.sock").exists(), "the socket is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renews_with_the_identity_it_holds_and_no_token() {
    let temp = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let control = control(Some(Duration::from_secs(4)));
    let addr = serve(control.clone(), &control_id(), stop.clone());
    let node = tokio::spawn(run(options(temp.path(), &control, addr, "t0ken"), stop.clone()));
    let first = health(&temp.path().join("node.sock"), |_| true).await;
    let second = health(&temp.path().join("node.sock"), |health| health.not_after > first.not_after).await;
    assert!(second.not_after > first.not_after);
    assert_eq!(control.book.lock().unwrap().renewed.first(), Some(&node_id()));
    stop.cancel();
    node.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_and_renews_at_whichever_address_control_is_reached_and_shows_its_token_to_control_alone() {
    let temp = tempfile::tempdir().unwrap();
    let (stop, first_stop) = (CancellationToken::new(), CancellationToken::new());
    let (control, rogue) = (control(Some(Duration::from_secs(4))), control(None));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let impostor = serve(rogue.clone(), &control_id(), stop.clone());
    let first = serve(control.clone(), &control_id(), first_stop.clone());
    let second = serve(control.clone(), &control_id(), stop.clone());
    let all = Addresses::new(vec![dead, impostor, first, second]).unwrap();
    let node =
        tokio::spawn(run(Options { control: all, ..options(temp.path(), &control, dead, "t0ken") }, stop.clone()));
    let joined = health(&temp.path().join("node.sock"), |_| true).await;
    {
        let rogue = rogue.book.lock().unwrap();
        assert!(rogue.token.is_some() && rogue.failed > 0, "it was tried, and got to see nothing");
    }
    first_stop.cancel();
    let renewed = health(&temp.path().join("node.sock"), |health| health.not_after > joined.not_after).await;
    assert!(renewed.not_after > joined.not_after);
    assert!(!node.is_finished());
    stop.cancel();
    node.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_when_its_identity_runs_out_while_control_is_away() {
    let temp = tempfile::tempdir().unwrap();
    let (stop, control_stop) = (CancellationToken::new(), CancellationToken::new());
    let control = control(Some(Duration::from_secs(3)));
    let addr = serve(control.clone(), &control_id(), control_stop.clone());
    let node = tokio::spawn(run(options(temp.path(), &control, addr, "t0ken"), stop.clone()));
    let socket = temp.path().join("node.sock");
    let first = health(&socket, |_| true).await;
    control_stop.cancel();
    // While control is away it answers; then it ends by itself, at the end of its life and not before.
    health(&socket, |_| true).await;
    let ended = tokio::time::timeout(DEADLINE, node).await.expect("it ended").unwrap();
    assert!(matches!(ended, Err(NodeError::RanOut { .. })), "{ended:?}");
    assert!(clock::now() >= first.not_after, "it gave up early");
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_refused_at_once_and_says_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let control = control(None);
    let addr = serve(control.clone(), &control_id(), stop.clone());
    let refused = run(options(temp.path(), &control, addr, "guess"), stop.clone()).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("new token"), "{text}");
    assert_eq!(refused.source().unwrap().to_string(), "control refused: join token is not known");
    stop.cancel();
}

/// A pod's token may be shown again: where the identity cannot be renewed, the one that lies there by then is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_again_with_the_token_that_kubernetes_projects_by_then() {
    let temp = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let control = control(Some(Duration::from_secs(4)));
    {
        let mut book = control.book.lock().unwrap();
        (book.token, book.refuse_renewals) = (Some("first.pod.token".to_owned()), true);
    }
    let addr = serve(control.clone(), &control_id(), stop.clone());
    let projected = temp.path().join("token");
    std::fs::write(&projected, "first.pod.token\n").unwrap();
    let proof = Some(Proof::Kubernetes(projected.clone()));
    let node = tokio::spawn(run(Options { proof, ..options(temp.path(), &control, addr, "") }, stop.clone()));
    let first = health(&temp.path().join("node.sock"), |_| true).await;
    control.book.lock().unwrap().token = Some("second.pod.token".to_owned());
    std::fs::write(&projected, "second.pod.token\n").unwrap();
    health(&temp.path().join("node.sock"), |health| health.not_after > first.not_after).await;
    stop.cancel();
    node.await.unwrap().unwrap();
}

/// Whoever listens at control's port without control's identity must not get to see the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_its_token_to_control_alone() {
    for (impostor, same_root) in [
        (SpiffeId::of(&domain(), &Role::Service(name("accounts"))), true),
        (SpiffeId::of(&domain(), &Role::Node(name("local"))), true),
        (control_id(), false),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (honest, rogue) = (control(None), control(None));
        let served = if same_root { honest.clone() } else { rogue };
        let book = Arc::clone(&served.book);
        let addr = serve(served, &impostor, stop.clone());
        let node = tokio::spawn(run(options(temp.path(), &honest, addr, "t0ken"), stop.clone()));
        let began = Instant::now();
        while book.lock().unwrap().failed < 2 {
            assert!(began.elapsed() < DEADLINE, "{impostor}: it does not go on trying");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!node.is_finished());
        assert!(book.lock().unwrap().token.is_some(), "{impostor} was given the token");
        stop.cancel();
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let temp = tempfile::tempdir().unwrap();
    let control = control(None);
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let ask = async |change: fn(&mut Options)| {
        let mut options = options(temp.path(), &control, nowhere, "t");
        change(&mut options);
        run(options, CancellationToken::new()).await.unwrap_err().to_string()
    };
    assert!(
        ask(|o| o.proxy_binary = "/nonexistent/proxy".into()).await.contains("the proxy binary `/nonexistent/proxy`")
    );
    assert!(ask(|o| o.trust_bundle = "/nonexistent/roots".into()).await.contains("trust bundle `/nonexistent/roots`"));
    assert!(ask(|o| o.trust_bundle = o.seal_secret.clone().unwrap()).await.contains("trust bundle"));
    assert!(ask(|o| o.seal_secret = Some("/nonexistent/dir/secret".into())).await.contains("the seal secret"));
}
