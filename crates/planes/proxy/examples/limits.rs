//! What limits cost a request that is let through, in nanoseconds.
//!
//! `cargo run --release -p bartizan-proxy --example limits`. One thread first, then as many as a guard has at most, with a count of
//! each one's own and with one that all of them share.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_proxy::limiting::{Asked, Limits, Now};
use bartizan_proxy::limits::WORKERS_MAX;
use std::hint::black_box;
use std::time::Instant;

const REQUESTS: u32 = 2_000_000;

fn main() {
    let rate = Measure::Rate { count: 1_000_000_000, period_s: 1, burst: 1_000_000_000 };
    let limit = |name: &str, per: &[Per]| Limit {
        name: name.into(),
        per: per.into(),
        measure: rate,
        cost: Default::default(),
        shared: false,
    };

    println!("one limit for each address, 1 thread:    {:>4} ns", measure(1, vec![limit("a", &[Per::Address])]));
    let three = vec![limit("a", &[Per::Address]), limit("b", &[Per::Client]), limit("c", &[])];
    println!("three limits, 1 thread:                  {:>4} ns", measure(1, three));
    println!(
        "one limit for each address, {WORKERS_MAX} threads:   {:>4} ns",
        measure(WORKERS_MAX, vec![limit("a", &[Per::Address])])
    );
    println!(
        "one limit that all share, {WORKERS_MAX} threads:     {:>4} ns",
        measure(WORKERS_MAX, vec![limit("a", &[])])
    );
}

/// Nanoseconds for each request, with its key, its count and what its caller is told.
fn measure(threads: usize, limits: Vec<Limit>) -> u128 {
    let mut directory: bartizan_core::snapshot::Directory = serde_json::from_value(serde_json::json!({
        "fleet": "test", "mode": "full", "trust": { "grace_s": 0, "silence_s": 60 }, "peers": {},
        "own": {
            "name": "api", "id": "spiffe://test/svc/api", "outbound": {}, "gateway": null,
            "inbound": { "mesh": "127.0.0.1:1", "program": "127.0.0.1:2", "protocol": "http", "routes": [] },
        },
    }))
    .unwrap();
    directory.own.inbound.as_mut().unwrap().limits = limits;
    let limits = Limits::of(&directory, &Limits::default(), Now { steady_ns: 0, utc_s: 0 });
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads as u32 {
            let (limits, began) = (&limits, &began);
            scope.spawn(move || {
                for n in 0..REQUESTS {
                    // A thousand callers for each thread.
                    let address = ((thread << 24) | (n % 1000)).to_be_bytes().into();
                    let asked = Asked { caller: None, user: None, address, route: None, method: "GET" };
                    let now = Now { steady_ns: began.elapsed().as_nanos() as u64, utc_s: 0 };
                    assert!(black_box(limits.service().unwrap().take(&asked, now)).is_ok());
                }
            });
        }
    });
    began.elapsed().as_nanos() / u128::from(REQUESTS)
}
