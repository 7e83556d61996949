//! JWT-SVIDs: tokens that name a workload to an audience for some minutes (SPIFFE JWT-SVID specification).
//!
//! ES256 and nothing else. A token is looked at in this order: size and form, header, whose it says it is, the key of that
//! trust domain, signature, dates, audience. Form and header are read as those of every token are: `bartizan_crypto::jose`.

use crate::limits::{DOMAINS_MAX, JWT_KEYS_MAX, KID_BYTES_MAX};
use bartizan_core::limits::{AUDIENCE_BYTES_MAX, AUDIENCES_MAX, CLOCK_SKEW, JWT_TTL};
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jose::{self, Alg, EmbeddedKey, JoseError, Unverified, VerifyKey};
use bartizan_crypto::jws::{self, TokenKey};
use bartizan_crypto::{CryptoError, base64, hash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a token is not believed, or not made. Only [`JwtError::Expired`] and [`JwtError::NotYet`] change with time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of strict base64url with JSON in them, too long, or a field is missing, doubled or of another type.
    #[error("not a readable token: {0}")]
    Malformed(String),
    /// Signed in another way, or not at all.
    #[error("the token's algorithm is not ES256")]
    Algorithm,
    /// Its subject is of a trust domain whose keys we do not have.
    #[error("the keys of trust domain `{0}` are not known")]
    UnknownDomain(String),
    /// Its subject is one that its trust domain may not have here.
    #[error("`{0}` is not among the paths that its trust domain may have here")]
    Path(SpiffeId),
    /// No key of its trust domain has its `kid`.
    #[error("the token names a key that its trust domain does not have")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    Signature,
    /// It has run out.
    #[error("the token has run out")]
    Expired,
    /// It counts later.
    #[error("the token does not count yet")]
    NotYet,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// No audience, too many, or one that is empty or too long.
    #[error("1 to {AUDIENCES_MAX} audiences of 1 to {AUDIENCE_BYTES_MAX} bytes each are possible")]
    Audiences,
    /// A bundle's key cannot be used; the bundle is refused whole.
    #[error("a JWT key of trust domain `{domain}` is refused: {why}")]
    Key {
        /// Whose key.
        domain: String,
        /// What is wrong.
        why: String,
    },
    /// Signing failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// The `kid` of a public key: enough of its hash that two never meet.
pub fn kid(spki: &[u8]) -> String {
    hash::hex(&hash::sha256(spki)[..16])
}

/// The claims that are looked at.
#[derive(Deserialize)]
struct Claims {
    sub: SpiffeId,
    aud: Audience,
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(all) => all.iter().any(|one| one == wanted),
        }
    }
}

#[derive(Serialize)]
struct Made<'a> {
    sub: &'a SpiffeId,
    aud: &'a [String],
    exp: u64,
    iat: u64,
}

/// Makes a token for `id`, good for `JWT_TTL` from `now`. Whether the caller may have it was decided before.
///
/// # Errors
/// [`JwtError::Audiences`], [`JwtError::Crypto`].
pub fn sign(key: &TokenKey, id: &SpiffeId, audiences: &[String], now: Timestamp) -> Result<String, JwtError> {
    sign_for(key, id, audiences, JWT_TTL, now)
}

/// As [`sign`], good for `life` from `now`.
///
/// # Errors
/// As [`sign`].
pub fn sign_for(
    key: &TokenKey,
    id: &SpiffeId,
    audiences: &[String],
    life: Duration,
    now: Timestamp,
) -> Result<String, JwtError> {
    check_audiences(audiences)?;
    let (iat, exp) = (now.as_secs(), now.plus(life).as_secs());
    let claims = Made { sub: id, aud: audiences, exp, iat };
    Ok(jose::sign(key, "JWT", &kid(key.public_spki()), &claims)?)
}

/// Checks what somebody wants to have in `aud`.
///
/// # Errors
/// [`JwtError::Audiences`].
pub fn check_audiences(audiences: &[String]) -> Result<(), JwtError> {
    let count = (1..=AUDIENCES_MAX).contains(&audiences.len());
    let each = audiences.iter().all(|one| (1..=AUDIENCE_BYTES_MAX).contains(&one.len()));
    if count && each { Ok(()) } else { Err(JwtError::Audiences) }
}

/// A token that was found good for an audience. [`JwtKeys::validate`] is the only constructor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ValidToken {
    /// Whose it is.
    pub id: SpiffeId,
    /// All of its claims.
    pub claims: serde_json::Map<String, serde_json::Value>,
}

/// Keys by trust domain, each read and found to be P-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtKeys {
    domains: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// The paths that subjects of a domain may have; any where it is not named here.
    paths: BTreeMap<String, Vec<PathPattern>>,
}

