//! ID tokens (OpenID Connect Core section 2): who signed in, said to the app that asked, and to nobody else.
//!
//! They are of another kind than access tokens and signed by another key, so that neither is ever taken for the other.

use crate::access::{check_dates, signed_by};
use crate::claims::{audiences, needed_text, text};
use crate::error::{TokenError, foreign};
use crate::issuer::Issuers;
use crate::limits::{ID_LIFE_MAX, ID_TTL};
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{Alg, EmbeddedKey, Unverified};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64, hash, jose};
use serde_json::{Value, json};

/// The `typ` of an ID token.
pub const TYP: &str = "JWT";

/// What an ID token is to say.
#[derive(Clone, Debug)]
pub struct IdToken<'a> {
    /// Who signed in.
    pub subject: &'a str,
    /// The app that is told.
    pub client_id: &'a str,
    /// What the app sent along, so that it knows its own question; none where it asks again later.
    pub nonce: Option<&'a str>,
    /// The access token that goes out with it.
    pub access_token: Option<&'a str>,
    /// Further claims, such as `auth_time`, `acr`, `amr`, `sid`; those named above cannot be set here.
    pub more: Object,
}

/// Makes an ID token. The key is named by its thumbprint.
///
/// # Errors
/// [`CryptoError`] where signing fails or the token would be too long to be read.
pub fn id_token(key: &TokenKey, issuer: &str, said: &IdToken<'_>, now: Timestamp) -> Result<String, CryptoError> {
    let mut claims = said.more.clone();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("iss", json!(issuer));
    set("sub", json!(said.subject));
    set("aud", json!(said.client_id));
    set("iat", json!(now.as_secs()));
    set("exp", json!(now.plus(ID_TTL).as_secs()));
    if let Some(nonce) = said.nonce {
        set("nonce", json!(nonce));
    }
    if let Some(token) = said.access_token {
        set("at_hash", json!(at_hash(token)));
    }
    let jwk = key.public_jwk();
    jose::sign(key, TYP, jwk.kid().unwrap_or_default(), &claims)
}

/// What somebody who sent a browser to a provider expects of the ID token that comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider that the browser was sent to.
    pub issuer: &'a str,
    /// Our name there.
    pub client_id: &'a str,
    /// What went along with the question; `None` where tokens were renewed, which nobody was asked about.
    pub nonce: Option<&'a str>,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
}

/// An ID token that was found good. [`verify_id`] is the only constructor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedId {
    /// Who says so.
    pub issuer: String,
    /// Who signed in.
    pub subject: String,
    /// The client that was told.
    pub client_id: String,
    /// The session at the provider.
    pub session: Option<String>,
    /// When it was said.
    pub issued: Timestamp,
    /// All of its claims.
    pub claims: Object,
}

