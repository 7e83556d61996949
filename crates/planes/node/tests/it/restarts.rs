//! A node that was here before: it begins with what its cache holds.

use crate::authority::{TestControl, node_id, serve};
use crate::joins::{DEADLINE, control, control_id, health, options};
use bartizan_node::{CacheError, NodeError, Options, run};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

fn with_cache(dir: &Path, control: &TestControl, addr: SocketAddr, token: Option<&str>) -> Options {
    let options = options(dir, control, addr, token.unwrap_or_default());
    let proof = options.proof.filter(|_| token.is_some());
    Options { cache: Some(dir.join("node.cache")), proof, ..options }
}

/// A node that joined, wrote its cache and is gone; how long its identity lasts is for `control` to say.
async fn lived(dir: &Path, control: &TestControl) {
    let stop = CancellationToken::new();
    let addr = serve(control.clone(), &control_id(), stop.clone());
    let node = tokio::spawn(run(with_cache(dir, control, addr, Some("t0ken")), stop.clone()));
    let began = Instant::now();
    while !dir.join("node.cache").exists() {
        assert!(began.elapsed() < DEADLINE, "no cache was written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    node.await.unwrap().unwrap();
}

async fn refused(options: Options) -> NodeError {
    let ended = tokio::time::timeout(DEADLINE, run(options, CancellationToken::new())).await;
    ended.expect("it says so at once").expect_err("it served")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cache_that_serves_it_needs_a_token() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let control = control(Some(Duration::from_secs(3)));
    let nowhere: SocketAddr = NOWHERE.parse().unwrap();
    let first = refused(with_cache(dir, &control, nowhere, None)).await;
    assert!(matches!(&first, NodeError::NoProof { source: Some(CacheError::Absent), .. }), "{first:?}");
    assert!(first.to_string().contains("bartizan token node"), "{first}");

    lived(dir, &control).await;
    let good = std::fs::read(dir.join("node.cache")).unwrap();
    std::fs::write(dir.join("node.cache"), &good[..good.len() - 1]).unwrap();
    let cut = refused(with_cache(dir, &control, nowhere, None)).await;
    assert!(matches!(&cut, NodeError::NoProof { source: Some(CacheError::Seal(_)), .. }), "{cut:?}");
    std::fs::write(dir.join("node.cache"), &good).unwrap();

    let other_name = Options { name: crate::authority::name("other"), ..with_cache(dir, &control, nowhere, None) };
    let other = refused(other_name).await;
    assert!(matches!(&other, NodeError::NoProof { source: Some(CacheError::Seal(_)), .. }), "{other:?}");

    let stranger = crate::joins::control(None);
    let other_roots = refused(with_cache(dir, &stranger, nowhere, None)).await;
    assert!(
        matches!(&other_roots, NodeError::NoProof { source: Some(CacheError::Identity(_)), .. }),
        "{other_roots:?}"
    );

    let secret = dir.join("node.secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
    let readable = refused(with_cache(dir, &control, nowhere, None)).await;
    assert!(
        matches!(&readable, NodeError::File { .. }) && readable.to_string().contains("read by others"),
        "{readable}"
    );
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();

    // Life of three seconds: it is over by itself.
    let began = Instant::now();
    let expired = loop {
        let stop = CancellationToken::new();
        let options = with_cache(dir, &control, nowhere, None);
        match tokio::time::timeout(DEADLINE, run(options, stop)).await.expect("it ends with its identity") {
            Err(NodeError::NoProof { source: Some(error), .. }) => break error,
            ended => assert!(matches!(ended, Err(NodeError::RanOut { .. })), "{ended:?}"),
        }
        assert!(began.elapsed() < DEADLINE);
    };
    assert!(matches!(&expired, CacheError::Identity(_)), "{expired:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_at_once_without_control_and_renews_when_control_is_back() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let control = control(None);
    lived(dir, &control).await;

    let (stop, control_stop) = (CancellationToken::new(), CancellationToken::new());
    let node = tokio::spawn(run(with_cache(dir, &control, NOWHERE.parse().unwrap(), None), stop.clone()));
    let cached = health(&dir.join("node.sock"), |_| true).await;
    assert_eq!(cached.id, node_id());
    assert!(control.book.lock().unwrap().renewed.is_empty());
    stop.cancel();
    node.await.unwrap().unwrap();

    // Control is there from the start: half of the life is not waited for.
    let stop = CancellationToken::new();
    let addr = serve(control.clone(), &control_id(), control_stop.clone());
    let node = tokio::spawn(run(with_cache(dir, &control, addr, None), stop.clone()));
    let renewed = health(&dir.join("node.sock"), |_| !control.book.lock().unwrap().renewed.is_empty()).await;
    assert!(renewed.not_after >= cached.not_after);
    assert_eq!(control.book.lock().unwrap().renewed, [node_id()]);
    stop.cancel();
    node.await.unwrap().unwrap();
    control_stop.cancel();
}

/// What was cached is of no worth to control any more; the token that came along is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_speaks_where_cache_or_control_say_no() {
    for damage in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let control = control(None);
        lived(dir, &control).await;
        {
            let mut book = control.book.lock().unwrap();
            (book.token, book.refuse_renewals) = (Some("second".to_owned()), !damage);
        }
        if damage {
            std::fs::write(dir.join("node.cache"), "nothing").unwrap();
        }
        let stop = CancellationToken::new();
        let addr = serve(control.clone(), &control_id(), stop.clone());
        let node = tokio::spawn(run(with_cache(dir, &control, addr, Some("second")), stop.clone()));
        health(&dir.join("node.sock"), |_| control.book.lock().unwrap().token.is_none()).await;
        stop.cancel();
        node.await.unwrap().unwrap();
    }
}
