//! Certificates per second and core: each asked for over a node's stream, checked, signed, recorded on disk, sent.

use crate::control::{Control, ENTRIES};
use crate::node::{Node, Target};
use bartizan_crypto::{KeyPair, csr};
use bartizan_runtime::control_v1::{IssueWorkload, NodeUp, node_down, node_up};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests made beforehand: making a key costs the load generator as much as signing costs control.
const REQUESTS: usize = 256;

pub(crate) async fn run(streams: usize, seconds: u64) {
    let control = Control::start().await;
    let target = Target::of(&control);
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new((0..REQUESTS).map(|_| csr::make(&KeyPair::generate().unwrap()).unwrap()).collect());
    let mut open = Vec::new();
    for n in 0..streams {
        let node = Node::join(&target, &format!("n{n}"), control.token().await).await.unwrap();
        open.push(node.attach(&target).await.unwrap());
    }
    let answered = Arc::new(AtomicU64::new(0));
    let before = control.status().await.issued.recorded;
    let (began, cpu) = (Instant::now(), control.cpu());
    let until = began + Duration::from_secs(seconds);
    let tasks: Vec<_> = open
        .into_iter()
        .enumerate()
        .map(|(at, mut stream)| {
            let (requests, answered) = (Arc::clone(&requests), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut number = at as u64;
                while Instant::now() < until {
                    number += 1;
                    let entry = number as usize % ENTRIES;
                    let ask = IssueWorkload {
                        request: number,
                        entry: format!("w{entry}"),
                        spiffe_id: format!("spiffe://load.test/workload/w{entry}"),
                        csr: requests[number as usize % REQUESTS].clone(),
                    };
                    stream.ups.send(NodeUp { message: Some(node_up::Message::Issue(ask)) }).await.unwrap();
                    loop {
                        match stream.downs.message().await.unwrap().unwrap().message {
                            Some(node_down::Message::Svid(_)) => break,
                            Some(node_down::Message::Refusal(no)) => panic!("refused: {}", no.why),
                            _ => {}
                        }
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (wall, used) = (began.elapsed().as_secs_f64(), (control.cpu() - cpu).as_secs_f64());
    let count = answered.load(Ordering::Relaxed);
    let recorded = control.status().await.issued.recorded - before;
    assert!(recorded >= count, "{count} certificates went out, {recorded} records were made");
    println!("{count} certificates in {wall:.1} s over {streams} streams, each on disk before it left");
    println!("{:.0} a second (load and control share the cores)", count as f64 / wall);
    println!("{:.0} a CPU second of control, {:.0} µs each", count as f64 / used, 1e6 * used / count as f64);
    println!("control: {} MiB resident, peak {}", control.mib("VmRSS"), control.mib("VmHWM"));
}
