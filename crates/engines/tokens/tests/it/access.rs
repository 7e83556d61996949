//! Access tokens: header, claims, dates, audience, binding.

use crate::*;
use bartizan_crypto::forge::RsaKey;
use bartizan_crypto::jose::JoseError;
use bartizan_crypto::jws::TokenKey;
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{
    AccessToken, Binding, BindingError, IssuerError, PublicReason, Scopes, TokenError, verify_access,
};
use proptest::prelude::*;
use std::time::Duration;

fn verify(token: &str) -> Result<AccessToken, TokenError> {
    verify_access(&issuers(1), &shown(token), "accounts", NOW)
}

fn claim(claim: &'static str, why: &'static str) -> TokenError {
    TokenError::Claim { claim, why }
}

#[test]
fn refuses_headers_that_are_not_the_issuers() {
    let signature = |why| TokenError::Signature { issuer: ISSUER.into(), kid: kid(&KEY), why };
    let typ = |found: &str| TokenError::Typ { found: found.into(), wanted: "at+jwt" };
    for (header, wanted) in [
        (with(header(), "alg", json!("none")), TokenError::Form(JoseError::Unsigned)),
        (with(header(), "alg", json!("HS256")), TokenError::Form(JoseError::UnknownAlg("HS256".into()))),
        (with(header(), "alg", json!("EdDSA")), TokenError::Algorithm { issuer: ISSUER.into(), alg: Alg::EdDsa }),
        (with(header(), "kid", json!("x\n")), TokenError::UnknownKey { issuer: ISSUER.into(), kid: "x\\n".into() }),
        (
            with(header(), "kid", json!(kid(&FOREIGN))),
            TokenError::UnknownKey { issuer: ISSUER.into(), kid: kid(&FOREIGN) },
        ),
        (without(header(), "kid"), TokenError::NoKey { issuer: ISSUER.into() }),
        (with(header(), "typ", json!("JWT")), typ("JWT")),
        (with(header(), "typ", json!("id+jwt")), typ("id+jwt")),
        (with(header(), "typ", json!("dpop+jwt")), typ("dpop+jwt")),
        (without(header(), "typ"), typ("")),
        (with(header(), "crit", json!(["exp"])), TokenError::Form(JoseError::Extension("crit"))),
        (with(header(), "jwk", KEY.public_jwk().to_json().into()), TokenError::Form(JoseError::EmbeddedKey("jwk"))),
        (with(header(), "jku", json!("https://evil.test")), TokenError::Form(JoseError::EmbeddedKey("jku"))),
    ] {
        let refused = verify(&forged(&KEY, &header, &claims())).unwrap_err();
        assert_eq!(refused, wanted, "{header}");
        assert_eq!(refused.public(), PublicReason::InvalidToken);
    }
    // Another key under the right name, and the foreign issuer's key for our subjects.
    let other = TokenKey::generate().unwrap();
    assert_eq!(verify(&forged(&other, &header(), &claims())).unwrap_err(), signature(JoseError::Signature));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        verify(&forged(&KEY, &with(header(), "typ", json!(typ)), &claims())).unwrap();
    }
}

