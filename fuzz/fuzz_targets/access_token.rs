//! Access tokens: no text makes reading panic, nothing is believed without a key, and edits of a good one are refused.
#![no_main]

use bartizan_core::Timestamp;
use bartizan_crypto::base64;
use bartizan_crypto::jose::{Alg, JwkSet};
use bartizan_crypto::jws::TokenKey;
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{Issuer, Issuers, Pins, Presented, verify_access};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const ISSUER: &str = "https://id.bank.test";

static GOOD: LazyLock<(Issuers, String)> = LazyLock::new(|| {
    let key = TokenKey::generate_ed25519().expect("keys can be made");
    let published = JwkSet { keys: vec![key.public_jwk()], passed_over: vec![] };
    let pins = Pins { issuer: ISSUER.to_owned(), algs: vec![Alg::EdDsa], bound: false };
    let issuer = Issuer::new(pins, &published).expect("the key is good");
    let token = mint::access(&key, ISSUER, &Access::new("alice", "app", "ledger"), [1; 16], NOW);
    (Issuers::new(1, vec![issuer]).expect("there is one"), token.expect("it can be signed"))
});

fn is_believed(token: &str) -> bool {
    let shown = Presented { token, certificate: None, proof_key: None };
    verify_access(&GOOD.0, &shown, "ledger", NOW).is_ok()
}

fuzz_target!(|data: &[u8]| {
    let token = &GOOD.1;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!is_believed(text), "believed a token from nowhere");
        // As header and claims, so that what is behind the base64 is reached too.
        let (header, rest) = token.split_once('.').unwrap_or_default();
        let signature = rest.rsplit('.').next().unwrap_or_default();
        let part = base64::encode_url(data);
        assert!(!is_believed(&format!("{part}.{part}.{signature}")));
        assert!(!is_believed(&format!("{header}.{part}.{signature}")));
    }
    let mut edited = token.clone().into_bytes();
    for edit in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    if let Ok(text) = String::from_utf8(edited) {
        assert!(text == *token || !is_believed(&text), "an altered token was believed");
    }
});
