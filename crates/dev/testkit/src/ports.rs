//! Free ports for fixed addresses in fleet files.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// `n` distinct ports on 127.0.0.1 that are free now, below the kernel's ephemeral range, so that no outgoing
/// connection takes one between the choice and the bind.
///
/// # Panics
/// Where no port is free.
pub fn free_ports(n: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes run at the same time: each begins at a place of its own.
    let begin = 10_000 + u16::try_from(std::process::id() % 97).expect("below 97") * 100;
    let mut found = Vec::new();
    for _ in 0..20_000 {
        let port = 10_000 + (begin - 10_000 + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_900;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found.push(port);
            if found.len() == n {
                return found;
            }
        }
    }
    panic!("no {n} free ports between 10000 and 19900");
}