impl JwtKeys {
    /// Reads the payload of a snapshot.
    ///
    /// # Errors
    /// [`JwtError::Key`]; one bad key refuses them all.
    pub fn read(bundles: &Bundles) -> Result<Self, JwtError> {
        let refuse =
            |domain: &TrustDomain, why: &str| JwtError::Key { domain: domain.to_string(), why: why.to_owned() };
        let paths = bundles.paths.iter().map(|(domain, paths)| (domain.to_string(), paths.clone())).collect();
        let mut read = Self { domains: BTreeMap::new(), paths };
        for (domain, keys) in &bundles.jwt_keys {
            if keys.len() > JWT_KEYS_MAX || bundles.jwt_keys.len() > DOMAINS_MAX {
                return Err(refuse(domain, "there are too many"));
            }
            let mut by_kid = BTreeMap::new();
            for JwtKey { kid, spki } in keys {
                if kid.is_empty() || kid.len() > KID_BYTES_MAX {
                    return Err(refuse(domain, "its `kid` is empty or too long"));
                }
                let spki = base64::decode(spki).map_err(|e| refuse(domain, &e.to_string()))?;
                jws::coordinates(&spki).map_err(|e| refuse(domain, &e.to_string()))?;
                if by_kid.insert(kid.clone(), spki).is_some() {
                    return Err(refuse(domain, "its `kid` is there twice"));
                }
            }
            read.domains.insert(domain.to_string(), by_kid);
        }
        Ok(read)
    }

    /// The trust domains whose keys are known.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }

    /// The keys of a domain as a JWK set (RFC 7517), for the Workload API; empty where the domain is not known.
    pub fn jwks(&self, domain: &str) -> Vec<u8> {
        let keys = self.domains.get(domain).into_iter().flatten().filter_map(|(kid, spki)| {
            let (x, y) = jws::coordinates(spki).ok()?;
            Some(serde_json::json!({
                "kty": "EC", "crv": "P-256", "use": "jwt-svid", "kid": kid,
                "x": base64::encode_url(&x), "y": base64::encode_url(&y),
            }))
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() }).to_string().into_bytes()
    }

    /// Checks a token that was shown to `audience`.
    ///
    /// # Errors
    /// [`JwtError`].
    pub fn validate(&self, token: &str, audience: &str, now: Timestamp) -> Result<ValidToken, JwtError> {
        let unverified = Unverified::parse(token, EmbeddedKey::Refused).map_err(unread)?;
        let header = unverified.header();
        if header.alg != Alg::Es256 {
            return Err(JwtError::Algorithm);
        }
        if header.typ.as_deref().is_some_and(|typ| typ != "JWT" && typ != "JOSE") {
            return Err(JwtError::Malformed("its header asks for what we do not know".to_owned()));
        }
        let kid = header.kid.as_deref();
        let kid = kid.ok_or_else(|| JwtError::Malformed("its header names no key".to_owned()))?;
        let all = unverified.unverified_claims().map_err(unread)?;
        let claims = Claims::deserialize(&serde_json::Value::Object(all.clone())).map_err(malformed)?;
        let domain = claims.sub.domain();
        let keys = self.domains.get(domain).ok_or_else(|| JwtError::UnknownDomain(domain.to_owned()))?;
        let key = VerifyKey::p256(keys.get(kid).ok_or(JwtError::UnknownKey)?)?;
        unverified.verify(&key).map_err(unread)?;
        if claims.sub.path().is_empty() {
            return Err(JwtError::Malformed("its subject is a trust domain".to_owned()));
        }
        let paths = self.paths.get(domain);
        if paths.is_some_and(|paths| !paths.iter().any(|path| path.matches(claims.sub.path()))) {
            return Err(JwtError::Path(claims.sub));
        }
        if now.as_secs() >= claims.exp {
            return Err(JwtError::Expired);
        }
        let latest = now.plus(CLOCK_SKEW).as_secs();
        if claims.nbf.is_some_and(|nbf| nbf > latest) || claims.iat.is_some_and(|iat| iat > latest) {
            return Err(JwtError::NotYet);
        }
        if audience.is_empty() || !claims.aud.has(audience) {
            return Err(JwtError::Audience);
        }
        Ok(ValidToken { id: claims.sub, claims: all })
    }
}

/// Why a text was not read or its signature not believed, in the words of this file.
fn unread(error: JoseError) -> JwtError {
    match error {
        JoseError::Unsigned | JoseError::UnknownAlg(_) | JoseError::OtherAlg { .. } => JwtError::Algorithm,
        JoseError::Signature => JwtError::Signature,
        other => JwtError::Malformed(other.to_string()),
    }
}

fn malformed(error: serde_json::Error) -> JwtError {
    JwtError::Malformed(error.to_string())
}
