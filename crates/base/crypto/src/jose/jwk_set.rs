//! A set of JSON Web Keys (RFC 7517 section 5), as issuers publish it.

use super::json;
use super::jwk::{Jwk, JwkError};
use crate::limits::{JWKS_BYTES_MAX, JWKS_KEYS_MAX};
use serde_json::Value;

/// Values of a set: members of each key, with some room for those that nobody here knows.
const VALUES_MAX: usize = JWKS_KEYS_MAX * 64;

/// Why a set is refused, whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkSetError {
    /// Longer than [`JWKS_BYTES_MAX`]; nothing was read.
    #[error("key set of {bytes} bytes is longer than {JWKS_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More than [`JWKS_KEYS_MAX`] keys.
    #[error("key set of {keys} keys; at most {JWKS_KEYS_MAX} are possible")]
    TooMany {
        /// How many.
        keys: usize,
    },
    /// Not an object with a list of objects in `keys`, or a member is there twice.
    #[error("not a key set: {why}")]
    Malformed {
        /// Where it broke.
        why: String,
    },
    /// A key of it is broken, or its private half lies open.
    #[error("key {at} of the set (`kid` is `{kid}`) is refused: {why}")]
    Key {
        /// Its place, counted from 0.
        at: usize,
        /// Its name; empty where it has none.
        kid: String,
        /// What is wrong with it.
        why: JwkError,
    },
    /// Two keys have one name, so that nobody can tell which one is meant.
    #[error("two keys of the set are called `{kid}`")]
    Doubled {
        /// The name.
        kid: String,
    },
}

/// The keys of an issuer that can check signatures, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
    /// Those passed over, by place, with the reason.
    pub passed_over: Vec<(usize, JwkError)>,
}

impl JwkSet {
    /// Reads a set, whole: a broken key refuses it, one for another use is passed over.
    ///
    /// # Errors
    /// [`JwkSetError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JwkSetError> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(JwkSetError::TooLarge { bytes: bytes.len() });
        }
        let malformed = |why: &str| JwkSetError::Malformed { why: why.to_owned() };
        let object = json::bounded(bytes, VALUES_MAX).map_err(|why| malformed(&why))?;
        let Some(Value::Array(listed)) = object.get("keys") else {
            return Err(malformed("`keys` is no list"));
        };
        if listed.len() > JWKS_KEYS_MAX {
            return Err(JwkSetError::TooMany { keys: listed.len() });
        }
        let mut set = Self::default();
        for (at, key) in listed.iter().enumerate() {
            let Value::Object(key) = key else { return Err(malformed("a key is no object")) };
            match Jwk::parse(key) {
                Ok(jwk) => set.push(jwk)?,
                Err(why @ JwkError::Unusable(_)) => set.passed_over.push((at, why)),
                Err(why @ JwkError::Refused(_)) => {
                    let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
                    return Err(JwkSetError::Key { at, kid: kid.chars().take(64).collect(), why });
                }
            }
        }
        Ok(set)
    }

    fn push(&mut self, jwk: Jwk) -> Result<(), JwkSetError> {
        if jwk.kid().is_some() && self.keys.iter().any(|other| other.kid() == jwk.kid()) {
            return Err(JwkSetError::Doubled { kid: jwk.kid().unwrap_or_default().to_owned() });
        }
        self.keys.push(jwk);
        Ok(())
    }

    /// The set as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let keys: Vec<Value> = self.keys.iter().map(|key| Value::Object(key.to_json())).collect();
        serde_json::json!({ "keys": keys }).to_string().into_bytes()
    }
}