#[test]
fn refuses_claims_that_do_not_hold() {
    let now = NOW.as_secs();
    let not_yet = |claim, by_s| TokenError::NotYet { issuer: ISSUER.into(), claim, by_s };
    let audience = |found: &[&str]| TokenError::Audience {
        found: found.iter().map(|one| (*one).to_owned()).collect(),
        wanted: "accounts".into(),
    };
    for (claims, wanted) in [
        (without(claims(), "iss"), claim("iss", "is missing")),
        (with(claims(), "iss", json!("https://evil.test")), TokenError::UnknownIssuer("https://evil.test".into())),
        (
            with(claims(), "iss", json!("https://id.bank.test/")),
            TokenError::UnknownIssuer("https://id.bank.test/".into()),
        ),
        (without(claims(), "sub"), claim("sub", "is missing")),
        (with(claims(), "sub", json!("")), claim("sub", "is empty")),
        (with(claims(), "sub", json!("x".repeat(2049))), claim("sub", "is too long")),
        (without(claims(), "client_id"), claim("client_id", "is missing")),
        (without(claims(), "jti"), claim("jti", "is missing")),
        (with(claims(), "jti", json!("x".repeat(257))), claim("jti", "is too long")),
        (without(claims(), "exp"), claim("exp", "is missing")),
        (without(claims(), "iat"), claim("iat", "is missing")),
        (with(claims(), "exp", json!("tomorrow")), claim("exp", "is no whole number of seconds since 1970")),
        (with(claims(), "exp", json!(-1)), claim("exp", "is no whole number of seconds since 1970")),
        (with(claims(), "exp", json!(1e30)), claim("exp", "is no whole number of seconds since 1970")),
        (with(claims(), "exp", json!(now)), TokenError::Expired { issuer: ISSUER.into(), by_s: 0 }),
        (with(claims(), "exp", json!(now - 7)), TokenError::Expired { issuer: ISSUER.into(), by_s: 7 }),
        (with(claims(), "iat", json!(now + 61)), not_yet("iat", 61)),
        (with(claims(), "nbf", json!(now + 3600)), not_yet("nbf", 3600)),
        (
            with(claims(), "exp", json!(now + 86_401)),
            TokenError::LivesLong { issuer: ISSUER.into(), life_s: 86_401, max_s: 86_400 },
        ),
        (without(claims(), "aud"), claim("aud", "is missing")),
        (with(claims(), "aud", json!([])), claim("aud", "is empty")),
        (with(claims(), "aud", json!(["accounts", 1])), claim("aud", "holds something else than texts")),
        (with(claims(), "aud", json!(vec!["accounts"; 17])), claim("aud", "names too many")),
        (with(claims(), "aud", json!({"accounts": 1})), claim("aud", "is neither text nor list")),
        (with(claims(), "aud", json!("ledger")), audience(&["ledger"])),
        (with(claims(), "aud", json!(["Accounts", "accounts "])), audience(&["Accounts", "accounts "])),
        (with(claims(), "scope", json!("a  b")), claim("scope", "is no list of scopes")),
        (with(claims(), "scope", json!(["a"])), claim("scope", "is no text")),
        (with(claims(), "bartizan_family", json!(1)), claim("bartizan_family", "is no text")),
    ] {
        assert_eq!(verify(&forged(&KEY, &header(), &claims)).unwrap_err(), wanted, "{claims}");
    }
    // The foreign issuer's key signs for itself alone.
    let foreign = json!({"alg": "EdDSA", "kid": kid(&FOREIGN), "typ": "at+jwt"});
    assert!(verify(&forged(&FOREIGN, &foreign, &claims())).is_err());
    verify(&forged(&FOREIGN, &foreign, &with(claims(), "iss", json!("https://other.test")))).unwrap();
    for (claim, at) in [("iat", now + 60), ("nbf", now + 60)] {
        verify(&forged(&KEY, &header(), &with(claims(), claim, json!(at)))).unwrap();
    }
    let doubled = claims().to_string().replacen('{', r#"{"sub":"root","#, 1);
    let [header, signature] = [header().to_string(), String::new()];
    let signed = [header, doubled].map(|json| base64::encode_url(json.as_bytes())).join(".");
    let signature = signature + &base64::encode_url(&KEY.sign(signed.as_bytes()).unwrap());
    assert!(matches!(verify(&format!("{signed}.{signature}")), Err(TokenError::Form(JoseError::Json { .. }))));
}

#[test]
fn a_bound_token_is_nothing_without_what_it_is_bound_to() {
    let (certificate, other) = ([1; 32], [2; 32]);
    let bound = |cnf: Value| forged(&KEY, &header(), &with(claims(), "cnf", cnf));
    let b64 = |bytes: &[u8; 32]| base64::encode_url(bytes);
    let show = |token: &str, certificate: Option<&[u8; 32]>, proof_key: Option<&[u8; 32]>| {
        verify_access(&issuers(1), &Presented { token, certificate, proof_key }, "accounts", NOW)
    };
    let to_certificate = bound(json!({"x5t#S256": b64(&certificate)}));
    let to_key = bound(json!({"jkt": b64(&certificate)}));
    let to_both = bound(json!({"x5t#S256": b64(&certificate), "jkt": b64(&other)}));
    let free = forged(&KEY, &header(), &claims());
    for (token, shown_certificate, shown_key, wanted) in [
        (&to_certificate, None, None, BindingError::NoCertificate),
        (&to_certificate, Some(&other), None, BindingError::OtherCertificate),
        (&to_certificate, None, Some(&certificate), BindingError::NoCertificate),
        (&to_certificate, Some(&certificate), Some(&other), BindingError::NotBound),
        (&to_key, None, None, BindingError::NoProof),
        (&to_key, Some(&certificate), None, BindingError::NoProof),
        (&to_key, None, Some(&other), BindingError::OtherKey),
        (&to_both, Some(&certificate), None, BindingError::NoProof),
        (&to_both, None, Some(&other), BindingError::NoCertificate),
        (&free, None, Some(&other), BindingError::NotBound),
    ] {
        let refused = show(token, shown_certificate, shown_key).unwrap_err();
        assert_eq!(refused, TokenError::Binding(wanted));
        assert_eq!(refused.public(), PublicReason::Binding);
    }
    for (cnf, why) in [
        (json!({}), "empty"),
        (json!("x"), "no object"),
        (json!({"kid": "x"}), "a method that is not known"),
        (json!({"jwk": {}}), "a key as it is"),
        (json!({"x5t#S256": b64(&certificate), "x": b64(&other)}), "a second method that is not known"),
        (json!({"jkt": "AA"}), "short"),
        (json!({"jkt": format!("{}=", b64(&other))}), "padded"),
    ] {
        let refused = show(&bound(cnf), Some(&certificate), None);
        assert!(matches!(refused, Err(TokenError::Claim { claim: "cnf", .. })), "accepted, though {why}");
    }
    show(&to_certificate, Some(&certificate), None).unwrap();
    show(&to_key, Some(&other), Some(&certificate)).unwrap();
    show(&to_both, Some(&certificate), Some(&other)).unwrap();
    let unbound = forged(&KEY, &header(), &with(claims(), "iss", json!("https://bound.test")));
    assert_eq!(show(&unbound, Some(&certificate), None), Err(TokenError::Binding(BindingError::Unbound)));
}

#[test]
fn issuers_are_pinned() {
    let pins = |algs: &[Alg]| Pins { issuer: ISSUER.into(), algs: algs.to_vec(), bound: false };
    let rsa = RsaKey::generate();
    let open = JwkSet { keys: vec![rsa.jwk(None)], passed_over: vec![] };
    let both = Issuer::new(pins(&[Alg::Rs256, Alg::Ps256]), &open).unwrap_err();
    assert_eq!(both, IssuerError::Ambiguous { issuer: ISSUER.into(), kid: "rsa".into() });
    assert_eq!(Issuer::new(pins(&[]), &open).unwrap_err(), IssuerError::NoAlgorithm(ISSUER.into()));
    assert_eq!(Issuer::new(pins(&[Alg::Es256]), &open).unwrap_err(), IssuerError::NoKeys(ISSUER.into()));
    let twice = || Issuer::new(pins(&[Alg::Ps256]), &open).unwrap();
    assert_eq!(Issuers::new(1, vec![twice(), twice()]).unwrap_err(), IssuerError::Doubled(ISSUER.into()));
    let issuers = Issuers::new(1, vec![twice()]).unwrap();
    let token = |alg: Alg, says: &str| rsa.sign(alg, json!({"alg": says, "kid": "rsa", "typ": "at+jwt"}), claims());
    verify_access(&issuers, &shown(&token(Alg::Ps256, "PS256")), "accounts", NOW).unwrap();
    for (token, why) in [
        (token(Alg::Rs256, "RS256"), "another padding"),
        (token(Alg::Rs256, "PS256"), "another padding under the right name"),
        (token(Alg::Ps384, "PS384"), "another hash"),
    ] {
        assert!(verify_access(&issuers, &shown(&token), "accounts", NOW).is_err(), "{why}");
    }
}

#[test]
fn what_is_minted_is_believed_until_it_runs_out() {
    let mut wanted = Access::new("alice", "app", "accounts");
    wanted.scopes = Scopes::parse("write read").unwrap();
    wanted.binding = Binding::to_certificate(b"certificate");
    wanted.family = Some("f1".into());
    // What is named apart cannot be set by the way.
    wanted.more.insert("sub".into(), json!("root"));
    wanted.more.insert("act".into(), json!({"sub": "gateway"}));
    let text = mint::access(&KEY, ISSUER, &wanted, [7; 16], NOW).unwrap();
    let certificate = wanted.binding.certificate;
    let show = |now| {
        let shown = Presented { token: &text, certificate: certificate.as_ref(), proof_key: None };
        verify_access(&issuers(1), &shown, "accounts", now)
    };
    let token = show(NOW).unwrap();
    assert_eq!((token.subject.as_str(), token.client_id.as_str()), ("alice", "app"));
    assert_eq!((token.scopes.to_string(), token.family.as_deref()), ("read write".to_owned(), Some("f1")));
    assert_eq!(token.claims["act"]["sub"], "gateway");
    assert_eq!(token.jti, base64::encode_url(&[7; 16]));
    assert_eq!(token.expires.since(token.issued), Duration::from_secs(300));
    show(Timestamp::from_secs(NOW.as_secs() + 299)).unwrap();
    let over = show(Timestamp::from_secs(NOW.as_secs() + 300)).unwrap_err();
    assert_eq!((over.public(), over.public().code()), (PublicReason::Expired, "invalid_token"));
}

proptest! {
    #[test]
    fn no_text_is_believed_without_a_key(text in "[A-Za-z0-9_.-]{0,200}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn edits_change_nothing_or_are_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let token = forged(&KEY, &header(), &claims());
        let mut edited = token.clone().into_bytes();
        let at = at.index(edited.len());
        edited[at] = byte;
        if let Ok(text) = String::from_utf8(edited) {
            prop_assert!(text == token || verify(&text).is_err());
        }
    }

    #[test]
    fn what_is_told_outside_fits_a_header(text in "\\PC{0,200}") {
        if let Err(error) = verify(&text) {
            prop_assert!(error.public().text().bytes().all(|b| matches!(b, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')));
        }
    }
}