/// Checks an ID token that came of a code (OpenID Connect Core section 3.1.3.7): form, algorithm, key, signature, issuer, audience and
/// authorized party, dates, nonce, and the hash of the access token.
///
/// # Errors
/// [`TokenError`].
pub fn verify_id(
    issuers: &Issuers,
    shown: &str,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<VerifiedId, TokenError> {
    let unverified = Unverified::parse(shown, EmbeddedKey::Refused)?;
    let claims = unverified.unverified_claims()?;
    let (issuer, _) = signed_by(issuers, &unverified, &claims)?;
    let header = unverified.header();
    // Providers leave it out; what says that it is something else is something else, an access token of theirs first of all.
    if header.typ.is_some() && !header.is_typ(TYP) {
        return Err(TokenError::Typ { found: foreign(header.typ.as_deref().unwrap_or_default()), wanted: TYP });
    }
    let name = &issuer.pins().issuer;
    // Of several known providers, the one that was asked (RFC 9700 section 4.4: mix-up).
    if name != expected.issuer {
        return Err(TokenError::UnknownIssuer(name.clone()));
    }
    check_party(&claims, expected.client_id)?;
    let (issued, _) = check_dates(&claims, name, ID_LIFE_MAX.as_secs(), now)?;
    match (expected.nonce, text(&claims, "nonce")?) {
        (Some(wanted), Some(found)) if hash::equal(wanted.as_bytes(), found.as_bytes()) => {}
        (Some(_), None) => return Err(TokenError::Claim { claim: "nonce", why: "is missing" }),
        (Some(_), Some(_)) => return Err(TokenError::Claim { claim: "nonce", why: "is that of another log-in" }),
        (None, _) => {}
    }
    if let (Some(token), Some(found)) = (expected.access_token, text(&claims, "at_hash")?) {
        let wanted =
            half_hash(header.alg, token).ok_or(TokenError::Claim { claim: "at_hash", why: "cannot be checked" })?;
        if !hash::equal(wanted.as_bytes(), found.as_bytes()) {
            return Err(TokenError::Claim { claim: "at_hash", why: "is that of another access token" });
        }
    }
    Ok(VerifiedId {
        issuer: name.clone(),
        subject: needed_text(&claims, "sub")?.to_owned(),
        client_id: expected.client_id.to_owned(),
        session: text(&claims, "sid")?.map(str::to_owned),
        issued,
        claims,
    })
}

/// That it is for us, and that we are who asked for it where it is for others too.
pub(crate) fn check_party(claims: &Object, client_id: &str) -> Result<(), TokenError> {
    let found = audiences(claims)?;
    if client_id.is_empty() || !found.iter().any(|one| one == client_id) {
        return Err(TokenError::Audience { found, wanted: client_id.to_owned() });
    }
    match text(claims, "azp")? {
        Some(party) if party != client_id => Err(TokenError::Claim { claim: "azp", why: "is another client" }),
        None if found.len() > 1 => {
            Err(TokenError::Claim { claim: "azp", why: "is missing, and there are several audiences" })
        }
        _ => Ok(()),
    }
}

/// The left half of a token's hash, by the hash of the algorithm that the ID token is signed with. SHA-384 is not had here.
fn half_hash(alg: Alg, token: &str) -> Option<String> {
    let name = alg.as_str();
    if name.ends_with("256") {
        Some(at_hash(token))
    } else if name.ends_with("512") || name == "EdDSA" {
        Some(base64::encode_url(&hash::sha512(token.as_bytes())[..32]))
    } else {
        None
    }
}

/// The left half of the access token's hash (OpenID Connect Core section 3.1.3.6), for ES256.
fn at_hash(token: &str) -> String {
    base64::encode_url(&hash::sha256(token.as_bytes())[..16])
}

/// What an ID token says that an app shows in order to say whom it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Who signed in.
    pub subject: String,
    /// The app that was told.
    pub client_id: String,
    /// By which session.
    pub session: Option<String>,
}

