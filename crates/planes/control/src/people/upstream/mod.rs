//! Signing in at another identity provider (OpenID Connect Core, authorization code with PKCE): control is the relying party.
//!
//! In: what the fleet file says of providers; their documents and keys, fetched again and again; what a browser brings back.
//! Out: a session of somebody whose account is connected with that very subject there, or was just made for it.
//! How much: documents, answers, time and questions at once are bounded; what a browser carries meanwhile is sealed.
//! Absent on purpose: accounts that are found by an e-mail address or a name. Whoever may choose those elsewhere could choose somebody.

mod arrive; // whose account it is
mod back; // what a browser brings
mod begin; // start here: a browser is sent
mod book; // documents and keys that are held
mod buttons; // what pages offer
mod carried; // what a browser carries meanwhile
mod document; // what a provider says of itself
mod fetch; // questions to a provider
mod keep; // looks again and again
mod redeem; // from a code to who it is
mod spikes; // when many are refused

pub(super) use back::come_back;
pub(super) use begin::{begin, send};
pub(super) use book::Book;
pub(super) use buttons::buttons;
pub(crate) use fetch::check;
pub(crate) use keep::keep;
pub(super) use spikes::Spikes;

use super::pages::Problem;
use super::session::Factor;
use bartizan_core::Timestamp;
use bartizan_core::upstream::Upstream;
use serde::{Deserialize, Serialize};

/// What another provider said of how somebody signed in there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Theirs {
    /// Its name here.
    pub(super) provider: String,
    pub(super) amr: Vec<String>,
    pub(super) acr: Option<String>,
    /// When; `None` where it does not say.
    pub(super) at: Option<Timestamp>,
}

impl Theirs {
    /// As what it counts here.
    fn factor(&self, said: &Upstream) -> Factor {
        let shown = self.amr.iter().chain(&self.acr);
        match shown.into_iter().any(|word| said.two_factors.contains(word)) {
            true => Factor::ElsewhereTwice,
            false => Factor::Elsewhere,
        }
    }
}

/// A subject of another provider that belongs to an account here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Connected {
    /// The provider's name here, when it was used last.
    pub(super) provider: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) added: Timestamp,
    pub(super) used: Option<Timestamp>,
    /// Ours for the roles that were there, when somebody came from there last.
    pub(super) roles: Vec<String>,
    /// Whether the account was made for it: then it says who that is.
    pub(super) made: bool,
}

/// Why nobody signed in.
#[derive(Debug)]
enum Failure {
    /// The provider, or what it says of somebody, is refused. What the person is told, and what an operator is.
    Refused(String, String),
    /// It cannot be asked.
    Unable(String),
    /// The fault is ours.
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl Failure {
    /// What is refused for everybody alike.
    fn refused(said: &Upstream, why: impl Into<String>) -> Self {
        Self::Refused(format!("{} did not sign you in.", said.title), why.into())
    }
}
