//! ID tokens: what they say, and which are taken back as a hint.

use crate::*;
use bartizan_crypto::hash;
use bartizan_tokens::id_token::{Hint, IdToken, id_token, read_hint};
use bartizan_tokens::{TokenError, inspect, mint};

fn said() -> IdToken<'static> {
    let more = json!({"auth_time": 1, "sid": "s1", "sub": "mallory"}).as_object().unwrap().clone();
    IdToken { subject: "alice", client_id: "shop", nonce: Some("n"), access_token: Some("at"), more }
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&base64::decode_url(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn says_who_signed_in_and_never_what_further_claims_would_have_it_say() {
    let token = id_token(&KEY, ISSUER, &said(), NOW).unwrap();
    let claims = claims_of(&token);
    assert_eq!((claims["sub"].as_str(), claims["aud"].as_str()), (Some("alice"), Some("shop")));
    assert_eq!((claims["nonce"].as_str(), claims["sid"].as_str()), (Some("n"), Some("s1")));
    assert_eq!(claims["at_hash"], base64::encode_url(&hash::sha256(b"at")[..16]));
    let without =
        claims_of(&id_token(&KEY, ISSUER, &IdToken { nonce: None, access_token: None, ..said() }, NOW).unwrap());
    assert!(without.get("nonce").is_none() && without.get("at_hash").is_none());
}

#[test]
fn is_no_access_token_and_an_access_token_is_no_hint() {
    let token = id_token(&KEY, ISSUER, &said(), NOW).unwrap();
    assert!(matches!(inspect(&issuers(1), &token, NOW), Err(TokenError::Typ { .. })));
    let access = mint::access(&KEY, ISSUER, &mint::Access::new("alice", "shop", "api"), [0; 16], NOW).unwrap();
    assert!(matches!(read_hint(&issuers(1), &access), Err(TokenError::Typ { .. })));
}

#[test]
fn a_hint_is_read_whatever_its_age_where_it_was_made_here() {
    let token = id_token(&KEY, ISSUER, &said(), Timestamp::from_secs(1)).unwrap();
    let wanted = Hint { subject: "alice".into(), client_id: "shop".into(), session: Some("s1".into()) };
    assert_eq!(read_hint(&issuers(1), &token).unwrap(), wanted);
    let foreign = id_token(&FOREIGN, ISSUER, &said(), NOW).unwrap();
    assert!(matches!(read_hint(&issuers(1), &foreign), Err(TokenError::Algorithm { .. })));
    let other = id_token(&TokenKey::generate().unwrap(), ISSUER, &said(), NOW).unwrap();
    assert!(matches!(read_hint(&issuers(1), &other), Err(TokenError::UnknownKey { .. })));
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[1] = base64::encode_url(claims_of(&token).to_string().replace("alice", "bob").as_bytes());
    assert!(matches!(read_hint(&issuers(1), &parts.join(".")), Err(TokenError::Signature { .. })));
    assert!(read_hint(&issuers(1), "").is_err());
}
