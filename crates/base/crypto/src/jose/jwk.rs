//! One JSON Web Key (RFC 7517), public alone: which key it is, what it may be used with, and its thumbprint (RFC 7638).

use super::{Alg, VerifyKey, json::Object, verify_key};
use crate::error::CryptoError;
use crate::limits::KID_BYTES_MAX;
use crate::{base64, hash};
use serde_json::Value;

/// Why a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// It is of a kind or for a use that does not concern us, and is passed over in a set (RFC 7517 section 5).
    #[error("passed over: {0}")]
    Unusable(&'static str),
    /// It is broken, or its private half lies open. A set that holds it is refused whole.
    #[error("{0}")]
    Refused(&'static str),
}

/// A public key that can check signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    alg: Option<Alg>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ec { alg: Alg, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// Members that only a private or a secret key has.
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const RSA_ALGS: &[Alg] = &[Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512];

impl Jwk {
    /// Reads what an object says, and checks that the key is one: a point on its curve, a modulus of a fair size.
    ///
    /// # Errors
    /// [`JwkError`].
    pub fn parse(object: &Object) -> Result<Self, JwkError> {
        let kind = text(object, "kty")?.ok_or(JwkError::Refused("`kty` is missing"))?;
        if kind == "oct" {
            return Err(JwkError::Refused("it is a secret, which has no place among public keys"));
        }
        if PRIVATE.iter().any(|name| object.contains_key(*name)) {
            return Err(JwkError::Refused("its private half lies open; whoever published it has to replace it"));
        }
        check_use(object)?;
        let kid = text(object, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(JwkError::Refused("`kid` is empty or too long"));
        }
        let kind = match kind {
            "EC" => Kind::ec(object)?,
            "OKP" => Kind::okp(object)?,
            "RSA" => Kind::rsa(object)?,
            _ => return Err(JwkError::Unusable("`kty` is neither EC, OKP nor RSA")),
        };
        let alg = match text(object, "alg")? {
            None => None,
            // RFC 9864 has a name for what RFC 8037 calls EdDSA on this curve.
            Some("Ed25519") if matches!(kind, Kind::Ed25519 { .. }) => Some(Alg::EdDsa),
            Some(name) => Some(Alg::parse(name).ok_or(JwkError::Unusable("`alg` is no signature that is known"))?),
        };
        if alg.is_some_and(|alg| !kind.algs().contains(&alg)) {
            return Err(JwkError::Refused("`alg` is not for this kind of key"));
        }
        let jwk = Self { kid, alg, kind };
        let first = jwk.algs().first().copied().ok_or(JwkError::Unusable("it has no algorithm"))?;
        jwk.verify_key(first)
            .map_err(|_| JwkError::Refused("it is no point of its curve, or no modulus of a fair size"))?;
        Ok(jwk)
    }

    /// Its name within its issuer's set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that it may be used with: one, but for RSA keys that do not say which.
    pub fn algs(&self) -> &[Alg] {
        self.alg.as_ref().map_or_else(|| self.kind.algs(), std::slice::from_ref)
    }

    /// The key for one of its algorithms.
    ///
    /// # Errors
    /// [`CryptoError::UnsupportedKey`] for another algorithm.
    pub fn verify_key(&self, alg: Alg) -> Result<VerifyKey, CryptoError> {
        if !self.algs().contains(&alg) {
            return Err(CryptoError::UnsupportedKey);
        }
        match &self.kind {
            Kind::Ec { x, y, .. } => VerifyKey::ec(alg, x, y),
            Kind::Ed25519 { x } => VerifyKey::ed25519(x),
            Kind::Rsa { n, e } => VerifyKey::rsa(alg, n, e),
        }
    }

    /// Its thumbprint with SHA-256: the same for the same key, however it was written.
    pub fn thumbprint(&self) -> [u8; 32] {
        hash::sha256(self.kind.canonical().as_bytes())
    }

    /// The key as an object with `kid`, `use` and, where it has but one algorithm, `alg`.
    pub fn to_json(&self) -> Object {
        let canonical = serde_json::from_str(&self.kind.canonical());
        let Ok(Value::Object(mut object)) = canonical else { return Object::new() };
        object.insert("use".to_owned(), "sig".into());
        if let Some(kid) = &self.kid {
            object.insert("kid".to_owned(), kid.as_str().into());
        }
        if let [alg] = self.algs() {
            object.insert("alg".to_owned(), alg.as_str().into());
        }
        object
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_kid(self, kid: String) -> Self {
        Self { kid: Some(kid), ..self }
    }

    /// A key on P-256 by its coordinates, 32 bytes each. Whether they are a point of the curve is seen when it is used.
    pub fn p256(x: &[u8], y: &[u8]) -> Self {
        let kind = Kind::Ec { alg: Alg::Es256, x: x.to_vec(), y: y.to_vec() };
        Self { kid: None, alg: Some(Alg::Es256), kind }
    }

    pub(crate) fn ed25519(x: &[u8]) -> Self {
        Self { kid: None, alg: Some(Alg::EdDsa), kind: Kind::Ed25519 { x: x.to_vec() } }
    }
}

impl Kind {
    fn ec(object: &Object) -> Result<Self, JwkError> {
        let alg = match text(object, "crv")?.ok_or(JwkError::Refused("`crv` is missing"))? {
            "P-256" => Alg::Es256,
            "P-384" => Alg::Es384,
            "P-521" => Alg::Es512,
            _ => return Err(JwkError::Unusable("`crv` is none of P-256, P-384, P-521")),
        };
        Ok(Self::Ec { alg, x: bytes(object, "x")?, y: bytes(object, "y")? })
    }

    fn okp(object: &Object) -> Result<Self, JwkError> {
        match text(object, "crv")?.ok_or(JwkError::Refused("`crv` is missing"))? {
            "Ed25519" => Ok(Self::Ed25519 { x: bytes(object, "x")? }),
            _ => Err(JwkError::Unusable("`crv` is not Ed25519")),
        }
    }

    fn rsa(object: &Object) -> Result<Self, JwkError> {
        let (n, e) = (bytes(object, "n")?, bytes(object, "e")?);
        let fair = verify_key::check_rsa(&n, &e);
        fair.map_err(|_| {
            JwkError::Refused("its modulus is not of 2048 to 4096 bits or can be factored, or its exponent is none")
        })?;
        Ok(Self::Rsa { n, e })
    }

    fn algs(&self) -> &[Alg] {
        match self {
            Self::Ec { alg, .. } => std::slice::from_ref(alg),
            Self::Ed25519 { .. } => &[Alg::EdDsa],
            Self::Rsa { .. } => RSA_ALGS,
        }
    }

    /// The required members alone, in the order of their names, without space (RFC 7638 section 3).
    fn canonical(&self) -> String {
        match self {
            Self::Ec { alg, x, y } => {
                let curve = match alg {
                    Alg::Es384 => "P-384",
                    Alg::Es512 => "P-521",
                    _ => "P-256",
                };
                let (x, y) = (base64::encode_url(x), base64::encode_url(y));
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64::encode_url(x)),
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64::encode_url(e), base64::encode_url(n))
            }
        }
    }
}

/// Keys that are for something else than checking signatures.
fn check_use(object: &Object) -> Result<(), JwkError> {
    match text(object, "use")? {
        None | Some("sig") => {}
        Some(_) => return Err(JwkError::Unusable("`use` is not `sig`")),
    }
    match object.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(all)) if all.iter().any(|one| one == "verify") => Ok(()),
        Some(_) => Err(JwkError::Unusable("`key_ops` has no `verify`")),
    }
}

fn text<'a>(object: &'a Object, name: &'static str) -> Result<Option<&'a str>, JwkError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkError::Refused("a member that has to be text is none")),
    }
}

fn bytes(object: &Object, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = text(object, name)?.ok_or(JwkError::Refused("a part of the key is missing"))?;
    base64::decode_url(text).map_err(|_| JwkError::Refused("a part of the key is not base64url"))
}
