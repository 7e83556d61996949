//! ID tokens (OpenID Connect Core section 2): who signed in, said to the app that asked, and to nobody else.
//!
//! They are of another kind than access tokens and signed by another key, so that neither is ever taken for the other.

use crate::access::signed_by;
use crate::claims::{needed_text, text};
use crate::error::{TokenError, foreign};
use crate::issuer::Issuers;
use crate::limits::ID_TTL;
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{EmbeddedKey, Unverified};
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
