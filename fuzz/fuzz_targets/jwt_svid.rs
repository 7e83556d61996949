//! JWT-SVIDs: no text makes reading panic, nothing is believed without a key, and edits of a good one are refused.
#![no_main]

use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::jws::TokenKey;
use bartizan_identity::jwt_svid::{JwtKeys, kid, sign};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

static GOOD: LazyLock<(JwtKeys, String)> = LazyLock::new(|| {
    let key = TokenKey::generate().expect("keys can be made");
    let domain = TrustDomain::parse("bank.test").expect("a good name");
    let id = SpiffeId::parse("spiffe://bank.test/workload/report").expect("a good name");
    let published = JwtKey { kid: kid(key.public_spki()), spki: base64::encode(key.public_spki()) };
    let bundles = Bundles { jwt_keys: [(domain, vec![published])].into(), ..Bundles::default() };
    let token = sign(&key, &id, &["ledger".to_owned()], NOW).expect("it can be signed");
    (JwtKeys::read(&bundles).expect("the key is good"), token)
});

fuzz_target!(|data: &[u8]| {
    let (keys, token) = &*GOOD;
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(keys.validate(text, "ledger", NOW).is_err(), "believed a token from nowhere");
        // As header and claims, so that what is behind the base64 is reached too.
        let part = base64::encode_url(data);
        let signature = token.rsplit('.').next().unwrap_or_default();
        assert!(keys.validate(&format!("{part}.{part}.{signature}"), "ledger", NOW).is_err());
    }
    let mut edited = token.clone().into_bytes();
    for edit in data.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % edited.len();
        edited[at] = edit[2];
    }
    if let Ok(text) = String::from_utf8(edited) {
        assert!(text == *token || keys.validate(&text, "ledger", NOW).is_err(), "an altered token was believed");
    }
});
