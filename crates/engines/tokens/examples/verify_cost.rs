//! What it costs to believe an access token, known and unknown.
//!
//! `cargo run --release -p bartizan-tokens --example verify_cost [seconds per figure]`

use bartizan_core::Timestamp;
use bartizan_crypto::jose::{Alg, JwkSet};
use bartizan_crypto::jws::TokenKey;
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{Binding, Issuer, Issuers, Pins, Presented, Revocation, Revocations, Revoked};
use bartizan_tokens::{TokenCache, Trust, verify_access};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ISSUER: &str = "https://id.bank.example";
/// Tokens that are held while hits are measured: a busy gateway's clients.
const HELD: u64 = 8_000;

fn main() -> Result<(), Box<dyn Error>> {
    let each = Duration::from_secs(std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?);
    let now = Timestamp::from(std::time::SystemTime::now());
    let (ec, ed) = (TokenKey::generate()?, TokenKey::generate_ed25519()?);
    let keys = JwkSet { keys: vec![ec.public_jwk(), ed.public_jwk()], passed_over: vec![] };
    let pins = Pins { issuer: ISSUER.to_owned(), algs: vec![Alg::Es256, Alg::EdDsa], bound: true };
    let issuers = Issuers::new(1, vec![Issuer::new(pins, &keys)?])?;
    let revoked = |n: u64| Revocation { issuer: ISSUER.to_owned(), what: Revoked::Token(format!("revoked-{n}")) };
    let revocations = Revocations::new(1, (0..10_000).map(revoked).collect())?;
    let trust = Trust { issuers: &issuers, revocations: &revocations };

    let mut access = Access::new("5f0c2a4e-1111-4c1e-9a36-0d7f5f3b8c11", "mobile-app", "https://api.bank.example");
    access.binding = Binding::to_certificate(b"certificate");
    access.more.insert("email".to_owned(), "somebody@bank.example".into());
    access.more.insert("groups".to_owned(), vec!["customers", "savers", "beta"].into());
    let certificate = access.binding.certificate;
    let mint = |key: &TokenKey, n: u64| mint::access(key, ISSUER, &access, u128::from(n).to_be_bytes(), now);
    let (by_ec, by_ed) = (mint(&ec, 0)?, mint(&ed, 0)?);
    println!("one thread, {} s per figure, tokens of {} bytes, bound to a certificate", each.as_secs(), by_ec.len());
    let shown = |token| Presented { token, certificate: certificate.as_ref(), proof_key: None };
    let audience = "https://api.bank.example";
    report("unknown token, ES256", each, || verify_access(&issuers, &shown(&by_ec), audience, now).is_ok());
    report("unknown token, EdDSA", each, || verify_access(&issuers, &shown(&by_ed), audience, now).is_ok());
    report("minted, ES256", each, || mint(&ec, 1).is_ok());
    report("minted, EdDSA", each, || mint(&ed, 1).is_ok());

    let tokens = (0..HELD).map(|n| mint(&ed, n)).collect::<Result<Vec<_>, _>>()?;
    let mut cache = TokenCache::default();
    for token in &tokens {
        cache.verify(trust, &shown(token), audience, now)?;
    }
    report("known token, the same again", each, || cache.verify(trust, &shown(&tokens[0]), audience, now).is_ok());
    let mut at = 0;
    report("known token, one of 8,000", each, || {
        at = (at + 4_001) % tokens.len();
        cache.verify(trust, &shown(&tokens[at]), audience, now).is_ok()
    });
    assert_eq!(cache.counts().1, HELD, "only the first showing of each was a miss");
    Ok(())
}

/// Repeats `step` for `each` and prints the time of one; a step that does not do what it should ends the program.
fn report(what: &str, each: Duration, mut step: impl FnMut() -> bool) {
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < each {
        for _ in 0..100 {
            assert!(black_box(step()), "{what}: it did not work");
        }
        count += 100;
    }
    println!("{what:<32} {:>9.3} us", started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
}
