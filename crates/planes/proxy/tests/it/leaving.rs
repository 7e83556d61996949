//! Instances that end while they are called: whatever no program got goes to another one, and nothing twice.

use crate::client::{plain, until};
use crate::programs;
use crate::world::{World, name};
use bartizan_core::edge::Instance;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::counters;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Requests at the same time.
const CALLERS: usize = 50;
/// How often an instance ends.
const ROUNDS: usize = 12;
/// How long the programs work on a request.
const WORK: Duration = Duration::from_millis(5);

const GET: &str = "GET / HTTP/1.1\r\nhost: api\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 2\r\n\r\nhi";
/// Its body comes a moment after its head.
const POST_IN_PARTS: &str = "POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 3\r\n\r\n";

/// A head and as many bytes as it says; `None` where the other end closed.
async fn message(stream: &mut TcpStream) -> Option<String> {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return Some(text);
            }
        }
        if !matches!(stream.read_buf(&mut all).await, Ok(1..)) {
            return None;
        }
    }
}

/// A program that counts what it gets, and works on it for a moment.
async fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let program = programs::custom(move |mut stream: TcpStream| {
        let counted = Arc::clone(&counted);
        async move {
            while message(&mut stream).await.is_some() {
                counted.fetch_add(1, Relaxed);
                tokio::time::sleep(WORK).await;
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        }
    });
    (program.await, count)
}

/// One request after the other, until `stop`. Gives how many were answered, and what became of the others.
async fn keep_calling(addr: SocketAddr, round: Arc<AtomicUsize>, stop: CancellationToken) -> (usize, Vec<String>) {
    let (mut answered, mut failed, mut stream) = (0, Vec::new(), plain(addr).await);
    for request in [GET, POST, POST_IN_PARTS].into_iter().cycle() {
        if stop.is_cancelled() {
            break;
        }
        let began = round.load(Relaxed);
        stream.write_all(request.as_bytes()).await.unwrap();
        if request == POST_IN_PARTS {
            tokio::time::sleep(Duration::from_millis(1)).await;
            stream.write_all(b"pay").await.unwrap();
        }
        let answer = message(&mut stream).await;
        if answer.as_ref().is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            answered += 1;
        } else {
            let request = request.lines().next().unwrap_or_default();
            failed.push(format!("{request}, rounds {began} to {}: {answer:?}", round.load(Relaxed)));
            stream = plain(addr).await;
        }
    }
    (answered, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_end_one_after_the_other_cost_nobody_a_request() {
    let world = World::new();
    let (program, count) = counting().await;
    let stays = world.sidecar("api", program, Protocol::Http).await;
    let mut web = world.caller("web", &[(&stays, Protocol::Http)]).await;
    let (stop, round) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let calling = |_| tokio::spawn(keep_calling(web.outbound("api"), Arc::clone(&round), stop.clone()));
    let calling: Vec<_> = (0..CALLERS).map(calling).collect();
    let at = |mesh| Instance { mesh, zone: None, weight: 1 };
    for _ in 0..ROUNDS {
        round.fetch_add(1, Relaxed);
        let leaves = world.sidecar("api", program, Protocol::Http).await;
        let instances = vec![at(stays.mesh()), at(leaves.mesh())];
        web.redirect(|directory| directory.peers.get_mut(&name("api")).unwrap().instances = instances);
        let calls = || {
            let inbound = counters::sum(&leaves.proxy.counters(), &leaves.proxy.events).inbound;
            inbound.values().map(|edge| edge.calls).sum::<u64>()
        };
        until("the one that leaves is called", async || calls() > CALLERS as u64).await;
        leaves.stopped().await;
        // Callers are told a while later.
        tokio::time::sleep(WORK * 10).await;
    }
    stop.cancel();
    let (mut answered, mut failed) = (0, Vec::new());
    for caller in calling {
        let (some, others) = caller.await.unwrap();
        assert!(some > ROUNDS, "each of them was at work: {some}");
        answered += some;
        failed.extend(others);
    }
    assert!(failed.is_empty(), "{} of {}: {:#?}", failed.len(), answered, &failed[..failed.len().min(10)]);
    assert_eq!(count.load(Relaxed), answered, "each request reached a program once");
}
