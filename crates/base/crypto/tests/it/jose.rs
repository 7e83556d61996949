//! Signed tokens and keys: what is refused, against the examples of the specifications and tokens that are wrong on purpose.

use bartizan_crypto::forge::RsaKey;
use bartizan_crypto::jose::compact::sign_with_jwk;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{
    Alg, EmbeddedKey, JoseError, Jwk, JwkError, JwkSet, JwkSetError, Unverified, VerifyKey, sign,
};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, TOKEN_BYTES_MAX, TOKEN_HEADER_BYTES_MAX};
use bartizan_crypto::{base64, hash};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate().unwrap());
static ED25519: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate_ed25519().unwrap());
static RSA: LazyLock<RsaKey> = LazyLock::new(RsaKey::generate);

fn parse(token: &str) -> Result<Unverified<'_>, JoseError> {
    Unverified::parse(token, EmbeddedKey::Refused)
}

fn verify_key(key: &TokenKey) -> VerifyKey {
    key.public_jwk().verify_key(key.alg()).unwrap()
}

fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

/// A token with any header and payload, its signature made by `key`.
fn forged(key: &TokenKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", base64::encode_url(header.as_bytes()), base64::encode_url(payload.as_bytes()));
    let signature = base64::encode_url(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[test]
fn reads_the_examples_of_the_specifications() {
    let text = include_bytes!("../../../../../corpus/jose/rfc.json");
    let examples: Value = serde_json::from_slice(text).unwrap();
    let mut believed = 0;
    for example in examples["tokens"].as_array().unwrap() {
        let (source, token) = (example["source"].as_str().unwrap(), example["token"].as_str().unwrap());
        if let Some(refused) = example.get("refused") {
            let name = format!("{:?}", parse(token).unwrap_err());
            assert!(name.starts_with(refused.as_str().unwrap()), "{source}: {name}");
            continue;
        }
        let jwk = Jwk::parse(example["key"].as_object().unwrap()).unwrap();
        let unverified = parse(token).unwrap();
        let key = jwk.verify_key(unverified.header().alg).unwrap();
        unverified.verify(&key).unwrap_or_else(|e| panic!("{source}: {e}"));
        let mut altered = token.to_owned().into_bytes();
        let at = altered.len() - 10;
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(parse(&altered).unwrap().verify(&key), Err(JoseError::Signature), "{source}");
        believed += 1;
    }
    assert_eq!(believed, 7);
    for example in examples["thumbprints"].as_array().unwrap() {
        let jwk = Jwk::parse(example["key"].as_object().unwrap()).unwrap();
        assert_eq!(
            base64::encode_url(&jwk.thumbprint()),
            example["thumbprint"].as_str().unwrap(),
            "{}",
            example["source"]
        );
    }
}

#[test]
fn refuses_headers_by_name() {
    for (header, wanted) in [
        (r#"{"alg":"none"}"#, JoseError::Unsigned),
        (r#"{"alg":"nOnE"}"#, JoseError::Unsigned),
        (r#"{"alg":"HS256"}"#, JoseError::UnknownAlg("HS256".into())),
        (r#"{"alg":"es256"}"#, JoseError::UnknownAlg("es256".into())),
        (r#"{"alg":""}"#, JoseError::UnknownAlg(String::new())),
        (r#"{}"#, JoseError::Member { member: "alg", why: "is missing" }),
        (r#"{"alg":["ES256"]}"#, JoseError::Member { member: "alg", why: "is no text" }),
        (r#"{"alg":"ES256","typ":1}"#, JoseError::Member { member: "typ", why: "is no text" }),
        (r#"{"alg":"ES256","kid":null}"#, JoseError::Member { member: "kid", why: "is no text" }),
        (r#"{"alg":"ES256","kid":""}"#, JoseError::Member { member: "kid", why: "is empty or too long" }),
        (r#"{"alg":"ES256","crit":["exp"]}"#, JoseError::Extension("crit")),
        (r#"{"alg":"ES256","crit":[]}"#, JoseError::Extension("crit")),
        (r#"{"alg":"ES256","crit":null}"#, JoseError::Extension("crit")),
        (r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, JoseError::Extension("crit")),
        (r#"{"alg":"ES256","b64":true}"#, JoseError::Extension("b64")),
        (r#"{"alg":"ES256","zip":"DEF"}"#, JoseError::Extension("zip")),
        (r#"{"alg":"ES256","jku":"https://evil.test/"}"#, JoseError::EmbeddedKey("jku")),
        (r#"{"alg":"ES256","x5u":"https://evil.test/"}"#, JoseError::EmbeddedKey("x5u")),
        (r#"{"alg":"ES256","x5c":[]}"#, JoseError::EmbeddedKey("x5c")),
        (r#"{"alg":"ES256","jwk":{}}"#, JoseError::EmbeddedKey("jwk")),
        (r#"{"alg":"ES256","jwk":null}"#, JoseError::EmbeddedKey("jwk")),
    ] {
        assert_eq!(parse(&forged(&KEY, header, "{}")).unwrap_err(), wanted, "{header}");
    }
    let doubled = forged(&KEY, r#"{"alg":"none","alg":"ES256"}"#, "{}");
    assert!(matches!(parse(&doubled), Err(JoseError::Json { part: "header", .. })));
    let unknown = forged(&KEY, r#"{"alg":"ES256","x5t":"AA","other":{"a":1}}"#, "foo");
    assert_eq!(parse(&unknown).unwrap().verify(&verify_key(&KEY)).unwrap(), b"foo");
}

#[test]
fn refuses_text_that_is_no_token_or_a_second_text_of_one() {
    let token = sign(&KEY, "JWT", "k", &json!({"a": 1})).unwrap();
    let key = verify_key(&KEY);
    parse(&token).unwrap().verify(&key).unwrap();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let json_form = format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let last = |text: &str| {
        // The same bytes with other bits after the end: 86 characters hold 64 bytes and four bits more.
        let end = text.as_bytes()[text.len() - 1];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.iter().position(|byte| *byte == end).unwrap();
        format!("{}{}", &text[..text.len() - 1], char::from(alphabet[at + 1]))
    };
    for (text, why) in [
        (String::new(), "empty"),
        (".".into(), "one dot"),
        ("..".into(), "nothing between the dots"),
        (format!("{header}.{payload}"), "no signature"),
        (format!("{header}.{payload}."), "an empty signature"),
        (format!("{header}..{signature}"), "no payload"),
        (format!(".{payload}.{signature}"), "no header"),
        (format!("{token}.{signature}"), "four parts"),
        (format!("{token}."), "a dot too many"),
        (format!("{token}="), "padding"),
        (format!("{token}\n"), "a line end"),
        (format!(" {token}"), "a space"),
        (format!("{header}.{payload}.{signature} "), "a space after it"),
        (format!("{header}.{payload}.{}", last(signature)), "bits after the end"),
        (token.replace('.', ".."), "empty parts"),
        (format!("{header}.{payload}.{}", &signature[1..]), "a signature that was cut"),
        (format!("{header}.{payload}.{signature}AA"), "a signature that goes on"),
        (format!("{payload}.{header}.{signature}"), "parts in another order"),
        (json_form, "the JSON form"),
    ] {
        let refused = parse(&text).and_then(|token| token.verify(&key).map(<[u8]>::to_vec));
        assert!(refused.is_err(), "believed, though {why}");
    }
    assert_eq!(
        parse(&"A".repeat(TOKEN_BYTES_MAX + 1)).unwrap_err(),
        JoseError::TooLarge { what: "token", bytes: TOKEN_BYTES_MAX + 1, max: TOKEN_BYTES_MAX }
    );
    let wide = json!({"alg": "ES256", "a": "a".repeat(TOKEN_HEADER_BYTES_MAX)}).to_string();
    assert!(matches!(parse(&forged(&KEY, &wide, "{}")), Err(JoseError::TooLarge { what: "header", .. })));
}

#[test]
fn a_key_is_for_one_algorithm() {
    let pkcs1 = RSA.jwk(Some(Alg::Rs256)).verify_key(Alg::Rs256).unwrap();
    for alg in [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512] {
        let token = RSA.sign(alg, json!({"alg": alg.as_str()}), json!({"a": 1}));
        let key = RSA.jwk(None).verify_key(alg).unwrap();
        parse(&token).unwrap().verify(&key).unwrap();
        if alg != Alg::Rs256 {
            let refused = parse(&token).unwrap().verify(&pkcs1).map(<[u8]>::to_vec);
            assert_eq!(refused, Err(JoseError::OtherAlg { token: alg, key: Alg::Rs256 }));
            assert!(RSA.jwk(Some(Alg::Rs256)).verify_key(alg).is_err());
            // The header lies about the padding.
            let lying = RSA.sign(alg, json!({"alg": "RS256"}), json!({"a": 1}));
            assert_eq!(parse(&lying).unwrap().verify(&pkcs1).map(<[u8]>::to_vec), Err(JoseError::Signature), "{alg}");
        }
    }
    for header in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let token = forged(&ED25519, &json!({"alg": header}).to_string(), "{}");
        let is_its_own = header == "EdDSA";
        assert_eq!(parse(&token).unwrap().verify(&verify_key(&ED25519)).is_ok(), is_its_own, "{header}");
        assert!(parse(&token).unwrap().verify(&verify_key(&KEY)).is_err());
    }
}

fn jwk(change: impl FnOnce(&mut Object)) -> Result<Jwk, JwkError> {
    let mut key = KEY.public_jwk().to_json();
    change(&mut key);
    Jwk::parse(&key)
}

#[test]
fn refuses_keys_that_are_none_and_passes_over_those_for_other_uses() {
    let set = |name: &'static str, to: Value| {
        move |key: &mut Object| {
            key.insert(name.to_owned(), to);
        }
    };
    let x = KEY.public_jwk().to_json()["x"].clone();
    for (refused, why) in [
        (jwk(set("d", json!("AA"))), "its private half"),
        (jwk(set("k", json!("AA"))), "a secret"),
        (jwk(set("kty", json!("oct"))), "a secret key"),
        (jwk(set("kty", json!(1))), "no kind"),
        (jwk(set("y", x.clone())), "off the curve"),
        (jwk(set("x", json!("AA"))), "a short coordinate"),
        (jwk(set("x", json!(format!("{}=", x.as_str().unwrap())))), "padding"),
        (jwk(set("alg", json!("ES384"))), "another curve's algorithm"),
        (jwk(set("alg", json!("RS256"))), "another kind's algorithm"),
        (jwk(set("crv", json!("P-384"))), "another curve"),
        (jwk(set("kid", json!(""))), "an empty name"),
        (jwk(|key| drop(key.remove("y"))), "half a point"),
    ] {
        assert!(matches!(refused, Err(JwkError::Refused(_))), "{why}: {refused:?}");
    }
    for (passed, why) in [
        (jwk(set("use", json!("enc"))), "for encryption"),
        (jwk(set("alg", json!("ECDH-ES"))), "for agreement"),
        (jwk(set("crv", json!("secp256k1"))), "another curve"),
        (jwk(set("kty", json!("AKP"))), "another kind"),
        (jwk(set("key_ops", json!(["sign"]))), "only signs"),
    ] {
        assert!(matches!(passed, Err(JwkError::Unusable(_))), "{why}: {passed:?}");
    }
    let rsa = |n: Vec<u8>, e: &[u8]| {
        Jwk::parse(&object(json!({"kty": "RSA", "n": base64::encode_url(&n), "e": base64::encode_url(e)})))
    };
    let n = RSA.modulus();
    rsa(n.clone(), &[1, 0, 1]).unwrap();
    for (key, why) in [
        (rsa(n[..128].to_vec(), &[1, 0, 1]), "1024 bits"),
        (rsa([&[0][..], &n].concat(), &[1, 0, 1]), "a zero before it"),
        (rsa([n.clone(), n.clone(), n.clone()].concat(), &[1, 0, 1]), "6144 bits"),
        (rsa(n.clone(), &[1]), "an exponent of one"),
        (rsa(n.clone(), &[2]), "an even exponent"),
        (rsa(n.clone(), &[0, 1, 0, 1]), "a zero before the exponent"),
        (rsa(n.clone(), &[1, 0, 0, 0, 1]), "a long exponent"),
        (rsa(n, &[]), "no exponent"),
    ] {
        assert!(matches!(key, Err(JwkError::Refused(_))), "{why}");
    }
}

#[test]
fn a_set_is_read_whole_or_not_at_all() {
    let key = |kid: &str| Value::Object(KEY.public_jwk().with_kid(kid.to_owned()).to_json());
    let read = |keys: Vec<Value>| JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes());
    let mut private = key("p");
    private["d"] = json!("AA");
    assert!(matches!(read(vec![key("a"), private]), Err(JwkSetError::Key { at: 1, .. })));
    assert_eq!(read(vec![key("a"), key("a")]).unwrap_err(), JwkSetError::Doubled { kid: "a".into() });
    assert!(matches!(read(vec![json!({"kty": "oct", "k": "AA"})]), Err(JwkSetError::Key { .. })));
    assert!(matches!(read(vec![json!(1)]), Err(JwkSetError::Malformed { .. })));
    let many = (0..=JWKS_KEYS_MAX).map(|n| key(&n.to_string())).collect();
    assert_eq!(read(many).unwrap_err(), JwkSetError::TooMany { keys: JWKS_KEYS_MAX + 1 });
    let large = vec![b' '; JWKS_BYTES_MAX + 1];
    assert_eq!(JwkSet::parse(&large).unwrap_err(), JwkSetError::TooLarge { bytes: JWKS_BYTES_MAX + 1 });
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(JwkSet::parse(text.as_bytes()), Err(JwkSetError::Malformed { .. })), "{text}");
    }
    let encryption = json!({"kty": "RSA", "use": "enc", "n": "AA", "e": "AQAB"});
    let set = read(vec![encryption, key("a"), key("b")]).unwrap();
    assert_eq!((set.keys.len(), set.passed_over.len(), set.passed_over[0].0), (2, 1, 0));
    assert_eq!(JwkSet::parse(&set.to_json()).unwrap().keys, set.keys, "what was written reads back");
}

#[test]
fn a_proof_brings_its_key_and_nothing_else() {
    let with = |token: &str| Unverified::parse(token, EmbeddedKey::Required).map(|it| it.header().jwk.clone());
    let proof = sign_with_jwk(&KEY, "dpop+jwt", &json!({})).unwrap();
    let jwk = with(&proof).unwrap().unwrap();
    assert_eq!(jwk.thumbprint(), KEY.public_jwk().thumbprint());
    Unverified::parse(&proof, EmbeddedKey::Required).unwrap().verify(&jwk.verify_key(Alg::Es256).unwrap()).unwrap();
    assert_eq!(parse(&proof).unwrap_err(), JoseError::EmbeddedKey("jwk"));
    let mut private = KEY.public_jwk().to_json();
    private.insert("d".into(), "AA".into());
    for (header, why) in [
        (json!({"alg": "ES256"}), "no key"),
        (json!({"alg": "ES256", "jwk": private}), "a private key"),
        (json!({"alg": "ES256", "jwk": {"kty": "oct", "k": "AA"}}), "a secret"),
        (json!({"alg": "ES256", "jwk": "x"}), "text"),
        (json!({"alg": "ES256", "jwk": KEY.public_jwk().to_json(), "x5c": []}), "a certificate too"),
    ] {
        assert!(with(&forged(&KEY, &header.to_string(), "{}")).is_err(), "accepted, though {why}");
    }
}

#[test]
fn keys_are_named_by_their_thumbprint() {
    for key in [&*KEY, &*ED25519] {
        let jwk = key.public_jwk();
        assert_eq!(jwk.kid().unwrap(), base64::encode_url(&jwk.thumbprint()));
        assert_eq!(Jwk::parse(&jwk.to_json()).unwrap(), jwk);
        assert_ne!(jwk.thumbprint(), hash::sha256(key.public_spki()));
    }
}

proptest! {
    #[test]
    fn no_text_is_believed_without_a_key(text in "[A-Za-z0-9_.-]{0,200}") {
        let believed = parse(&text).is_ok_and(|token| token.verify(&verify_key(&KEY)).is_ok());
        prop_assert!(!believed);
    }

    #[test]
    fn edits_are_refused(at in any::<prop::sample::Index>(), byte in any::<u8>(), ed25519 in any::<bool>()) {
        let key = if ed25519 { &*ED25519 } else { &*KEY };
        let token = sign(key, "JWT", "k", &json!({"sub": "a", "exp": 1})).unwrap();
        let mut edited = token.clone().into_bytes();
        let at = at.index(edited.len());
        edited[at] = byte;
        if let Ok(text) = String::from_utf8(edited) {
            let believed = parse(&text).is_ok_and(|token| token.verify(&verify_key(key)).is_ok());
            prop_assert_eq!(believed, text == token);
        }
    }

    #[test]
    fn any_bytes_are_read_as_a_set_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(JwkSet::parse(&bytes).is_err());
    }
}
