//! How many leaves one core issues and how many peers it verifies in a second.
//!
//! `cargo run --release -p bartizan-identity --example issue_rate [seconds per figure]`

use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{IssuingCa, RootCa, TrustBundles, verify_peer};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let each = Duration::from_secs(std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?);
    let now = Timestamp::from(std::time::SystemTime::now());
    let domain = TrustDomain::parse("bank.example")?;
    let root = RootCa::create(&domain, KeyPair::generate()?, random::bytes(), now)?;
    let key = KeyPair::generate()?;
    let request = csr::check(&csr::make(&key)?)?;
    let issuing = IssuingCa::new(key, &root.sign_issuing(&request, random::bytes(), now)?, &domain)?;
    let bundles = TrustBundles::of(&domain, vec![root.certificate().to_vec()])?;

    let id = SpiffeId::of(&domain, &Role::Service(ServiceName::parse("accounts")?));
    let workload = csr::make(&KeyPair::generate()?)?;
    let spki = csr::check(&workload)?.spki;
    let svid = issuing.issue(&spki, &id, random::bytes(), now)?;
    let chain: Vec<&[u8]> = svid.chain.iter().map(Vec::as_slice).collect();

    println!("one thread, {} s per figure, P-256, chain of leaf and issuing CA", each.as_secs());
    report("leaf issued", each, || issuing.issue(&spki, &id, random::bytes(), now).is_ok());
    report("request checked and leaf issued", each, || {
        csr::check(&workload).is_ok_and(|key| issuing.issue(&key.spki, &id, random::bytes(), now).is_ok())
    });
    report("peer verified", each, || verify_peer(&chain, &bundles, now).is_ok());
    report("stranger refused", each, || verify_peer(&chain[..1], &bundles, now).is_err());
    Ok(())
}

/// Repeats `step` for `each` and prints the rate; a step that does not do what it should ends the program.
fn report(what: &str, each: Duration, step: impl Fn() -> bool) {
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < each {
        for _ in 0..100 {
            assert!(black_box(step()), "{what}: it did not work");
        }
        count += 100;
    }
    println!("{what:<32} {:>9.0} /s", f64::from(count) / started.elapsed().as_secs_f64());
}
