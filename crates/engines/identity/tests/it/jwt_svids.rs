//! Tokens: whom they are believed to name, and when not.

use bartizan_core::limits::{AUDIENCE_BYTES_MAX, AUDIENCES_MAX, JWT_TTL};
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::jws::TokenKey;
use bartizan_identity::jwt_svid::{JwtError, JwtKeys, kid, sign};
use bartizan_identity::limits::JWT_BYTES_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

static KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate().unwrap());
static FOREIGN: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate().unwrap());

fn published(key: &TokenKey) -> JwtKey {
    JwtKey { kid: kid(key.public_spki()), spki: base64::encode(key.public_spki()) }
}

fn keys() -> JwtKeys {
    let domain = |text| TrustDomain::parse(text).unwrap();
    let jwt_keys = [
        (domain("bank.test"), vec![published(&KEY)]),
        (domain("other.test"), vec![published(&FOREIGN)]),
        (domain("empty.test"), vec![]),
    ];
    JwtKeys::read(&Bundles { jwt_keys: jwt_keys.into(), ..Bundles::default() }).unwrap()
}

fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

fn report() -> SpiffeId {
    id("spiffe://bank.test/workload/report")
}

fn good() -> String {
    sign(&KEY, &report(), &["ledger".to_owned(), "accounts".to_owned()], NOW).unwrap()
}

/// Any header and claims, signed by `key`.
fn forged(key: &TokenKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64::encode_url(header.as_bytes()), base64::encode_url(claims.as_bytes()));
    let signature = base64::encode_url(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": kid(KEY.public_spki()), "typ": "JWT"})
}

fn claims() -> Value {
    json!({"sub": report(), "aud": ["ledger"], "exp": NOW.as_secs() + 300, "iat": NOW.as_secs()})
}

fn without(mut value: Value, key: &str) -> String {
    value.as_object_mut().unwrap().remove(key).unwrap();
    value.to_string()
}

fn with(mut value: Value, key: &str, to: Value) -> String {
    value[key] = to;
    value.to_string()
}

