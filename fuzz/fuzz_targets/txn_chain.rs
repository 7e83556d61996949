//! Transaction tokens: no text makes reading panic, and no chain of parts, whoever signed them, allows more than its minter said.
#![no_main]

use bartizan_core::{Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jose::{Alg, JwkSet};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, hash, jose};
use bartizan_tokens::txn::{Delegates, Minter, Txn, delegate, mint, verify_txn};
use bartizan_tokens::{Issuer, Issuers, Pins, Scopes};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const AUTHORITY: &str = "spiffe://bank.test/bartizan/control";

struct Good {
    delegates: Delegates,
    txn: Txn,
    chain: String,
    seed: Secret<[u8; 32]>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| make().expect("all of it is good"));

fn make() -> Option<Good> {
    let (authority, key) = (TokenKey::generate_ed25519().ok()?, TokenKey::generate_ed25519().ok()?);
    let domain = TrustDomain::parse("bank.test").ok()?;
    let gateway = SpiffeId::parse("spiffe://bank.test/svc/gateway").ok()?;
    let pins = Pins { issuer: AUTHORITY.to_owned(), algs: vec![Alg::EdDsa], bound: false };
    let keys = JwkSet { keys: vec![authority.public_jwk()], passed_over: vec![] };
    let authorities = Issuers::new(1, vec![Issuer::new(pins, &keys).ok()?]).ok()?;
    let (from, to) = ((&authority, AUTHORITY), key.public_jwk());
    let delegation = delegate(from, &domain, (&gateway, &to), None, Duration::from_secs(600), NOW).ok()?;
    let mut delegates = Delegates::new(domain.clone());
    delegates.add(&authorities, &delegation, NOW).ok()?;
    let txn = Txn {
        txn: "t".to_owned(),
        subject: "alice".to_owned(),
        scopes: Scopes::parse("pay read").ok()?,
        requester: gateway.clone(),
        context: Default::default(),
        request_context: Default::default(),
    };
    let minter = Minter { key: &key, id: &gateway, domain: &domain, until: NOW.plus(Duration::from_secs(600)) };
    let seed = Secret::new([7; 32]);
    let chain = mint(&minter, &txn, Duration::from_secs(30), Some(&seed), NOW).ok()?;
    Some(Good { delegates, txn, chain, seed })
}

fuzz_target!(|data: &[u8]| {
    let good = &*GOOD;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(verify_txn(text, &good.delegates, NOW).is_err(), "believed a token from nowhere");
        // What whoever holds the chain may put behind it, well signed.
        let (root, _) = good.chain.rsplit_once('~').unwrap_or_default();
        let (scope, rest) = text.split_once('\n').unwrap_or((text, ""));
        let claims = serde_json::json!({
            "scope": scope, "exp": NOW.as_secs() + rest.len() as u64, "sub": rest, "txn": rest,
            "bartizan_before": base64::encode_url(&hash::sha256(root.as_bytes())),
        });
        let key = TokenKey::ed25519_from_seed(&good.seed).expect("a seed is a key");
        if let Ok(link) = jose::sign(&key, "bartizan-narrowing+jwt", "next", &claims)
            && let Ok(token) = verify_txn(&format!("{root}~{link}"), &good.delegates, NOW)
        {
            assert!(token.txn.scopes.are_within(&good.txn.scopes), "a link widened the scopes");
            assert!(token.expires <= NOW.plus(Duration::from_secs(30)), "a link lengthened the life");
            assert_eq!(Txn { scopes: good.txn.scopes.clone(), ..token.txn }, good.txn);
        }
    }
    let mut edited = good.chain.clone().into_bytes();
    for edit in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    if let Ok(text) = String::from_utf8(edited) {
        assert!(
            text == good.chain || verify_txn(&text, &good.delegates, NOW).is_err(),
            "an altered chain was believed"
        );
    }
});
