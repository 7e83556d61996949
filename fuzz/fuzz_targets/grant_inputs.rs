//! What people and clients send to get tokens (refresh tokens, user codes, scopes, challenges): nothing panics, one value has one
//! text, and no refresh token is read that was not made here.
#![no_main]

use bartizan_core::{Secret, Timestamp};
use bartizan_tokens::Scopes;
use bartizan_tokens::grant::{Family, FamilyId, Granted, RefreshToken, read_user_code};
use bartizan_tokens::pkce::Challenge;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GOOD: LazyLock<(Secret<[u8; 32]>, String)> = LazyLock::new(|| {
    let key = Secret::new([7; 32]);
    let granted = Granted {
        client_id: "app".to_owned(),
        subject: "alice".to_owned(),
        audience: "ledger".to_owned(),
        further: Vec::new(),
        scopes: Scopes::default(),
        key: None,
        claims: Default::default(),
    };
    let family = Family::begin(FamilyId([1; 16]), granted, Timestamp::from_secs(1_790_000_000));
    let text = family.first(None, &key).refresh_token;
    (key, text)
});

fuzz_target!(|text: &str| {
    let (key, good) = &*GOOD;
    if RefreshToken::read(text, key).is_some() {
        assert_eq!(text, good, "read a refresh token from nowhere");
    }
    let edited = format!("{}{text}", &good[..good.len().saturating_sub(text.len())]);
    if RefreshToken::read(&edited, key).is_some() {
        assert_eq!(&edited, good, "read an altered refresh token");
    }
    if let Some(code) = read_user_code(text) {
        assert_eq!(read_user_code(&code).as_deref(), Some(code.as_str()));
    }
    if let Ok(scopes) = Scopes::parse(text) {
        assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
    }
    if let Ok(challenge) = Challenge::read(Some("S256"), text) {
        assert!(challenge.check(text).is_err(), "a challenge is not its own secret");
    }
});
