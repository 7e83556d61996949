//! A hundred thousand requests, nine of ten of them refused, at a whole fleet: whether M8 is exactly what events say, and M3's three parts.
//!
//! `cargo build --release --workspace --bins && cargo run --release -p bartizan-testkit --example replay`, with `--requests N` for
//! another number. Ends with 1 where a number is not what it has to be.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_testkit::replay;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--requests");
    let count = args.nth(1).map_or(100_000, |value| value.parse().unwrap_or_else(|_| panic!("not a number: {value}")));
    let began = Instant::now();
    let it = replay(count);
    println!("{it:#?}\nafter {} s", began.elapsed().as_secs());
    if !it.reconciles() {
        eprintln!("counters and events do not say the same");
        std::process::exit(1);
    }
}
