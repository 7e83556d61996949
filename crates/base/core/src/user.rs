//! Users: whose word counts about them, and what policies see of one.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most issuers of a fleet, a count.
pub const ISSUERS_MAX: usize = 32;
/// Most further claims of an issuer that policies see, a count.
pub const CLAIMS_MAX: usize = 16;
/// Most values of one claim that are looked at, a count; the rest is not seen.
pub const CLAIM_VALUES_MAX: usize = 256;
/// Names of the algorithms that an issuer may sign with (RFC 7518 section 3.1, RFC 8037): all with a public key.
pub const ALGORITHMS: &[&str] =
    &["ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

/// Whose tokens are believed at the edge of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// Whom tokens have to be for (`aud`).
    pub audience: String,
    /// Who issues them.
    pub issuers: Vec<TokenIssuer>,
    /// Which of their tokens do not count any more. Whoever publishes puts it in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<RevokedToken>,
}

/// Tokens that were taken back before their time; all of it is within one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedToken {
    /// Whose.
    pub issuer: String,
    /// Which of them.
    pub what: WhichTokens,
    /// From when on nothing that it names could be believed anyway.
    pub until: Timestamp,
}

/// Which tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichTokens {
    /// The one of that `jti`.
    Token(String),
    /// All that came of one log-in or grant, by their claim `bartizan_family`.
    Family(String),
    /// What was given on account of that session of the issuer (`sid`).
    Session(String),
    /// Those of that `sub` that were issued before that moment.
    Subject(String, Timestamp),
}

impl std::fmt::Display for WhichTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(jti) => write!(f, "token {jti}"),
            Self::Family(family) => write!(f, "all tokens of family {family}"),
            Self::Session(session) => write!(f, "all of session {session}"),
            Self::Subject(subject, _) => write!(f, "all tokens of {subject} until now"),
        }
    }
}

/// Somebody whose access tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuer {
    /// `iss`, to the letter.
    pub issuer: String,
    /// How it signs, of [`ALGORITHMS`]; at least one.
    pub algorithms: Vec<String>,
    /// The claim with a user's roles, with dots for what lies within.
    pub roles: String,
    /// The claim with a user's tenant.
    pub tenant: String,
    /// Further claims that policies see, by the name under which they do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// File with its public keys (a JWK Set, RFC 7517), relative to the fleet file; empty where they are fetched from the issuer.
    pub keys: String,
    /// File with the roots by which the issuer's server is recognised, where its keys are fetched; those of the system where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<String>,
    /// The keys, as a JWK Set. Whoever loads the fleet file reads the file, whoever publishes fetches them; empty where that was
    /// not possible yet, and then none of its tokens is believed.
    pub jwks: String,
    /// Whether its tokens have to be bound to a certificate or key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
}

/// A user on whose behalf a call comes, as policies see them. Only what was verified becomes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// Who vouches for them.
    pub issuer: String,
    /// Who they are, unique within the issuer.
    pub subject: String,
    /// The client that they use.
    pub client: String,
    /// What the client may do for them.
    pub scopes: Vec<String>,
    /// Their roles.
    pub roles: Vec<String>,
    /// The tenant that they belong to, where there are several.
    pub tenant: Option<String>,
    /// What else was said of them, of what the fleet file asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Vec<String>>,
}

impl TokenIssuer {
    /// Whether its keys come from its own server, and not from a file.
    pub fn is_fetched(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Users {
    /// Names under which policies see further claims, of whichever issuer.
    pub fn claims(&self) -> BTreeSet<&str> {
        self.issuers.iter().flat_map(|issuer| issuer.claims.keys()).map(String::as_str).collect()
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.subject, self.issuer)
    }
}