#[test]
fn refuses_headers_that_are_not_ours() {
    let claims = claims().to_string();
    for (header, why) in [
        (with(header(), "alg", json!("none")), "unsigned"),
        (with(header(), "alg", json!("HS256")), "signed with a secret"),
        (with(header(), "alg", json!("RS256")), "another key"),
        (with(header(), "alg", json!("ES384")), "another curve"),
        (with(header(), "alg", json!("es256")), "another spelling"),
        (without(header(), "alg"), "no algorithm"),
        (with(header(), "kid", json!("0000")), "unknown key"),
        (with(header(), "kid", json!(kid(FOREIGN.public_spki()))), "the key of another domain"),
        (without(header(), "kid"), "no key"),
        (with(header(), "typ", json!("at+jwt")), "another type"),
        (with(header(), "crit", json!(["exp"])), "an extension"),
        (with(header(), "crit", json!(null)), "an extension that is nothing"),
        (header().to_string().replacen('{', r#"{"alg":"ES256","#, 1), "twice the algorithm"),
    ] {
        let refused = keys().validate(&forged(&KEY, &header, &claims), "ledger", NOW);
        assert!(refused.is_err(), "accepted, though {why}");
    }
    keys().validate(&forged(&KEY, &header().to_string(), &claims), "ledger", NOW).unwrap();
    let unsigned = forged(&KEY, &with(header(), "alg", json!("none")), &claims);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    assert_eq!(keys().validate(&unsigned, "ledger", NOW), Err(JwtError::Algorithm));
}

#[test]
fn refuses_claims_that_do_not_hold() {
    let header = header().to_string();
    for (claims, error, why) in [
        (without(claims(), "exp"), None, "no end"),
        (without(claims(), "sub"), None, "nobody"),
        (without(claims(), "aud"), None, "for nobody"),
        (with(claims(), "exp", json!("tomorrow")), None, "an end that is no number"),
        (with(claims(), "exp", json!(NOW.as_secs())), Some(JwtError::Expired), "run out this second"),
        (with(claims(), "nbf", json!(NOW.as_secs() + 61)), Some(JwtError::NotYet), "later"),
        (with(claims(), "iat", json!(NOW.as_secs() + 61)), Some(JwtError::NotYet), "made in the future"),
        (with(claims(), "aud", json!([])), Some(JwtError::Audience), "an empty list"),
        (with(claims(), "aud", json!("accounts")), Some(JwtError::Audience), "another audience"),
        (with(claims(), "aud", json!(["Ledger", "ledger2"])), Some(JwtError::Audience), "similar audiences"),
        (with(claims(), "sub", json!("report")), None, "no SPIFFE ID"),
        (with(claims(), "sub", json!("spiffe://bank.test")), None, "a trust domain"),
        (with(claims(), "sub", json!("spiffe://other.test/x")), Some(JwtError::UnknownKey), "a foreign subject"),
        (with(claims(), "sub", json!("spiffe://empty.test/x")), Some(JwtError::UnknownKey), "a domain without keys"),
        (
            with(claims(), "sub", json!("spiffe://nowhere.test/x")),
            Some(JwtError::UnknownDomain("nowhere.test".to_owned())),
            "a domain nobody knows",
        ),
        (claims().to_string().replacen('{', r#"{"exp":1,"#, 1), None, "twice the end"),
        ("[]".to_owned(), None, "no map"),
    ] {
        let refused = keys().validate(&forged(&KEY, &header, &claims), "ledger", NOW).expect_err(why);
        if let Some(error) = error {
            assert_eq!(refused, error, "{why}");
        }
    }
    // The foreign domain's own key cannot speak for ours.
    let foreign = with(json!({"alg": "ES256", "typ": "JWT"}), "kid", json!(kid(FOREIGN.public_spki())));
    let token = forged(&FOREIGN, &foreign, &claims().to_string());
    assert_eq!(keys().validate(&token, "ledger", NOW), Err(JwtError::UnknownKey));
}

#[test]
fn refuses_a_token_in_which_anything_was_altered() {
    let token = good();
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert!(keys().validate(&altered, "ledger", NOW).is_err(), "byte {at}");
        assert!(keys().validate(&token[..at], "ledger", NOW).is_err(), "cut at {at}");
    }
    let long = format!("{token}{}", "A".repeat(JWT_BYTES_MAX));
    let padded = format!("{token}=");
    let four = format!("{token}.{token}");
    for text in ["", ".", "..", "...", &long, &padded, &four, &format!(" {token}"), &format!("{token}\n")] {
        assert!(keys().validate(text, "ledger", NOW).is_err(), "{}", text.len());
    }
}

#[test]
fn is_good_for_each_of_its_audiences_until_it_runs_out() {
    let token = good();
    for audience in ["ledger", "accounts"] {
        let valid = keys().validate(&token, audience, NOW).unwrap();
        assert_eq!(valid.id, report());
        assert_eq!(valid.claims["iat"], NOW.as_secs());
    }
    for audience in ["", "users", "ledger "] {
        assert_eq!(keys().validate(&token, audience, NOW), Err(JwtError::Audience));
    }
    let end = NOW.plus(JWT_TTL);
    assert!(keys().validate(&token, "ledger", Timestamp::from_secs(end.as_secs() - 1)).is_ok());
    assert_eq!(keys().validate(&token, "ledger", end), Err(JwtError::Expired));
}

#[test]
fn there_is_a_bound_on_audiences() {
    let long = "x".repeat(AUDIENCE_BYTES_MAX + 1);
    for audiences in [vec![], vec![String::new()], vec![long], vec!["x".to_owned(); AUDIENCES_MAX + 1]] {
        assert_eq!(sign(&KEY, &report(), &audiences, NOW), Err(JwtError::Audiences));
    }
    let most = vec!["x".repeat(AUDIENCE_BYTES_MAX); AUDIENCES_MAX];
    let token = sign(&KEY, &report(), &most, NOW).unwrap();
    keys().validate(&token, &most[0], NOW).unwrap();
}

#[test]
fn refuses_keys_that_are_none_and_shows_the_good_ones() {
    let good = published(&KEY);
    let read = |keys: Vec<JwtKey>| {
        let jwt_keys = [(TrustDomain::parse("bank.test").unwrap(), keys)].into();
        JwtKeys::read(&Bundles { jwt_keys, ..Bundles::default() })
    };
    let bad_spki = JwtKey { spki: base64::encode(b"key"), ..good.clone() };
    let no_kid = JwtKey { kid: String::new(), ..good.clone() };
    for keys in [vec![bad_spki], vec![no_kid], vec![good.clone(), good.clone()]] {
        assert!(matches!(read(keys), Err(JwtError::Key { .. })));
    }
    let set: Value = serde_json::from_slice(&read(vec![good.clone()]).unwrap().jwks("bank.test")).unwrap();
    assert_eq!(set["keys"][0]["kid"], good.kid.as_str());
    assert_eq!(set["keys"][0]["kty"], "EC");
    assert_eq!(read(vec![]).unwrap().jwks("nowhere.test"), br#"{"keys":[]}"#);
}

proptest! {
    #[test]
    fn no_text_is_believed_without_a_key(text in "[A-Za-z0-9_.-]{0,200}") {
        prop_assert!(keys().validate(&text, "ledger", NOW).is_err());
    }

    #[test]
    fn edits_change_nothing_or_are_refused(at in 0usize..400, byte in any::<u8>()) {
        let token = good();
        let mut edited = token.clone().into_bytes();
        let at = at % edited.len();
        edited[at] = byte;
        if let Ok(text) = String::from_utf8(edited) {
            prop_assert!(text == token || keys().validate(&text, "ledger", NOW).is_err());
        }
    }
}
