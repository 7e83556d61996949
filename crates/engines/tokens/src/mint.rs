//! Makes access tokens (RFC 9068). Whether somebody may have one was decided before.

use crate::access::{FAMILY, TYP};
use crate::binding::Binding;
use crate::limits::ACCESS_TTL;
use crate::scopes::Scopes;
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64, jose};
use serde_json::{Value, json};
use std::time::Duration;

/// What a token is to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Whom it speaks for.
    pub subject: String,
    /// The client that gets it.
    pub client_id: String,
    /// Whom it is for; at least one.
    pub audiences: Vec<String>,
    /// What it allows.
    pub scopes: Scopes,
    /// What it is bound to.
    pub binding: Binding,
    /// The family that it belongs to.
    pub family: Option<String>,
    /// Its life; [`ACCESS_TTL`] where nothing asks for less.
    pub ttl: Duration,
    /// Further claims, such as `act`; those named above cannot be set here.
    pub more: Object,
}

impl Access {
    /// A token for `subject`, for the usual time, that allows nothing and is bound to nothing.
    pub fn new(subject: &str, client_id: &str, audience: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            client_id: client_id.to_owned(),
            audiences: vec![audience.to_owned()],
            scopes: Scopes::default(),
            binding: Binding::default(),
            family: None,
            ttl: ACCESS_TTL,
            more: Object::new(),
        }
    }
}

/// Makes a token; `random` becomes its name. The key is named by its thumbprint.
///
/// # Errors
/// [`CryptoError`] where signing fails or the token would be too long to be read.
pub fn access(
    key: &TokenKey,
    issuer: &str,
    access: &Access,
    random: [u8; 16],
    now: Timestamp,
) -> Result<String, CryptoError> {
    let mut claims = access.more.clone();
    let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    set("iss", json!(issuer));
    set("sub", json!(access.subject));
    set("client_id", json!(access.client_id));
    match access.audiences.as_slice() {
        [one] => set("aud", json!(one)),
        several => set("aud", json!(several)),
    };
    set("iat", json!(now.as_secs()));
    set("exp", json!(now.plus(access.ttl).as_secs()));
    set("jti", json!(base64::encode_url(&random)));
    if !access.scopes.is_empty() {
        set("scope", json!(access.scopes.to_string()));
    }
    if let Some(cnf) = access.binding.to_json() {
        set("cnf", cnf);
    }
    if let Some(family) = &access.family {
        set(FAMILY, json!(family));
    }
    let jwk = key.public_jwk();
    jose::sign(key, TYP, jwk.kid().unwrap_or_default(), &claims)
}
