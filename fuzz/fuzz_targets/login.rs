//! Log-ins at the gateway: no cookie of ours is left for a program or set by one, whatever stands beside it, and no text is believed as an
//! ID token or a logout token.
#![no_main]

use bartizan_core::Timestamp;
use bartizan_core::login::{COOKIES, Login, LoginSide};
use bartizan_crypto::jose::{Alg, JwkSet};
use bartizan_crypto::jws::TokenKey;
use bartizan_proxy::login::{CookieKeys, Session, cookies};
use bartizan_proxy::message::Fields;
use bartizan_tokens::id_token::{Expected, verify_id};
use bartizan_tokens::logout_token::verify_logout;
use bartizan_tokens::{Issuer, Issuers, Pins};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const ISSUER: &str = "https://login.bank.test";

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let key = TokenKey::generate_ed25519().expect("keys can be made");
    let published = JwkSet { keys: vec![key.public_jwk()], passed_over: vec![] };
    let pins = Pins { issuer: ISSUER.to_owned(), algs: vec![Alg::EdDsa], bound: false };
    Issuers::new(1, vec![Issuer::new(pins, &published).expect("the key is good")]).expect("there is one")
});

fn side() -> LoginSide {
    let said = Login {
        issuer: ISSUER.to_owned(),
        own: true,
        client: "gateway".to_owned(),
        secret: None,
        scopes: vec!["openid".to_owned()],
        origins: vec!["https://login.bank.test:8443".to_owned()],
        life_s: 600,
        idle_s: 60,
        after_logout: "/".to_owned(),
    };
    LoginSide { said, provider: None }
}

fuzz_target!(|data: &[u8]| {
    // What the strict reader lets through in a value.
    if data.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f) {
        let mut fields = Fields::default();
        data.split(|byte| *byte == b'|').for_each(|value| fields.append("cookie", value));
        cookies::take(&mut fields, &side());
        for pair in fields.all("cookie").flat_map(|field| field.split(|byte| *byte == b';')) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            assert!(!pair.contains(&b'=') || !name.to_ascii_lowercase().starts_with(COOKIES.to_ascii_lowercase().as_bytes()));
        }
        let mut set = Fields::default();
        set.append("set-cookie", data);
        cookies::guard(&mut set);
        let kept = set.get("set-cookie").map(|value| value.trim_ascii().to_ascii_lowercase());
        assert!(!kept.is_some_and(|value| value.starts_with(COOKIES.to_ascii_lowercase().as_bytes())));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(Session::open(&CookieKeys::default(), text, &side().said, NOW).is_none());
        let expected = Expected { issuer: ISSUER, client_id: "gateway", nonce: None, access_token: None };
        assert!(verify_id(&ISSUERS, text, &expected, NOW).is_err());
        assert!(verify_logout(&ISSUERS, text, (ISSUER, "gateway"), NOW).is_err());
    }
});
