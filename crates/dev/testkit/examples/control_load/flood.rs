//! The token endpoint at many times what it lets a client do, and at more than it can: what is left for clients that ask as they always
//! do. First nobody else asks, then one client floods it, then many do.

use crate::control::{Control, ENTRIES};
use crate::grants::{connect, post};
use crate::node::{Node, Target};
use bartizan_testkit::free_ports;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Clients that ask as they always do, a count; the others flood.
const STEADY: usize = 8;
/// How often each of them asks.
const EVERY: Duration = Duration::from_millis(50);
/// An answer that takes longer is none.
const WITHIN: Duration = Duration::from_secs(1);
/// Connections of those who flood, a count; all come from one address, which may have 256.
const FLOODING: usize = 192;

type Sender = SendRequest<Full<Bytes>>;

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    got: AtomicU64,
    refused: AtomicU64,
}

pub(crate) async fn run(seconds: u64) {
    let port = free_ports(1)[0];
    let clients: String = (0..ENTRIES).map(|n| format!("    w{n}: {{ scopes: [read] }}\n")).collect();
    let more =
        format!("authorization:\n  listen: 127.0.0.1:{port}\n  audience: https://api.load.test\n  clients:\n{clients}");
    let control = Control::start_with(&more).await;
    let target = Target::of(&control);
    let node = Node::join(&target, "n0", control.token().await).await.unwrap();
    let mut stream = node.attach(&target).await.unwrap();
    let roots = control.roots();
    let mut steady = Vec::new();
    for entry in 0..STEADY {
        steady.push((entry, connect(port, &roots, &mut stream, entry).await));
    }
    println!(
        "{STEADY} clients ask every {} ms each; an answer counts within {} s",
        EVERY.as_millis(),
        WITHIN.as_secs()
    );
    for (what, flooders) in
        [("nobody else asks", 0), ("one client floods", 1), ("many clients flood", ENTRIES - STEADY)]
    {
        let mut flood = Vec::new();
        for n in 0..if flooders == 0 { 0 } else { FLOODING } {
            let entry = STEADY + n % flooders;
            flood.push((entry, connect(port, &roots, &mut stream, entry).await));
        }
        steady = phase(&control, what, seconds, steady, flood).await;
    }
}

async fn phase(
    control: &Control,
    what: &str,
    seconds: u64,
    steady: Vec<(usize, Sender)>,
    flood: Vec<(usize, Sender)>,
) -> Vec<(usize, Sender)> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let (began, cpu) = (Instant::now(), control.cpu());
    let flooded = Arc::new(Counts::default());
    let floods: Vec<_> = flood
        .into_iter()
        .map(|(entry, mut sender)| {
            let counts = Arc::clone(&flooded);
            tokio::spawn(async move {
                while Instant::now() < until {
                    counts.asked.fetch_add(1, Ordering::Relaxed);
                    let to = if post(&mut sender, entry).await.0 == 200 { &counts.got } else { &counts.refused };
                    to.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let tasks: Vec<_> = steady.into_iter().map(|(entry, sender)| tokio::spawn(ask(sender, entry, until))).collect();
    let (mut back, mut took, mut asked) = (Vec::new(), Vec::new(), 0);
    for task in tasks {
        let (entry, sender, times, count) = task.await.unwrap();
        (asked, back) = (asked + count, {
            back.push((entry, sender));
            back
        });
        took.extend(times);
    }
    for task in floods {
        task.await.unwrap();
    }
    let (wall, used) = (began.elapsed().as_secs_f64(), (control.cpu() - cpu).as_secs_f64());
    took.sort_unstable();
    let at = |share: f64| took.get(((took.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or_default();
    let count = |it: &AtomicU64| it.load(Ordering::Relaxed) as f64;
    println!(
        "{what:<20} steady: {} of {asked} answered, {:.2} %; {:.1} ms median, {:.1} ms p99",
        took.len(),
        100.0 * took.len() as f64 / asked as f64,
        at(0.5).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3,
    );
    println!(
        "{:<20} flood: {:.0} a second, of them {:.0} tokens and {:.0} refused; control used {:.2} CPUs",
        "",
        count(&flooded.asked) / wall,
        count(&flooded.got) / wall,
        count(&flooded.refused) / wall,
        used / wall
    );
    back
}

/// Asks as it always does; what each answer in time took, and how often it asked.
async fn ask(mut sender: Sender, entry: usize, until: Instant) -> (usize, Sender, Vec<Duration>, usize) {
    let (mut took, mut asked) = (Vec::new(), 0);
    let mut next = tokio::time::interval(EVERY);
    while Instant::now() < until {
        next.tick().await;
        asked += 1;
        let began = Instant::now();
        let (status, text) = post(&mut sender, entry).await;
        let is_token = status == 200 && text.windows(12).any(|part| part == b"access_token");
        if is_token && began.elapsed() <= WITHIN {
            took.push(began.elapsed());
        }
    }
    (entry, sender, took, asked)
}
