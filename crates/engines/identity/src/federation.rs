//! Bundle documents: how trust domains tell each other their roots (SPIFFE Trust Domain and Bundle, section 4).
//!
//! A JWK set with roots (`use` is `x509-svid`) and keys of JWT-SVIDs (`jwt-svid`). A document is read whole or refused; keys
//! whose `use` is unknown are passed over, as the specification asks, and so are JWT keys other than P-256, by which no
//! token of theirs is believed.

use crate::bundle::{BundleError, TrustBundles};
use crate::jwt_svid::{JwtError, JwtKeys};
use crate::limits::{BUNDLE_DOCUMENT_BYTES_MAX, BUNDLE_KEYS_MAX};
use crate::svid::check_issuer;
use bartizan_core::TrustDomain;
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_crypto::{base64, cert, jws};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The roots and keys of one trust domain, read and found to be good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Root certificates, DER.
    pub roots: Vec<Vec<u8>>,
    /// Keys of JWT-SVIDs.
    pub jwt_keys: Vec<JwtKey>,
    /// `spiffe_sequence`: grows with every change.
    pub sequence: Option<u64>,
    /// `spiffe_refresh_hint`: how often to look, in seconds.
    pub refresh_hint_s: Option<u64>,
    /// How many keys were passed over.
    pub passed_over: usize,
}

/// Why a text is no bundle document, or one that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Too long.
    #[error("the bundle has {0} bytes, more than {BUNDLE_DOCUMENT_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON, not an object with `keys`, or a field of another type.
    #[error("not a bundle: {0}")]
    Malformed(String),
    /// More keys than anybody needs.
    #[error("the bundle has {0} keys, more than {BUNDLE_KEYS_MAX}")]
    TooMany(usize),
    /// A key lacks what its kind must have.
    #[error("key {at} of the bundle is refused: {why}")]
    Key {
        /// Which one, counted from 1.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No roots: nobody could be recognised by it, the endpoint itself among them.
    #[error("the bundle has no roots")]
    NoRoots,
    /// Its roots do not go together.
    #[error(transparent)]
    Roots(#[from] BundleError),
    /// Its JWT keys do not go together.
    #[error(transparent)]
    JwtKeys(#[from] JwtError),
    /// Older than what is held: somebody plays back an old answer, or the other side lost its count.
    #[error(
        "the bundle has sequence {found}, older than the {held} that is held; where the other side lost its count, remove the domain and add it again"
    )]
    Rollback {
        /// What came.
        found: u64,
        /// What is held.
        held: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe_sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spiffe_refresh_hint: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use", default)]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x5c: Option<Vec<String>>,
}

impl Document {
    /// Reads what the bundle endpoint of `domain` answered.
    ///
    /// # Errors
    /// [`DocumentError`], never [`DocumentError::Rollback`].
    pub fn read(domain: &TrustDomain, json: &[u8]) -> Result<Self, DocumentError> {
        if json.len() > BUNDLE_DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge(json.len()));
        }
        let jwks: Jwks = serde_json::from_slice(json).map_err(|e| DocumentError::Malformed(e.to_string()))?;
        if jwks.keys.len() > BUNDLE_KEYS_MAX {
            return Err(DocumentError::TooMany(jwks.keys.len()));
        }
        let mut read =
            Self { sequence: jwks.spiffe_sequence, refresh_hint_s: jwks.spiffe_refresh_hint, ..Self::default() };
        for (i, key) in jwks.keys.iter().enumerate() {
            let refuse = |why: String| DocumentError::Key { at: i + 1, why };
            match key.usage.as_deref() {
                Some("x509-svid") => read.roots.push(root(domain, key).map_err(refuse)?),
                Some("jwt-svid") => match jwt_key(key).map_err(refuse)? {
                    Some(key) => read.jwt_keys.push(key),
                    None => read.passed_over += 1,
                },
                _ => read.passed_over += 1,
            }
        }
        if read.roots.is_empty() {
            return Err(DocumentError::NoRoots);
        }
        // One document may not be what a snapshot of it could not be.
        TrustBundles::of(domain, read.roots.clone())?;
        let jwt_keys = BTreeMap::from([(domain.clone(), read.jwt_keys.clone())]);
        JwtKeys::read(&Bundles { jwt_keys, ..Bundles::default() })?;
        Ok(read)
    }

    /// Passes `self` on where it may take the place of `held`.
    ///
    /// # Errors
    /// [`DocumentError::Rollback`].
    pub fn after(self, held: &Self) -> Result<Self, DocumentError> {
        match (self.sequence, held.sequence) {
            (Some(found), Some(held)) if found < held => Err(DocumentError::Rollback { found, held }),
            // Who leaves the number out could go on with any older one.
            (None, Some(held)) => Err(DocumentError::Rollback { found: 0, held }),
            _ => Ok(self),
        }
    }

    /// Puts this domain's roots and keys beside the others.
    pub fn add_to(&self, bundles: &mut Bundles, domain: &TrustDomain) {
        let roots = self.roots.iter().map(|der| base64::encode(der)).collect();
        bundles.roots.insert(domain.clone(), roots);
        if !self.jwt_keys.is_empty() {
            bundles.jwt_keys.insert(domain.clone(), self.jwt_keys.clone());
        }
    }
}

