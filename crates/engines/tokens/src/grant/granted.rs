//! What somebody agreed to, and the name of all that comes of it.

use crate::scopes::Scopes;
use bartizan_crypto::base64;
use bartizan_crypto::jose::json::Object;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client may have on behalf of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The client.
    pub client_id: String,
    /// On whose behalf.
    pub subject: String,
    /// Where, if the client does not say.
    pub audience: String,
    /// Where else: each token is for one (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<String>,
    /// What.
    pub scopes: Scopes,
    /// The thumbprint of the key that every token of it is bound to; it comes from the first request (`dpop_jkt`) or the first
    /// proof, and never changes. None where the client authenticates itself each time.
    pub key: Option<[u8; 32]>,
    /// How the subject logged in (`acr`, `amr`, `auth_time`), and other claims that go into its tokens.
    pub claims: Object,
}

impl Granted {
    /// Where a token is to be good that a client asks for; `None` where it was not granted.
    pub fn chosen<'a>(&'a self, wanted: Option<&str>) -> Option<&'a str> {
        match wanted {
            None => Some(&self.audience),
            Some(wanted) => self.all().find(|it| *it == wanted),
        }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.audience.as_str()).chain(self.further.iter().map(String::as_str))
    }
}

/// The name of a family: all tokens that came of one grant. Random, so that nobody can guess another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FamilyId(pub [u8; 16]);

impl FamilyId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        base64::decode_url(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode_url(&self.0))
    }
}

impl TryFrom<String> for FamilyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the name of a family")
    }
}

impl From<FamilyId> for String {
    fn from(id: FamilyId) -> Self {
        id.to_string()
    }
}
