//! The header of a signed token: which members count, and which refuse it.

use super::{Alg, JoseError, Jwk, json};
use crate::limits::KID_BYTES_MAX;
use serde_json::Value;

/// Whether a token may bring a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddedKey {
    /// It may not: whoever signs would choose what it is checked with.
    Refused,
    /// It has to bring `jwk`, and nothing else of the kind: a proof that somebody holds that key, whoever it is (RFC 9449).
    Required,
}

/// What a header says, as far as it counts here. Other members are ignored, as RFC 7515 section 4 wants it.
#[derive(Clone, Debug)]
pub struct Header {
    /// The algorithm; it can only refuse a token, since keys have one of their own.
    pub alg: Alg,
    /// What kind of token it is, as it is written.
    pub typ: Option<String>,
    /// Which of the issuer's keys.
    pub kid: Option<String>,
    /// The key that it brings; there exactly where it was [`EmbeddedKey::Required`].
    pub jwk: Option<Jwk>,
}

/// Extensions that change what is signed; without `crit` they would have to be ignored, and are refused instead.
const EXTENSIONS: &[&str] = &["crit", "b64", "zip", "enc"];
/// Ways to bring a key, or to say where it lies, besides `jwk`.
const KEYS: &[&str] = &["jku", "x5u", "x5c"];

impl Header {
    pub(super) fn parse(bytes: &[u8], embedded: EmbeddedKey) -> Result<Self, JoseError> {
        let mut object = json::object(bytes).map_err(|why| JoseError::Json { part: "header", why })?;
        let alg = match object.get("alg") {
            Some(Value::String(text)) => match Alg::parse(text) {
                Some(alg) => alg,
                None if text.eq_ignore_ascii_case("none") => return Err(JoseError::Unsigned),
                None => return Err(JoseError::UnknownAlg(text.chars().take(32).collect())),
            },
            Some(_) => return Err(JoseError::Member { member: "alg", why: "is no text" }),
            None => return Err(JoseError::Member { member: "alg", why: "is missing" }),
        };
        if let Some(name) = EXTENSIONS.iter().find(|name| object.contains_key(**name)) {
            return Err(JoseError::Extension(name));
        }
        if let Some(name) = KEYS.iter().find(|name| object.contains_key(**name)) {
            return Err(JoseError::EmbeddedKey(name));
        }
        let jwk = match (object.remove("jwk"), embedded) {
            (None, EmbeddedKey::Refused) => None,
            (Some(_), EmbeddedKey::Refused) => return Err(JoseError::EmbeddedKey("jwk")),
            (None, EmbeddedKey::Required) => return Err(JoseError::Member { member: "jwk", why: "is missing" }),
            (Some(Value::Object(jwk)), EmbeddedKey::Required) => {
                let jwk = Jwk::parse(&jwk);
                Some(jwk.map_err(|_| JoseError::Member { member: "jwk", why: "is no public key that is known" })?)
            }
            (Some(_), EmbeddedKey::Required) => return Err(JoseError::Member { member: "jwk", why: "is no object" }),
        };
        let typ = text(&mut object, "typ")?;
        let kid = text(&mut object, "kid")?;
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(JoseError::Member { member: "kid", why: "is empty or too long" });
        }
        Ok(Self { alg, typ, kid, jwk })
    }

    /// Whether it is of that type. The comparison is that of media types: case does not count, `application/` may be there
    /// (RFC 7515 section 4.1.9).
    pub fn is_typ(&self, wanted: &str) -> bool {
        let Some(typ) = self.typ.as_deref() else { return false };
        let prefix = "application/".len();
        let short = match typ.get(..prefix) {
            Some(start) if start.eq_ignore_ascii_case("application/") => &typ[prefix..],
            _ => typ,
        };
        short.eq_ignore_ascii_case(wanted)
    }
}

fn text(object: &mut json::Object, member: &'static str) -> Result<Option<String>, JoseError> {
    match object.remove(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JoseError::Member { member, why: "is no text" }),
    }
}
