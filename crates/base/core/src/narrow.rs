//! What is left of a user's token on one edge: a caller hands on less than it was given.

use serde::{Deserialize, Serialize};

/// Most scopes of an edge, a count: as many as a token may have.
pub const SCOPES_MAX: usize = 128;
/// Longest life that may be left, in seconds: that of a token of a user's request.
pub const LIFE_S_MAX: u32 = 60;

/// What is left, checked. Nothing in it can add to a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrow {
    /// Of the token's scopes those that are named here; all of them where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Seconds that the token lives on at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_s: Option<u32>,
}
