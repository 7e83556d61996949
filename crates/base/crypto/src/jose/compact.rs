//! The compact form (RFC 7515 section 3.1): three parts of base64url, of which the first two are signed as they are written.

use super::header::{EmbeddedKey, Header};
use super::json::{self, Object};
use super::{JoseError, VerifyKey};
use crate::base64;
use crate::error::CryptoError;
use crate::jws::TokenKey;
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_HEADER_BYTES_MAX};
use serde::Serialize;

/// A token that was read and not yet believed. Its payload comes out through [`Unverified::verify`].
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Reads a token. Sizes come first, then form and base64url, then the header; what two readers could read differently is
    /// refused.
    ///
    /// # Errors
    /// [`JoseError`], all but [`JoseError::OtherAlg`] and [`JoseError::Signature`].
    pub fn parse(token: &'a str, embedded: EmbeddedKey) -> Result<Self, JoseError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JoseError::TooLarge { what: "token", bytes: token.len(), max: TOKEN_BYTES_MAX });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JoseError::Form)?;
        if payload.contains('.') {
            return Err(JoseError::Form);
        }
        let (header, payload) = (decode("header", header)?, decode("payload", payload)?);
        let signature = decode("signature", signature)?;
        if header.len() > TOKEN_HEADER_BYTES_MAX {
            return Err(JoseError::TooLarge { what: "header", bytes: header.len(), max: TOKEN_HEADER_BYTES_MAX });
        }
        let header = Header::parse(&header, embedded)?;
        Ok(Self { signed, header, payload, signature })
    }

    /// What its header says; nothing of it is true yet.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its claims before anybody has checked the signature: to find out whose key to take, and for nothing else.
    ///
    /// # Errors
    /// [`JoseError::Json`].
    pub fn unverified_claims(&self) -> Result<Object, JoseError> {
        json::object(&self.payload).map_err(|why| JoseError::Json { part: "claims", why })
    }

    /// The payload, if `key` signed it.
    ///
    /// # Errors
    /// [`JoseError::OtherAlg`], [`JoseError::Signature`].
    pub fn verify(&self, key: &VerifyKey) -> Result<&[u8], JoseError> {
        if key.alg() != self.header.alg {
            return Err(JoseError::OtherAlg { token: self.header.alg, key: key.alg() });
        }
        key.verify(self.signed.as_bytes(), &self.signature)?;
        Ok(&self.payload)
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, JoseError> {
    base64::decode_url(text).map_err(|e| match e {
        CryptoError::Malformed { why, .. } => JoseError::Base64 { part, why },
        other => JoseError::Base64 { part, why: other.to_string() },
    })
}

/// Makes a token: `typ` says what kind it is, `kid` which of the issuer's keys signed it.
///
/// # Errors
/// [`CryptoError::Library`] where signing fails, [`CryptoError::Malformed`] where the claims are no JSON,
/// [`CryptoError::TooLarge`] where nobody would read it.
pub fn sign(key: &TokenKey, typ: &str, kid: &str, claims: &impl Serialize) -> Result<String, CryptoError> {
    sign_header(key, &serde_json::json!({ "alg": key.alg().as_str(), "typ": typ, "kid": kid }), claims)
}

/// Makes a proof of possession: the public key comes along instead of its name.
///
/// # Errors
/// As [`sign`].
pub fn sign_with_jwk(key: &TokenKey, typ: &str, claims: &impl Serialize) -> Result<String, CryptoError> {
    let mut jwk = key.public_jwk().to_json();
    jwk.retain(|name, _| matches!(name.as_str(), "kty" | "crv" | "x" | "y"));
    sign_header(key, &serde_json::json!({ "alg": key.alg().as_str(), "typ": typ, "jwk": jwk }), claims)
}

fn sign_header(key: &TokenKey, header: &impl Serialize, claims: &impl Serialize) -> Result<String, CryptoError> {
    let part = |json: Result<Vec<u8>, serde_json::Error>| match json {
        Ok(json) => Ok(base64::encode_url(&json)),
        Err(error) => Err(CryptoError::Malformed { what: "token to sign", why: error.to_string() }),
    };
    let signed = format!("{}.{}", part(serde_json::to_vec(header))?, part(serde_json::to_vec(claims))?);
    let token = format!("{signed}.{}", base64::encode_url(&key.sign(signed.as_bytes())?));
    if token.len() > TOKEN_BYTES_MAX {
        return Err(CryptoError::TooLarge { what: "token", bytes: token.len(), max: TOKEN_BYTES_MAX });
    }
    Ok(token)
}
