//! What is left of a user's token where it is handed on: what the edge leaves of it, and of that what the program asks for.

use bartizan_core::narrow::Narrow;
use bartizan_core::{SpiffeId, Timestamp};
use bartizan_tokens::txn::{Narrower, TxnError, TxnToken};
use bartizan_tokens::{ScopeError, Scopes};
use std::fmt;
use std::time::Duration;

/// The header by which a program asks for one call with less: scopes with a blank between them, nothing for none.
pub const NARROW: &str = "x-bartizan-narrow";

/// Whether a header is that one in another spelling, such as `x_bartizan_narrow`: some libraries of programs write it so, and a wish that
/// nobody hears would leave the call with more than was asked for.
pub fn is_misspelt(name: &[u8]) -> bool {
    let same = |(given, wanted): (&u8, &u8)| given == wanted || (*wanted == b'-' && !given.is_ascii_alphanumeric());
    name.len() == NARROW.len() && name != NARROW.as_bytes() && name.iter().zip(NARROW.as_bytes()).all(same)
}

/// Why a call is not made with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotNarrowed {
    /// What the program asks for cannot be read.
    #[error("`{NARROW}` cannot be read: {0}")]
    Unreadable(&'static str),
    /// The program asks, and the call is for nobody.
    #[error("`{NARROW}` asks for less than a user's token allows, and the call is for no user")]
    Nobody,
    /// The program asks for more than is left on this edge.
    #[error("`{NARROW}` asks for `{0}`, which the call does not have")]
    Wider(String),
    /// The token is not good, or cannot be narrowed any further.
    #[error("the user's token could not be narrowed: {0}")]
    Token(#[from] TxnError),
}

impl From<ScopeError> for NotNarrowed {
    fn from(error: ScopeError) -> Self {
        Self::Unreadable(match error {
            ScopeError::TooMany => "it names too many scopes",
            ScopeError::TooLong => "it names a scope that is too long",
            ScopeError::Character => "scopes are words with one blank between them",
        })
    }
}

/// What is to be left: by the edge, and by the program.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// What the fleet file says of the edge.
    pub edge: Option<&'a Narrow>,
    /// What the program asks for.
    pub asked: Option<Scopes>,
}

/// What tells it from others.
impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}\n{:?}", self.edge, self.asked)
    }
}

impl Wanted<'_> {
    /// Whether what was left a moment ago can be handed on once more: it cannot where its end is counted from now.
    pub fn may_be_old(&self) -> bool {
        self.edge.is_none_or(|edge| edge.life_s.is_none())
    }

    /// What of `token` is left; `None` where that is all of it.
    ///
    /// # Errors
    /// [`NotNarrowed::Wider`].
    pub fn of(&self, token: &TxnToken, by: &SpiffeId, now: Timestamp) -> Result<Option<Narrower>, NotNarrowed> {
        let has = &token.txn.scopes;
        let named = self.edge.and_then(|edge| edge.scopes.as_ref()).map(|named| Scopes::parse(&named.join(" ")));
        let left = named.transpose()?.map_or_else(|| has.clone(), |named| has.common(&named));
        let scopes = match &self.asked {
            Some(asked) if asked.are_within(&left) => asked.clone(),
            Some(asked) => {
                let wider: Vec<_> = asked.iter().filter(|scope| !left.has(scope)).collect();
                return Err(NotNarrowed::Wider(wider.join(" ")));
            }
            None => left,
        };
        let life_s = self.edge.and_then(|edge| edge.life_s);
        let until = life_s.map(|life_s| now.plus(Duration::from_secs(life_s.into())));
        let expires = until.map_or(token.expires, |until| until.min(token.expires));
        let same = scopes == *has && expires == token.expires;
        Ok((!same).then(|| Narrower { scopes, expires, by: by.clone() }))
    }
}
