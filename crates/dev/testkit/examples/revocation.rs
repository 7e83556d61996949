//! How long a revoked token is still taken: the bank with customers, connections that stay open, one token after the other revoked.
//!
//! `cargo build --release --workspace --bins && cargo run --release -p bartizan-testkit --example revocation`, with `--tokens N` for
//! another number than 50. For each token one connection of HTTP/1.1 and one of HTTP/2 ask without pause; what is measured is from the
//! start of `bartizan token revoke` until the first refusal on each, and whether anything was let through after that. Ends with 1 where
//! that took a second or longer.
#![allow(clippy::unwrap_used, missing_docs)]

use bartizan_crypto::base64;
use bartizan_testkit::{Bank, Connection, Deadline, Kind, Target, binary, wait_for};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const PATH: &str = "/accounts/acc-000001";
/// Requests that have to be let through on each connection before its token is revoked, a count.
const BEFORE: u64 = 5;
/// Requests on each connection after the first refusal, a count: all have to be refused.
const AFTER: usize = 20;
/// What is promised.
const WITHIN: Duration = Duration::from_secs(1);

fn main() {
    let tokens = option("--tokens", 50);
    let bank = Bank::start_with_customers();
    let first = mint(&bank, 0);
    let bearer = format!("authorization: Bearer {first}");
    // The gateway may vouch for users a moment after it is ready.
    wait_for("users to be let in", Deadline::default(), || {
        matches!(bank.call("GET", PATH, &[&bearer], None).status, 200 | 404).then_some(())
    });
    let (mut all, mut said) = (Vec::new(), Vec::new());
    for n in 1..=tokens {
        let (lags, took) = revoke_one(&bank, n);
        all.extend(lags);
        said.push(took);
    }
    all.sort_unstable();
    said.sort_unstable();
    println!("`cargo run --release -p bartizan-testkit --example revocation -- --tokens {tokens}`\n");
    println!("| What | Measured |\n|---|---|");
    println!("| tokens revoked, each in use on an open connection of HTTP/1.1 and one of HTTP/2 | {tokens} |");
    println!("| from the start of `bartizan token revoke` to the first refusal | {} |", spread(&all));
    println!("| `bartizan token revoke` itself | {} |", spread(&said));
    println!("| let through after the first refusal, of {} | 0 |", all.len() * AFTER);
    if all.last().is_some_and(|longest| *longest >= WITHIN) {
        eprintln!("longer than {WITHIN:?}");
        std::process::exit(1);
    }
}

/// How long after the start of the command each connection was refused, and how long the command took.
fn revoke_one(bank: &Bank, n: usize) -> (Vec<Duration>, Duration) {
    let token = mint(bank, n);
    let bearer = format!("Bearer {token}");
    let target = Target::new(([127, 0, 0, 1], bank.gateway_port).into(), &bank.up.ca(), PATH);
    let kinds = [Kind::Kept, Kind::Http2];
    let passed = kinds.map(|_| AtomicU64::new(0));
    std::thread::scope(|scope| {
        let asking: Vec<_> = kinds
            .iter()
            .zip(&passed)
            .map(|(kind, passed)| {
                let (target, bearer) = (&target, &bearer);
                scope.spawn(move || ask_until_refused(target, *kind, bearer, passed))
            })
            .collect();
        wait_for("requests on both connections", Deadline::default(), || {
            passed.iter().all(|passed| passed.load(SeqCst) >= BEFORE).then_some(())
        });
        let began = Instant::now();
        bank.up.say(&["token", "revoke", &jti(&token)]);
        let took = began.elapsed();
        let refused = asking.into_iter().map(|asking| asking.join().unwrap().saturating_duration_since(began));
        (refused.collect(), took)
    })
}

/// When the first refusal came; everything after it is refused as well.
fn ask_until_refused(target: &Target, kind: Kind, bearer: &str, passed: &AtomicU64) -> Instant {
    let mut connection = Connection::open(target, kind).unwrap();
    let mut ask = || connection.get(PATH, &[("authorization", bearer)]).unwrap();
    let refused = loop {
        match ask() {
            401 => break Instant::now(),
            status => assert!(matches!(status, 200 | 404), "{kind:?}: {status}"),
        }
        passed.fetch_add(1, SeqCst);
    };
    assert!((0..AFTER).all(|_| ask() == 401), "{kind:?}: let through after it was refused");
    refused
}

fn mint(bank: &Bank, n: usize) -> String {
    let made = Command::new(binary("bartizan"))
        .args(["token", "mint", "--issuer", "https://login.bank.example", "--audience", "https://api.bank.example"])
        .args(["--subject", &format!("teller-{n}"), "--claim", "roles=teller", "--key"])
        .arg(bank.folder().join("customers/login.key"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn jti(token: &str) -> String {
    let claims = base64::decode_url(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

fn spread(sorted: &[Duration]) -> String {
    let at = |share: f64| sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)].as_millis();
    format!("p50 {} ms, p90 {} ms, p99 {} ms, longest {} ms", at(0.5), at(0.9), at(0.99), at(1.0))
}

fn option(name: &str, unsaid: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).map_or(unsaid, |value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number: {value}")))
}
