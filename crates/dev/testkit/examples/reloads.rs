//! A thousand reloads of 15,000 routes under load, at a whole fleet: requests that failed, how long a reload takes, and memory.
//!
//! `cargo build --release --workspace --bins && cargo run --release -p bartizan-testkit --example reloads`, with `--reloads N` and
//! `--routes N` for others. Prints a table for `benches/results/`; ends with 1 where a request failed or memory grew.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_testkit::{Kind, Outcome, Plan, WARM, reload_under_load};
use std::time::{Duration, Instant};

fn main() {
    let plan = Plan {
        reloads: option("--reloads", 1_000),
        routes: option("--routes", 15_000),
        lanes: vec![(Kind::Kept, 4), (Kind::New, 2), (Kind::Http2, 4)],
        pause: Duration::from_millis(5),
    };
    let began = Instant::now();
    let outcome = reload_under_load(&plan, |turn| {
        if turn % 10 == 0 {
            eprintln!("{turn} of {} reloads after {} s", plan.reloads, began.elapsed().as_secs());
        }
    });
    print(&plan, &outcome);
    let both = outcome.grew_kb();
    let grew = both.iter().any(|(first, second)| second * 100 > first * 105);
    if outcome.load.failed > 0 || grew {
        eprintln!(
            "{} requests failed; memory of gateway and control, first half and second: {both:?} KB",
            outcome.load.failed
        );
        outcome.load.failures.iter().for_each(|failure| eprintln!("  {failure}"));
        std::process::exit(1);
    }
}

fn print(plan: &Plan, outcome: &Outcome) {
    let mut took: Vec<_> = outcome.took.iter().map(Duration::as_millis).collect();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    let load = &outcome.load;
    println!(
        "`cargo run --release -p bartizan-testkit --example reloads -- --reloads {} --routes {}`\n",
        plan.reloads, plan.routes
    );
    println!("| What | Measured |\n|---|---|");
    println!("| reloads of {} routes, all but one of them new each time | {} |", plan.routes, plan.reloads);
    println!(
        "| from `bartizan reload` until a request finds a new route | p50 {} ms, p99 {} ms, longest {} ms |",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    for (kind, [lanes, sent, answered, connections]) in &load.kinds {
        let kind = match kind {
            Kind::Kept => "HTTP/1.1, connection kept",
            Kind::New => "HTTP/1.1, a new connection each",
            Kind::Http2 => "HTTP/2, connection kept",
        };
        println!(
            "| {kind}: {lanes} at once | {sent} sent, {answered} answered as they should be, {connections} connections |"
        );
    }
    println!("| requests that failed | {} |", load.failed);
    let us = |share| load.quantile_us(share);
    println!("| time of an answer | p50 {} us, p99 {} us, longest {} us |", us(0.5), us(0.99), us(1.0));
    for (who, (first, second)) in ["gateway", "control"].iter().zip(outcome.grew_kb()) {
        println!("| {who}: mean over the first half of the reloads, and over the second | {first} KB, {second} KB |");
    }
    let shown = |turn: usize| turn == WARM || turn.is_multiple_of((plan.reloads / 10).max(1));
    for (turn, gateway, control) in outcome.memory_kb.iter().filter(|(turn, ..)| shown(*turn)) {
        println!("| resident after {turn} reloads | gateway {gateway} KB, control {control} KB |");
    }
}

fn option(name: &str, unsaid: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).map_or(unsaid, |value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number: {value}")))
}