/// Reads an ID token that was made here, of whatever age: an app shows the one that it has, at sign-out too.
///
/// # Errors
/// [`TokenError`], as far as form, kind, issuer, key and signature go.
pub fn read_hint(issuers: &Issuers, shown: &str) -> Result<Hint, TokenError> {
    let unverified = Unverified::parse(shown, EmbeddedKey::Refused)?;
    let claims = unverified.unverified_claims()?;
    signed_by(issuers, &unverified, &claims)?;
    if !unverified.header().is_typ(TYP) {
        let found = foreign(unverified.header().typ.as_deref().unwrap_or_default());
        return Err(TokenError::Typ { found, wanted: TYP });
    }
    Ok(Hint {
        subject: needed_text(&claims, "sub")?.to_owned(),
        client_id: needed_text(&claims, "aud")?.to_owned(),
        session: text(&claims, "sid")?.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{Issuer, Pins};
    use bartizan_crypto::jose::JwkSet;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    fn issuers(key: &TokenKey, other: &TokenKey) -> Issuers {
        let one = |name: &str, key: &TokenKey| {
            let pins = Pins { issuer: name.to_owned(), algs: vec![Alg::Es256], bound: false };
            Issuer::new(pins, &JwkSet { keys: vec![key.public_jwk()], passed_over: Vec::new() }).unwrap()
        };
        Issuers::new(1, vec![one("https://login.test", key), one("https://other.test", other)]).unwrap()
    }

    fn said<'a>(more: Value) -> IdToken<'a> {
        let more = more.as_object().unwrap().clone();
        IdToken { subject: "ana", client_id: "gateway", nonce: Some("n-1"), access_token: Some("access"), more }
    }

    #[test]
    fn an_id_token_counts_for_whom_and_for_the_question_that_it_answers_and_no_other() {
        let (key, other) = (TokenKey::generate().unwrap(), TokenKey::generate().unwrap());
        let issuers = issuers(&key, &other);
        let expected = Expected {
            issuer: "https://login.test",
            client_id: "gateway",
            nonce: Some("n-1"),
            access_token: Some("access"),
        };
        let good = id_token(&key, "https://login.test", &said(json!({ "sid": "s-1" })), at(0)).unwrap();
        let id = verify_id(&issuers, &good, &expected, at(10)).unwrap();
        assert_eq!((id.subject.as_str(), id.session.as_deref(), id.issued), ("ana", Some("s-1"), at(0)));
        for (wrong, why) in [
            (Expected { nonce: Some("n-2"), ..expected }, "another question"),
            (Expected { client_id: "shop", ..expected }, "another client"),
            (Expected { client_id: "", ..expected }, "no client"),
            (Expected { access_token: Some("other"), ..expected }, "another access token"),
            (Expected { issuer: "https://other.test", ..expected }, "mix-up"),
        ] {
            assert!(verify_id(&issuers, &good, &wrong, at(10)).is_err(), "{why}");
        }
        assert!(verify_id(&issuers, &good, &expected, at(3600)).is_err(), "it ran out");
        assert!(verify_id(&issuers, &good[..good.len() - 2], &expected, at(10)).is_err(), "cut short");
        let mixed = id_token(&other, "https://other.test", &said(json!({})), at(0)).unwrap();
        assert!(verify_id(&issuers, &mixed, &expected, at(10)).is_err(), "a provider that was not asked");
        let forged = id_token(&other, "https://login.test", &said(json!({})), at(0)).unwrap();
        assert!(verify_id(&issuers, &forged, &expected, at(10)).is_err(), "another's key");
        let silent = IdToken { nonce: None, ..said(json!({})) };
        let silent = id_token(&key, "https://login.test", &silent, at(0)).unwrap();
        assert!(verify_id(&issuers, &silent, &expected, at(10)).is_err(), "no nonce");
        verify_id(&issuers, &silent, &Expected { nonce: None, ..expected }, at(10)).unwrap();
        let kid = key.public_jwk().kid().unwrap_or_default().to_owned();
        let sign = |typ: &str, change: Value| {
            let mut claims = json!({ "iss": "https://login.test", "sub": "ana", "aud": "gateway", "nonce": "n-1", "iat": at(0).as_secs(), "exp": at(60).as_secs() });
            for (name, value) in change.as_object().unwrap() {
                claims[name] = value.clone();
            }
            jose::sign(&key, typ, &kid, &claims).unwrap()
        };
        verify_id(&issuers, &sign("JWT", json!({})), &expected, at(10)).unwrap();
        for (typ, change) in [
            ("at+jwt", json!({})),
            ("logout+jwt", json!({})),
            ("JWT", json!({ "azp": "shop" })),
            ("JWT", json!({ "aud": ["gateway", "shop"] })),
            ("JWT", json!({ "aud": ["shop"], "azp": "gateway" })),
            ("JWT", json!({ "sub": "" })),
            ("JWT", json!({ "exp": at(9_999_999).as_secs() })),
            ("JWT", json!({ "iat": at(600).as_secs(), "exp": at(700).as_secs() })),
            ("JWT", json!({ "nonce": ["n-1"] })),
        ] {
            assert!(verify_id(&issuers, &sign(typ, change.clone()), &expected, at(10)).is_err(), "{typ} {change}");
        }
        verify_id(&issuers, &sign("JWT", json!({ "aud": ["gateway", "shop"], "azp": "gateway" })), &expected, at(10))
            .unwrap();
    }
}
