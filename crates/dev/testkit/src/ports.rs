//! Free ports for fixed addresses in fleet files.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Ports that are claimed together, by holding the first of them.
const BLOCK: u16 = 20;
const BLOCKS: u16 = 490;
const LOWEST: u16 = 10_000;

/// What this process has claimed and not given out, and what holds it until the process ends.
static CLAIMED: Mutex<(Vec<u16>, Vec<TcpListener>)> = Mutex::new((Vec::new(), Vec::new()));

/// `n` distinct ports on 127.0.0.1 that are free now, below the kernel's ephemeral range, so that no outgoing
/// connection takes one between the choice and the bind, and given to no other test process.
///
/// # Panics
/// Where no port is free.
pub fn free_ports(n: usize) -> Vec<u16> {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    let (ports, claims) = &mut *claimed;
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let begin = u16::try_from(std::process::id() % u32::from(BLOCKS)).expect("below 490");
    for offset in 0..BLOCKS {
        if ports.len() >= n {
            break;
        }
        let first = LOWEST + (begin + offset) % BLOCKS * BLOCK;
        let Ok(claim) = bind(first) else { continue };
        claims.push(claim);
        ports.extend((first + 1..first + BLOCK).filter(|port| bind(*port).is_ok()));
    }
    assert!(ports.len() >= n, "no {n} free ports between {LOWEST} and {}", LOWEST + BLOCKS * BLOCK);
    ports.drain(..n).collect()
}
