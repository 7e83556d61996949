//! Proofs of possession.

use crate::*;
use bartizan_crypto::forge::RsaKey;
use bartizan_crypto::hash;
use bartizan_crypto::jose::compact::sign_with_jwk;
use bartizan_tokens::dpop::{ProofError, ProofReplays, ProofRequest, check_proof};
use bartizan_tokens::limits::PROOF_AGE_MAX;
use bartizan_tokens::{ProofKey, PublicReason};
use proptest::prelude::*;

const URI: &str = "https://api.bank.test/accounts";

fn request() -> ProofRequest<'static> {
    ProofRequest { method: "GET", uri: URI, access_token: Some("token"), nonces: &[] }
}

fn good() -> Value {
    let ath = base64::encode_url(&hash::sha256(b"token"));
    json!({"jti": "p1", "htm": "GET", "htu": URI, "iat": NOW.as_secs(), "ath": ath})
}

fn proof(claims: &Value) -> String {
    sign_with_jwk(&KEY, "dpop+jwt", claims).unwrap()
}

fn check(proof: &str) -> Result<ProofKey, ProofError> {
    check_proof(proof, &request(), &mut ProofReplays::default(), NOW)
}

#[test]
fn refuses_proofs_that_are_for_something_else() {
    let now = NOW.as_secs();
    let missing = |claim| ProofError::Claim { claim, why: "is missing" };
    let uri = |found: &str| ProofError::Uri { found: found.into(), wanted: URI.into() };
    for (claims, wanted) in [
        (without(good(), "jti"), missing("jti")),
        (without(good(), "htm"), missing("htm")),
        (without(good(), "htu"), missing("htu")),
        (without(good(), "iat"), missing("iat")),
        (without(good(), "ath"), missing("ath")),
        (with(good(), "jti", json!("x".repeat(257))), ProofError::Claim { claim: "jti", why: "is too long" }),
        (with(good(), "htm", json!("POST")), ProofError::Method("POST".into())),
        (with(good(), "htm", json!("get")), ProofError::Method("get".into())),
        (with(good(), "htu", json!("https://api.bank.test/")), uri("https://api.bank.test/")),
        (with(good(), "htu", json!("http://api.bank.test/accounts")), uri("http://api.bank.test/accounts")),
        (with(good(), "htu", json!("https://evil.test/accounts")), uri("https://evil.test/accounts")),
        (with(good(), "htu", json!("https://api.bank.test/x/../accounts")), uri("https://api.bank.test/x/../accounts")),
        (with(good(), "iat", json!(now - 61)), ProofError::Old(61)),
        (with(good(), "iat", json!(now + 61)), ProofError::Ahead(61)),
        (with(good(), "iat", json!(u64::MAX)), ProofError::Ahead(u64::MAX - now)),
        (with(good(), "ath", json!(base64::encode_url(&hash::sha256(b"other")))), ProofError::OtherToken),
    ] {
        let refused = check(&proof(&claims)).unwrap_err();
        assert_eq!(refused, wanted);
        assert_eq!(refused.public().code(), "invalid_dpop_proof");
    }
    for claims in [
        good(),
        with(good(), "htu", json!("HTTPS://API.bank.test:443/accounts?a=b#c")),
        with(good(), "htu", json!("https://api.bank.test/%61ccounts")),
        with(good(), "iat", json!(now - 60)),
        with(good(), "iat", json!(now + 60)),
    ] {
        assert_eq!(check(&proof(&claims)).unwrap().thumbprint(), &KEY.public_jwk().thumbprint());
    }
}