/// The document of `domain`, one of those in `bundles`, for its endpoint.
///
/// # Errors
/// [`DocumentError`] where `bundles` is none that [`TrustBundles::read`] accepts.
pub fn write(bundles: &Bundles, domain: &TrustDomain, sequence: u64, refresh_s: u32) -> Result<String, DocumentError> {
    let malformed = |e: bartizan_crypto::CryptoError| DocumentError::Malformed(e.to_string());
    let mut keys = Vec::new();
    for root in bundles.roots.get(domain).into_iter().flatten() {
        let der = base64::decode(root).map_err(malformed)?;
        keys.push(root_jwk(&der, root)?);
    }
    for JwtKey { kid, spki } in bundles.jwt_keys.get(domain).into_iter().flatten() {
        let (x, y) = point(&base64::decode(spki).map_err(malformed)?).map_err(malformed)?;
        keys.push(Jwk { kid: Some(kid.clone()), x: Some(x), y: Some(y), ..jwk("jwt-svid") });
    }
    let jwks = Jwks { keys, spiffe_sequence: Some(sequence), spiffe_refresh_hint: Some(u64::from(refresh_s)) };
    serde_json::to_string_pretty(&jwks).map_err(|e| DocumentError::Malformed(e.to_string()))
}

fn root_jwk(der: &[u8], text: &str) -> Result<Jwk, DocumentError> {
    let root = cert::read(der).map_err(|e| DocumentError::Malformed(e.to_string()))?;
    let (x, y) = point(root.spki()).map_err(|e| DocumentError::Malformed(e.to_string()))?;
    Ok(Jwk { x: Some(x), y: Some(y), x5c: Some(vec![text.to_owned()]), ..jwk("x509-svid") })
}

fn jwk(usage: &str) -> Jwk {
    Jwk { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), usage: Some(usage.to_owned()), ..Jwk::default() }
}

fn point(spki: &[u8]) -> Result<(String, String), bartizan_crypto::CryptoError> {
    let (x, y) = jws::coordinates(spki)?;
    Ok((base64::encode_url(&x), base64::encode_url(&y)))
}

/// The certificate counts, and nothing of what stands beside it: a key that is not the certificate's would be another document.
fn root(domain: &TrustDomain, key: &Jwk) -> Result<Vec<u8>, String> {
    let Some([text]) = key.x5c.as_deref() else {
        return Err("a root has exactly one certificate in `x5c`".to_owned());
    };
    let der = base64::decode(text).map_err(|e| e.to_string())?;
    let root = cert::read(&der).map_err(|e| e.to_string())?;
    check_issuer(&root, domain.as_str())?;
    Ok(der)
}

/// `None` for a key of a kind that is not used here.
fn jwt_key(key: &Jwk) -> Result<Option<JwtKey>, String> {
    let kid = key.kid.clone().ok_or("a key of JWT-SVIDs has a `kid`")?;
    if key.kty != "EC" || key.crv.as_deref() != Some("P-256") {
        return Ok(None);
    }
    let coordinate = |text: &Option<String>| {
        let text = text.as_deref().ok_or("a P-256 key has `x` and `y`")?;
        base64::decode_url(text).map_err(|e| e.to_string())
    };
    let spki = jws::from_coordinates(&coordinate(&key.x)?, &coordinate(&key.y)?).map_err(|e| e.to_string())?;
    Ok(Some(JwtKey { kid, spki: base64::encode(&spki) }))
}
