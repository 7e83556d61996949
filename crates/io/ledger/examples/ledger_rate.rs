//! What the ledger bears: durable, signed entries a second, and how fast an audit reads them. A table for `benches/results/`.
//!
//! `cargo run --release -p bartizan-ledger --example ledger_rate -- [--dir DIR] [--seconds S]`
//!
//! Entries have 250 bytes, as most denials. One writer, groups of 1 to 4,096 entries, each with one flush and one signature: what
//! gathers while the disk is busy is one group. The folder has to be on the disk that is meant, not in memory.

#![allow(clippy::unwrap_used)]

use bartizan_audit::{Audit, Mark, Signer, Tree, leaf_hash};
use bartizan_core::Secret;
use bartizan_ledger::{Piece, Writer, read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ENTRY_BYTES: usize = 250;
const ORIGIN: &str = "bench.example/ledger";

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut seconds, mut dir) = (4.0, None);
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--seconds" => seconds = value.parse().unwrap(),
            "--dir" => dir = Some(PathBuf::from(value)),
            other => panic!("unknown: {other}"),
        }
    }
    let own = tempfile::tempdir_in(dir.unwrap_or_else(|| PathBuf::from("."))).unwrap();
    let signer = Signer::new(ORIGIN, &Secret::new([7; 32])).unwrap();
    println!(
        "| entries in a group | entries a second | groups a second | p50 of a group | p99 |\n|---|---|---|---|---|"
    );
    for group in [1, 16, 256, 1_024, 4_096] {
        let dir = own.path().join(format!("{group}"));
        let (mut writer, mut tree) = (Writer::open(&dir, |_| {}).unwrap(), Tree::default());
        let (began, mut times) = (Instant::now(), Vec::new());
        while began.elapsed().as_secs_f64() < seconds {
            let one = Instant::now();
            let entries: Vec<Vec<u8>> = (0..group).map(|n| entry(tree.size() + n)).collect();
            entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
            writer.append(&entries, Mark::make(&tree, ORIGIN, &signer).unwrap().bytes()).unwrap();
            times.push(one.elapsed());
        }
        let took = began.elapsed().as_secs_f64();
        times.sort();
        let ms = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        println!(
            "| {group} | {:.0} | {:.0} | {:.2} ms | {:.2} ms |",
            tree.size() as f64 / took,
            times.len() as f64 / took,
            ms(0.5),
            ms(0.99)
        );
    }
    let (began, mut audit, mut entries) = (Instant::now(), Audit::new(signer.verifier()), 0u64);
    read(&own.path().join("4096"), |place, piece| match piece {
        Piece::Entry(entry) => {
            entries += 1;
            audit.entry(entry);
        }
        Piece::Mark(mark) => audit.mark(place, mark),
        Piece::Seal(seal) => audit.seal(place, seal),
        Piece::Damaged | Piece::Torn => audit.damaged(place),
    })
    .unwrap();
    let took: Duration = began.elapsed();
    assert!(audit.finish().is_good());
    println!(
        "\nan audit reads {:.0} entries a second, from memory where they are there",
        entries as f64 / took.as_secs_f64()
    );
}

/// Entry `n`, which no other is like.
fn entry(n: u64) -> Vec<u8> {
    let mut bytes = n.to_le_bytes().to_vec();
    bytes.extend(format!("GET /accounts/{n}/entries of accounts by spiffe://bench.example/svc/payment").into_bytes());
    bytes.resize(ENTRY_BYTES, b'.');
    bytes
}
