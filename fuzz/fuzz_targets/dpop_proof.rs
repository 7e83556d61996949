//! Proofs of possession: no text makes reading panic, and nothing is believed that the key did not sign for this request.
#![no_main]

use bartizan_core::Timestamp;
use bartizan_crypto::base64;
use bartizan_crypto::jose::compact::sign_with_jwk;
use bartizan_crypto::jws::TokenKey;
use bartizan_tokens::dpop::{ProofReplays, ProofRequest, check_proof};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const URI: &str = "https://api.bank.test/accounts";

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let key = TokenKey::generate_ed25519().expect("keys can be made");
    let claims: Value = serde_json::json!({ "jti": "p1", "htm": "GET", "htu": URI, "iat": NOW.as_secs() });
    sign_with_jwk(&key, "dpop+jwt", &claims).expect("it can be signed")
});

fn is_believed(proof: &str, uri: &str) -> bool {
    let request = ProofRequest { method: "GET", uri, access_token: None, nonces: &[] };
    check_proof(proof, &request, &mut ProofReplays::default(), NOW).is_ok()
}

fuzz_target!(|data: &[u8]| {
    let good = &*GOOD;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!is_believed(text, URI), "believed a proof from nowhere");
        // As the address that it is for: nothing but another form of the same one may pass.
        if is_believed(good, text) {
            let plain = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            assert!(
                plain.starts_with("https://api.bank.test/") || plain.starts_with("https://api.bank.test:"),
                "{text}"
            );
        }
        let part = base64::encode_url(data);
        let (header, rest) = good.split_once('.').unwrap_or_default();
        let signature = rest.rsplit('.').next().unwrap_or_default();
        assert!(!is_believed(&format!("{header}.{part}.{signature}"), URI));
        assert!(!is_believed(&format!("{part}.{part}.{signature}"), URI));
    }
    let mut edited = good.clone().into_bytes();
    for edit in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    if let Ok(text) = String::from_utf8(edited) {
        assert!(text == *good || !is_believed(&text, URI), "an altered proof was believed");
    }
});
