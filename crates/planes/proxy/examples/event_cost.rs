//! What an event costs the thread that serves a request: it is made as each request's record makes it, and queued for control.
//!
//! `cargo run --release -p bartizan-proxy --example event_cost [-- --rounds N]`
//!
//! A round is as many events as a batch has, and what is measured is their mean; between rounds the queue is emptied, as the thread that
//! speaks to control does it. One thread alone; two at once, which share the queue as the workers of a guard do; and one whose queue is
//! full, where the event is dropped and counted. Times are of the wall: on a busy machine the upper ones are those of others.
#![allow(clippy::unwrap_used)]

use bartizan_core::event::{Request, SeenBy, What};
use bartizan_core::limits::{EVENT_BATCH_MAX, EVENT_QUEUE_MAX};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, Decision, Denial, RequestId, ServiceName, SpiffeId, Verdict};
use bartizan_proxy::event_queue::EventQueue;
use bartizan_proxy::record::judged;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// Rounds of each row, a count, unless something else is asked for.
const ROUNDS: usize = 4_000;
/// Rounds before it counts.
const WARM: usize = 200;
const HELP: &str = "Measures what an event costs the thread that serves a request, and prints a table.

usage: event_cost [--rounds N]

  --rounds N   rounds of 512 events for each row (4000)

example:
  event_cost --rounds 20000";

/// What a request's record holds by its end; all but the numbers is shared, as it is there.
struct Ended {
    peer: SpiffeId,
    to: ServiceName,
    method: Arc<str>,
    path: Arc<str>,
    route: Arc<str>,
    user: Arc<str>,
    decision: Arc<Decision>,
}

impl Ended {
    fn new() -> Self {
        Self {
            peer: SpiffeId::parse("spiffe://bank.example/svc/payment").unwrap(),
            to: ServiceName::parse("accounts").unwrap(),
            method: "GET".into(),
            path: "/accounts/1004711/entries?from=2026-01-01".into(),
            route: "one-account".into(),
            user: "customer-4711".into(),
            decision: Arc::new(Decision {
                verdict: Verdict::Allow,
                policies: vec!["fleet:calls/payment->accounts".into()],
                reason: None,
                public: false,
                denial: Denial::default(),
                epoch: Epoch(7),
            }),
        }
    }

    fn emit(&self, queue: &EventQueue, n: u64) {
        let what = What::Request(Request {
            peer: Some(self.peer.clone()),
            to: self.to.clone(),
            method: Arc::clone(&self.method),
            path: Arc::clone(&self.path),
            route: Some(Arc::clone(&self.route)),
            action: Action::Read,
            decision: Some(judged(&self.decision)),
            status: 200,
            error: None,
            took_us: 900,
            added_us: 70,
            client: None,
            user: Some(Arc::clone(&self.user)),
            span: n,
            parent_span: n + 1,
        });
        let mut id = [7; 16];
        id[..8].copy_from_slice(&n.to_le_bytes());
        queue.offer(SeenBy::Inbound, Some(RequestId::from_random(id)), black_box(what));
    }
}

fn main() {
    let rounds = match rounds(std::env::args().skip(1).collect()) {
        Ok(Some(rounds)) => rounds,
        Ok(None) => return println!("{HELP}"),
        Err(why) => {
            eprintln!("{why}\n\n{HELP}");
            std::process::exit(2);
        }
    };
    println!("| an event of a request, ns | p50 | p99 | max |\n|---|---|---|---|");
    row("made and queued, one thread", measure(rounds, &queue(), true));
    let shared = queue();
    let stop = AtomicBool::new(false);
    let both = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (ended, mut n) = (Ended::new(), 0);
            while !stop.load(Relaxed) {
                ended.emit(&shared, n);
                n += 1;
            }
        });
        let measured = measure(rounds, &shared, true);
        stop.store(true, Relaxed);
        measured
    });
    row("the same beside a second thread that does nothing else", both);
    let full = queue();
    (0..EVENT_QUEUE_MAX as u64).for_each(|n| Ended::new().emit(&full, n));
    row("the queue is full: made, dropped, counted", measure(rounds, &full, false));
    assert_eq!(full.counts().dropped, ((rounds + WARM) * EVENT_BATCH_MAX) as u64, "each of them is counted");
}

fn rounds(args: Vec<String>) -> Result<Option<usize>, String> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Some(ROUNDS)),
        ["--help" | "-h", ..] => Ok(None),
        ["--rounds", count] => match count.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(format!("`--rounds {count}`: expected a number of at least 1")),
        },
        _ => Err(format!("`{}` is not known", args.join(" "))),
    }
}

fn queue() -> EventQueue {
    EventQueue::new(ServiceName::parse("accounts").unwrap(), 7)
}

/// The mean of each round in nanoseconds, sorted.
fn measure(rounds: usize, queue: &EventQueue, emptied: bool) -> Vec<f64> {
    let ended = Ended::new();
    let mut means = Vec::with_capacity(rounds);
    for round in 0..rounds + WARM {
        let began = Instant::now();
        for n in 0..EVENT_BATCH_MAX {
            ended.emit(queue, (round * EVENT_BATCH_MAX + n) as u64);
        }
        let took = began.elapsed();
        // Behind the clock: another thread's work. Some of it may be the second thread's.
        while emptied && !queue.take().is_empty() {}
        if round >= WARM {
            means.push(took.as_nanos() as f64 / EVENT_BATCH_MAX as f64);
        }
    }
    means.sort_by(f64::total_cmp);
    means
}

fn row(what: &str, means: Vec<f64>) {
    let at = |share: f64| means[((means.len() as f64 * share) as usize).min(means.len() - 1)];
    println!("| {what} | {:.0} | {:.0} | {:.0} |", at(0.5), at(0.99), at(1.0));
}
