//! What a real control process bears: certificates per second with their record on disk, thousands of nodes that come back
//! at once, tokens per second. Control is a child process; the load, over real TLS and gRPC, comes from this one.
//!
//! `cargo run --release -p bartizan-testkit --example control_load -- issuance [streams] [seconds]`
//! `cargo run --release -p bartizan-testkit --example control_load -- reconnect [nodes]`
//! `cargo run --release -p bartizan-testkit --example control_load -- grants [seconds]`
//! `cargo run --release -p bartizan-testkit --example control_load -- flood [seconds of each part]`
//!
//! Build `bartizan` in the same profile first. Times of CPU are control's own, from /proc.
#![allow(clippy::unwrap_used, missing_docs)]

mod control; // the process under load
mod flood; // who keeps what is theirs
mod grants; // client credentials
mod issuance;
mod node; // a stand-in for a node
mod reconnect;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| args.get(at).map_or(default, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match args.first().map(String::as_str) {
            Some("issuance") => issuance::run(number(1, 256), number(2, 10) as u64).await,
            Some("reconnect") => reconnect::run(number(1, 10_000)).await,
            Some("grants") => grants::run(number(1, 10) as u64).await,
            Some("flood") => flood::run(number(1, 10) as u64).await,
            _ => panic!("`issuance [streams] [seconds]`, `reconnect [nodes]`, `grants [seconds]` or `flood [seconds]`"),
        }
    });
}
