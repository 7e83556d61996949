//! Every node comes back at once, as after a power cut: control is killed, started again, and each stand-in renews its identity
//! and opens its stream, with the pauses that real nodes make.

use crate::control::Control;
use crate::node::{Failure, Node, Stream, Target};
use bartizan_crypto::random;
use bartizan_runtime::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// As real nodes pause: first, and at most; each with a factor between a half and one and a half.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Joins at once while the fleet is built up, which is not what is measured.
const JOINS: usize = 32;

pub(crate) async fn run(nodes: usize) {
    let mut control = Control::start().await;
    let target = Target::of(&control);
    println!("control with nobody: {} MiB", control.mib("VmRSS"));
    let began = Instant::now();
    let (fleet, mut streams) = (join_all(&control, &target, nodes).await, Vec::new());
    for node in &fleet {
        streams.push(node.attach(&target).await.unwrap());
    }
    println!("{nodes} nodes joined and attached in {:.1} s", began.elapsed().as_secs_f64());
    println!("control with all of them: {} MiB, peak {}", control.mib("VmRSS"), control.mib("VmHWM"));

    let tries = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let back: JoinSet<_> = fleet
        .into_iter()
        .zip(streams)
        .map(|(node, stream)| {
            let (target, tries) = (target.clone(), Arc::clone(&tries));
            async move {
                await_end(stream).await;
                come_back(node, &target, &tries).await
            }
        })
        .collect();
    control.kill_and_start().await;
    println!("killed and started again: {:.1} s until it answers", began.elapsed().as_secs_f64());
    let mut times = Vec::new();
    let mut held = Vec::new();
    for (node, stream, at) in back.join_all().await {
        times.push((at - began).as_secs_f64());
        held.push((node, stream));
    }
    times.sort_by(f64::total_cmp);
    let status = control.status().await;
    let attached = status.nodes.iter().filter(|node| node.attached).count();
    let soonest = held.iter().map(|(node, _)| node.not_after().since(clock::now())).min().unwrap();
    println!(
        "all {nodes} renewed and attached: half after {:.1} s, 99 % after {:.1} s, the last after {:.1} s; {} tries in all",
        times[nodes / 2],
        times[nodes * 99 / 100],
        times[nodes - 1],
        tries.load(Ordering::Relaxed)
    );
    println!(
        "attached by control's own count: {attached}; the identity that runs out first has {} s left",
        soonest.as_secs()
    );
    println!(
        "control: peak {} MiB, {} MiB at rest; {:.1} s of CPU; {} certificates on record",
        control.mib("VmHWM"),
        control.mib("VmRSS"),
        control.cpu().as_secs_f64(),
        status.issued.recorded
    );
    assert_eq!(attached, nodes, "somebody did not come back");
}

async fn join_all(control: &Control, target: &Target, nodes: usize) -> Vec<Node> {
    let slots = Arc::new(Semaphore::new(JOINS));
    let mut joins = JoinSet::new();
    for n in 0..nodes {
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let (target, token) = (target.clone(), control.token().await);
        joins.spawn(async move {
            let node = Node::join(&target, &format!("n{n}"), token).await.unwrap();
            drop(slot);
            node
        });
    }
    joins.join_all().await
}

/// Reads until the stream breaks.
async fn await_end(mut stream: Stream) {
    while let Ok(Some(_)) = stream.downs.message().await {}
}

async fn come_back(node: Node, target: &Target, tries: &AtomicU64) -> (Node, Stream, Instant) {
    let mut pause = RETRY_FIRST;
    loop {
        tries.fetch_add(1, Ordering::Relaxed);
        match once(&node, target).await {
            Ok((node, stream)) => return (node, stream, Instant::now()),
            Err(_) => {
                tokio::time::sleep(pause.mul_f64(0.5 + random::u64() as f64 / u64::MAX as f64)).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

async fn once(node: &Node, target: &Target) -> Result<(Node, Stream), Failure> {
    let renewed = node.renew(target).await?;
    let mut stream = renewed.attach(target).await?;
    // Control's first word: it has let us in.
    stream.downs.message().await?.ok_or("it ended at once")?;
    Ok((renewed, stream))
}
