//! Whom a token is bound to, by the claim `cnf`: a client certificate (RFC 8705) or a key that signs proofs (RFC 9449).

use crate::error::TokenError;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::{base64, hash};
use serde_json::{Value, json};

/// Why a bound token is not believed from whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// It is bound to a certificate, and none was shown.
    #[error("to a client certificate, and the connection has none")]
    NoCertificate,
    /// It is bound to another certificate.
    #[error("to another client certificate than the connection's")]
    OtherCertificate,
    /// It is bound to a key, and no proof was shown.
    #[error("to a key, and the request holds no proof of it (`DPoP`)")]
    NoProof,
    /// It is bound to another key.
    #[error("to another key than the proof's")]
    OtherKey,
    /// A proof was shown, and the token is bound to no key: it is not the token that the proof is for.
    #[error("to nothing, though a proof came with it")]
    NotBound,
    /// Tokens of this issuer have to be bound, and it is not.
    #[error("to nothing, and its issuer's tokens have to be bound")]
    Unbound,
}

/// What a token is bound to, as SHA-256 of the certificate (DER) and thumbprint of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// `x5t#S256`.
    pub certificate: Option<[u8; 32]>,
    /// `jkt`.
    pub key: Option<[u8; 32]>,
}

impl Binding {
    /// The binding to a client certificate, given as DER.
    pub fn to_certificate(der: &[u8]) -> Self {
        Self { certificate: Some(hash::sha256(der)), key: None }
    }

    /// Whether it is bound to nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads `cnf`. A method that is not known refuses the token: what is bound somehow must not count as bound to nothing.
    pub(crate) fn read(claims: &Object) -> Result<Self, TokenError> {
        let refuse = |why| Err(TokenError::Claim { claim: "cnf", why });
        let methods = match claims.get("cnf") {
            None => return Ok(Self::default()),
            Some(Value::Object(methods)) if methods.is_empty() => return refuse("is empty"),
            Some(Value::Object(methods)) => methods,
            Some(_) => return refuse("is no object"),
        };
        let mut binding = Self::default();
        for (method, value) in methods {
            let bytes = value.as_str().and_then(|text| base64::decode_url(text).ok());
            let Some(Ok(bytes)) = bytes.map(<[u8; 32]>::try_from) else {
                return refuse("holds a method that is not known, or no SHA-256 in base64url");
            };
            match method.as_str() {
                "x5t#S256" => binding.certificate = Some(bytes),
                "jkt" => binding.key = Some(bytes),
                _ => return refuse("binds by a method that is not known"),
            }
        }
        Ok(binding)
    }

    /// Compares with what was shown.
    ///
    /// # Errors
    /// [`BindingError`], all but [`BindingError::Unbound`].
    pub fn check(&self, certificate: Option<&[u8; 32]>, proof_key: Option<&[u8; 32]>) -> Result<(), BindingError> {
        match (&self.certificate, certificate) {
            (None, _) => {}
            (Some(_), None) => return Err(BindingError::NoCertificate),
            (Some(bound), Some(shown)) if bound == shown => {}
            (Some(_), Some(_)) => return Err(BindingError::OtherCertificate),
        }
        match (&self.key, proof_key) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(BindingError::NotBound),
            (Some(_), None) => Err(BindingError::NoProof),
            (Some(bound), Some(shown)) if bound == shown => Ok(()),
            (Some(_), Some(_)) => Err(BindingError::OtherKey),
        }
    }

    /// As the value of `cnf`; `None` where it is bound to nothing.
    pub fn to_json(&self) -> Option<Value> {
        let mut cnf = Object::new();
        if let Some(certificate) = &self.certificate {
            cnf.insert("x5t#S256".to_owned(), json!(base64::encode_url(certificate)));
        }
        if let Some(key) = &self.key {
            cnf.insert("jkt".to_owned(), json!(base64::encode_url(key)));
        }
        (!cnf.is_empty()).then_some(Value::Object(cnf))
    }
}
