//! Which tokens are refused, and why: wrong in every part, old, stolen, revoked.
#![allow(clippy::unwrap_used, missing_docs)]

mod access; // access tokens
mod cache; // tokens that were seen before
mod dpop; // proofs of possession
mod exchange; // on somebody's behalf
mod grants; // codes, refresh tokens, devices, workloads
mod id_tokens; // who signed in
mod signed;
mod txn; // transaction tokens and their narrowings

use bartizan_core::Timestamp;
use bartizan_crypto::base64;
use bartizan_crypto::jose::{Alg, JwkSet};
use bartizan_crypto::jws::TokenKey;
use bartizan_tokens::{Issuer, Issuers, Pins, Presented};
use serde_json::{Value, json};
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const ISSUER: &str = "https://id.bank.test";

static KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate().unwrap());
static FOREIGN: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate_ed25519().unwrap());

fn kid(key: &TokenKey) -> String {
    key.public_jwk().kid().unwrap().to_owned()
}

fn issuer(name: &str, key: &TokenKey, algs: &[Alg], bound: bool) -> Issuer {
    let published = JwkSet { keys: vec![key.public_jwk()], passed_over: vec![] };
    Issuer::new(Pins { issuer: name.to_owned(), algs: algs.to_vec(), bound }, &published).unwrap()
}

/// Ours with ES256, another one with EdDSA, and one whose tokens have to be bound.
fn issuers(version: u64) -> Issuers {
    let all = vec![
        issuer(ISSUER, &KEY, &[Alg::Es256], false),
        issuer("https://other.test", &FOREIGN, &[Alg::EdDsa], false),
        issuer("https://bound.test", &KEY, &[Alg::Es256], true),
    ];
    Issuers::new(version, all).unwrap()
}

fn shown(token: &str) -> Presented<'_> {
    Presented { token, certificate: None, proof_key: None }
}

/// Any header and claims, signed by `key`.
fn forged(key: &TokenKey, header: &Value, claims: &Value) -> String {
    let part = |json: &Value| base64::encode_url(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = base64::encode_url(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": kid(&KEY), "typ": "at+jwt"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": "accounts", "client_id": "app", "jti": "t1",
        "iat": NOW.as_secs(), "exp": NOW.as_secs() + 300, "scope": "read write",
    })
}

fn with(mut value: Value, key: &str, to: Value) -> Value {
    value[key] = to;
    value
}

fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().unwrap().remove(key).unwrap();
    value
}