#[test]
fn refuses_headers_that_prove_nothing() {
    let typ = sign_with_jwk(&KEY, "JWT", &good()).unwrap();
    assert_eq!(check(&typ).unwrap_err(), ProofError::Typ("JWT".into()));
    let jwk = KEY.public_jwk().to_json();
    let mut private = jwk.clone();
    private.insert("d".into(), json!("AA"));
    for (header, why) in [
        (json!({"alg": "ES256", "typ": "dpop+jwt"}), "no key"),
        (json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}), "a private key"),
        (json!({"alg": "none", "typ": "dpop+jwt", "jwk": jwk}), "not signed"),
        (json!({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": jwk}), "another algorithm than the key's"),
        (json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": FOREIGN.public_jwk().to_json()}), "another kind of key"),
        (
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": TokenKey::generate().unwrap().public_jwk().to_json()}),
            "another key",
        ),
        (json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk, "crit": ["exp"]}), "an extension"),
    ] {
        assert!(check(&forged(&KEY, &header, &good())).is_err(), "believed, though {why}");
    }
    let rsa = RsaKey::generate();
    let by_rsa = |alg: Alg| {
        rsa.sign(alg, json!({"alg": alg.as_str(), "typ": "dpop+jwt", "jwk": rsa.jwk(None).to_json()}), good())
    };
    check(&by_rsa(Alg::Ps256)).unwrap();
    assert_eq!(check(&by_rsa(Alg::Ps512)).unwrap_err(), ProofError::Algorithm(Alg::Ps512));
}

#[test]
fn a_proof_counts_once() {
    let mut replays = ProofReplays::default();
    let shown = proof(&with(good(), "iat", json!(NOW.as_secs() + 60)));
    let mut show = |proof: &str, later_s: u64| {
        check_proof(proof, &request(), &mut replays, Timestamp::from_secs(NOW.as_secs() + later_s)).map(drop)
    };
    show(&shown, 0).unwrap();
    for later_s in [0, 1, 59, 60, 119, 120] {
        assert_eq!(show(&shown, later_s), Err(ProofError::Replayed), "{later_s} s later");
    }
    assert_eq!(show(&shown, 121), Err(ProofError::Old(61)));
    // Another key may use the same `jti`.
    let other = with(good(), "iat", json!(NOW.as_secs() + 60));
    show(&sign_with_jwk(&FOREIGN, "dpop+jwt", &other).unwrap(), 0).unwrap();
    // What was refused was not used up.
    let early = proof(&with(with(good(), "jti", json!("p2")), "iat", json!(NOW.as_secs() + 61)));
    assert_eq!(show(&early, 0), Err(ProofError::Ahead(61)));
    show(&early, 1).unwrap();
    assert_eq!(PROOF_AGE_MAX.as_secs(), 60);
}

#[test]
fn a_nonce_is_asked_for_where_the_server_wants_one() {
    let asked = ProofRequest { nonces: &["n2", "n1"], ..request() };
    let show = |claims: &Value| check_proof(&proof(claims), &asked, &mut ProofReplays::default(), NOW);
    for claims in [good(), with(good(), "nonce", json!("n0")), with(good(), "nonce", json!("N1"))] {
        let refused = show(&claims).unwrap_err();
        assert_eq!((&refused, refused.public()), (&ProofError::Nonce, PublicReason::UseNonce));
        assert_eq!(refused.public().code(), "use_dpop_nonce");
    }
    for nonce in ["n1", "n2"] {
        show(&with(good(), "nonce", json!(nonce))).unwrap();
    }
}

#[test]
fn reads_the_example_of_the_specification() {
    // RFC 9449 section 4.1.
    let proof = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik",
        "VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR",
        "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE",
        "QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj",
        "oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia",
        "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg",
        "4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    );
    let request =
        ProofRequest { method: "POST", uri: "https://server.example.com/token", access_token: None, nonces: &[] };
    let at = Timestamp::from_secs(1_562_262_616);
    let key = check_proof(proof, &request, &mut ProofReplays::default(), at).unwrap();
    assert_eq!(base64::encode_url(key.thumbprint()), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

proptest! {
    #[test]
    fn edits_are_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let proof = proof(&good());
        let mut edited = proof.clone().into_bytes();
        let at = at.index(edited.len());
        edited[at] = byte;
        if let Ok(text) = String::from_utf8(edited) {
            prop_assert!(text == proof || check(&text).is_err());
        }
    }
}
