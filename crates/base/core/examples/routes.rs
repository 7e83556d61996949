//! What it costs to find the route of a request, by the number of routes: time for each, and bytes of the index.
//!
//! `cargo run --release -p bartizan-core --example routes`.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_core::ServiceName;
use bartizan_core::fleet::GatewayRoute;
use bartizan_core::gateway::{Asked, HostPattern, RouteTable};
use bartizan_core::path::PathPattern;
use std::hint::black_box;
use std::iter;
use std::time::Instant;

const LOOKUPS: u32 = 2_000_000;

fn main() {
    println!("{:>7} {:>10} {:>12}", "routes", "ns each", "KB of index");
    for (count, hosts) in [(2, 0), (15, 0), (1_500, 0), (15_000, 0), (15_000, 1_500)] {
        let routes: Vec<_> = (0..count).map(|n| route(n, hosts)).collect();
        let before = resident_kb();
        let table = RouteTable::of(&routes);
        let index = resident_kb() - before;
        let asked: Vec<_> = (0..1024).map(|n| ask(n * 7919 % count, hosts)).collect();
        let began = Instant::now();
        for n in 0..LOOKUPS {
            let (host, path) = &asked[n as usize % asked.len()];
            let asked = Asked { host: host.as_deref(), path, method: "GET" };
            assert!(black_box(table.find(asked, |_| iter::empty())).is_some());
        }
        let each = began.elapsed().as_nanos() / u128::from(LOOKUPS);
        let hosts = if hosts > 0 { format!("by {hosts} hosts") } else { String::new() };
        println!("{count:>7} {each:>10} {index:>12} {hosts}");
    }
}

fn route(n: u32, hosts: u32) -> GatewayRoute {
    let path = PathPattern::parse(&format!("/tenant-{n}/orders/**")).unwrap();
    let host = (hosts > 0).then(|| HostPattern::parse(&host(n, hosts)).unwrap());
    GatewayRoute { host, ..GatewayRoute::new(path, ServiceName::parse("orders").unwrap()) }
}

fn host(n: u32, hosts: u32) -> String {
    format!("h{}.bank.example", n % hosts)
}

fn ask(n: u32, hosts: u32) -> (Option<String>, String) {
    ((hosts > 0).then(|| host(n, hosts)), format!("/tenant-{n}/orders/17"))
}

/// Memory of this process, as the kernel counts it.
fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
