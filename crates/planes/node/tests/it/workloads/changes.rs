//! What is pushed, and how soon.

use crate::workloads::world::{World, uid, wait_for, with_header};
use bartizan_runtime::control_stream::Code;
use bartizan_runtime::workload_v1::X509svidRequest;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Rounds of the measurement, a count: enough that the slowest one of a hundred is among them.
const ROUNDS: usize = 100;

/// Written in the fleet file, reloaded, and in the hands of a program that listens: timed from before the reload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_reaches_its_program_at_once() {
    let own = uid();
    let mut workloads = format!("  w0: {{ selectors: {{ uid: {own} }} }}\n");
    let world = World::start(&workloads).await;
    world.entries(1).await;
    let mut client = world.client().await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 1..=ROUNDS {
        let _ = writeln!(workloads, "  w{round}: {{ selectors: {{ uid: {own} }} }}");
        let began = Instant::now();
        let pushed = async {
            loop {
                let response = stream.message().await.unwrap().unwrap();
                if response.svids.len() == round + 1 {
                    return began.elapsed();
                }
            }
        };
        let ((), elapsed) = tokio::join!(world.reload(&workloads), pushed);
        took.push(elapsed);
    }
    took.sort();
    let (median, p99) = (took[ROUNDS / 2], took[ROUNDS - 2]);
    println!(
        "registration to identity over {ROUNDS} rounds: median {median:?}, p99 {p99:?}, worst {:?}",
        took[ROUNDS - 1]
    );
    assert!(p99 < Duration::from_millis(250), "p99 {p99:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_out_loses_its_stream_at_once() {
    let own = uid();
    let world = World::start(&format!("  us: {{ selectors: {{ uid: {own} }} }}\n")).await;
    world.entries(1).await;
    let mut client = world.client().await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let began = Instant::now();
    let other = format!("  us: {{ selectors: {{ uid: {} }} }}\n", own + 1);
    let ((), ended) = tokio::join!(world.reload(&other), stream.message());
    assert_eq!(ended.expect_err("the stream went on").code(), Code::PermissionDenied);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_control_is_away_everybody_is_served_and_afterwards_changes_come() {
    let own = uid();
    let entry = format!("  us: {{ selectors: {{ uid: {own} }} }}\n");
    let mut world = World::start(&entry).await;
    world.entries(1).await;
    let mut client = world.client().await;
    let first = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner().message().await;
    let first = first.unwrap().unwrap();
    world.stop_control().await;
    let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap(), first, "a new caller gets what is held");
    world.start_control().await;
    wait_for("node", async || world.status().await.nodes.first().is_some_and(|node| node.attached).then_some(())).await;
    world.reload(&format!("{entry}  more: {{ selectors: {{ uid: {own} }} }}\n")).await;
    let more = tokio::time::timeout(Duration::from_secs(20), stream.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(more.svids.len(), 2);
    world.stop().await;
}
