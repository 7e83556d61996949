//! Keys of programs, as control keeps them and the gateway knows them: never the key itself.

use crate::name::ServiceName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Most keys of a fleet, a count: each is in every directory of the gateway, about 200 bytes.
pub const KEYS_MAX: usize = 5_000;
/// Most scopes of a key, a count.
pub const KEY_SCOPES_MAX: usize = 64;
/// Longest tenant of a key, in bytes.
pub const KEY_TENANT_BYTES_MAX: usize = 255;
/// Who vouches for the owners of keys, where users have an issuer.
pub const KEY_ISSUER: &str = "bartizan:keys";

/// A key of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its name, unique in the fleet. Its owner is `key:NAME` to policies.
    pub name: ServiceName,
    /// SHA-256 of it, in hexadecimal digits.
    pub hash: String,
    /// What its owner may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The tenant of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The first moment at which it does not count any more; always counts where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl ApiKey {
    /// Its owner, as policies know them.
    pub fn subject(&self) -> String {
        format!("key:{}", self.name)
    }

    /// Whether it does not count any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

/// Whether a text can be a scope (RFC 6749 section 3.3).
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
