//! What makes guards fast and may be switched off, to see what it is worth. Nothing here decides who may call whom.

use serde::{Deserialize, Serialize};

/// What guards do to be fast. All of it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Connections between guards carry more than one request.
    pub reuse: bool,
    /// What policies decided is remembered for the rest of a connection.
    pub remember: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { reuse: true, remember: true }
    }
}

impl Tuning {
    /// Whether all of it is on.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
