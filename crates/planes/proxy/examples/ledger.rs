//! How long it takes from a change of trust until the last connection concerned is closed, among thousands of open ones.
//!
//! `cargo run --release -p bartizan-proxy --example ledger`. One guard with two workers; clients are processes of their own,
//! since a process has so many descriptors only. First one key of a hundred is revoked: its connections have to end and all
//! others to stay. Then policy denies what all of them do.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/it/client.rs"]
mod client;
#[path = "../tests/it/programs.rs"]
mod programs;
#[path = "../tests/it/world.rs"]
mod world;

use crate::world::{World, policies};
use bartizan_core::Secret;
use bartizan_core::deny::{Denied, DenyList, Subject};
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::Epoch;
use bartizan_crypto::{KeyPair, base64, hash};
use bartizan_identity::DenyIndex;
use bartizan_policy::Engine;
use bartizan_runtime::{clock, process, tls};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt;

const IDENTITIES: usize = 100;
const CLIENTS: usize = 4;
/// How long nothing may happen before the rest counts as untouched.
const QUIET: Duration = Duration::from_secs(2);

/// What a client process is told.
#[derive(Serialize, Deserialize)]
struct Task {
    addr: SocketAddr,
    alpn: String,
    /// Chain and key of each identity, base64.
    identities: Vec<(Vec<String>, String)>,
    /// Connections for each of them.
    each: usize,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    if std::env::args().nth(1).as_deref() == Some("client") {
        return runtime.block_on(be_client());
    }
    runtime.block_on(measure("idle HTTP", Protocol::Http, 9_900));
    runtime.block_on(measure("relayed TCP", Protocol::Tcp, 4_800));
}

async fn measure(what: &str, protocol: Protocol, connections: usize) {
    process::raise_descriptors();
    let world = World::new();
    let (service, program, alpn) = match protocol {
        Protocol::Tcp => ("db", programs::tcp_that_greets().await, "bartizan-tcp"),
        _ => ("api", programs::http().await, "http/1.1"),
    };
    let guard = world.sidecar(service, program, protocol).await;
    let each = connections / IDENTITIES / CLIENTS;
    let shown: Vec<_> = (0..IDENTITIES).map(|_| world.svid(&world.id("web"))).collect();
    let identities = shown.iter().map(|(svid, key)| {
        (svid.chain.iter().map(|der| base64::encode(der)).collect(), base64::encode(key.pkcs8().expose()))
    });
    let task = Task { addr: guard.mesh(), alpn: alpn.to_owned(), identities: identities.collect(), each };
    let before = process::resident_bytes();
    let (mut clients, closed) = start_clients(&task);
    let all = each * IDENTITIES * CLIENTS;
    let memory = (process::resident_bytes() - before) / all as u64;

    let key = hash::hex(&hash::sha256(shown[0].1.public_spki()));
    let entry = Denied {
        subject: Subject::parse(&format!("key:{key}")).unwrap(),
        reason: "measured".to_owned(),
        since: clock::now(),
        by: "nobody".to_owned(),
        with: None,
    };
    let denied = Arc::new(DenyIndex::read(&DenyList { entries: vec![entry] }, &world.domain).unwrap());
    let began = now_us();
    guard.proxy.change(|live| live.denied = Some(denied));
    let took = closings(&closed, began, each * CLIENTS, Some(0));
    println!("{what}: {all} open, {memory} bytes each in this process; one key revoked: {}", told(&took));

    if protocol == Protocol::Tcp {
        let text = "forbid (principal, action, resource == Service::\"db\");";
        let engine = Arc::new(Engine::compile(&policies(text), Epoch(2)).unwrap());
        let began = now_us();
        guard.proxy.change(|live| live.policies = Some(engine));
        let took = closings(&closed, began, all - each * CLIENTS, None);
        println!("{what}: policy denies the rest: {}", told(&took));
    }
    clients.iter_mut().for_each(|client| drop((client.kill(), client.wait())));
    guard.stopped().await;
}

fn start_clients(task: &Task) -> (Vec<Child>, Receiver<(usize, u64)>) {
    let (send, closed) = channel();
    let (opened, all_open) = channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let me = std::env::current_exe().unwrap();
            let mut child =
                Command::new(me).arg("client").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            writeln!(child.stdin.as_mut().unwrap(), "{}", serde_json::to_string(task).unwrap()).unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let (send, opened) = (send.clone(), opened.clone());
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    match line.split_once(' ') {
                        Some((identity, at)) => drop(send.send((identity.parse().unwrap(), at.parse().unwrap()))),
                        None => opened.send(()).unwrap(),
                    }
                }
            });
            child
        })
        .collect();
    (0..CLIENTS).for_each(|_| all_open.recv().unwrap());
    (clients, closed)
}

/// Microseconds from `began` to each closing; of connections of identity `only`, where one is given.
fn closings(closed: &Receiver<(usize, u64)>, began: u64, count: usize, only: Option<usize>) -> Vec<u64> {
    let mut took = Vec::with_capacity(count);
    while let Ok((identity, at)) = closed.recv_timeout(QUIET) {
        assert!(only.is_none_or(|only| only == identity), "somebody else was cut off");
        took.push(at.saturating_sub(began));
    }
    assert_eq!(took.len(), count, "connections that had to end, and no other");
    took.sort_unstable();
    took
}

fn told(took: &[u64]) -> String {
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)] as f64 / 1000.0;
    format!("{} ended, p50 {:.1} ms, p99 {:.1} ms, last {:.1} ms", took.len(), at(0.5), at(0.99), at(1.0))
}

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

async fn be_client() {
    process::raise_descriptors();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let task: Task = serde_json::from_str(&line).unwrap();
    let mut open = tokio::task::JoinSet::new();
    for (number, (chain, key)) in task.identities.iter().enumerate() {
        let chain: Vec<_> = chain.iter().map(|der| base64::decode(der).unwrap()).collect();
        let key = KeyPair::from_pkcs8(&Secret::new(base64::decode(key).unwrap())).unwrap();
        let identity = tls::Identity::new(&chain, &key).unwrap();
        for _ in 0..task.each {
            let mut stream = client::tls(task.addr, Some(&identity), &[&task.alpn]).await.unwrap();
            if task.alpn == "bartizan-tcp" {
                client::hear_until(&mut stream, "hello\n").await;
            }
            open.spawn(async move {
                let _ = stream.read(&mut [0]).await;
                println!("{number} {}", now_us());
            });
        }
    }
    println!("open");
    while open.join_next().await.is_some() {}
}
