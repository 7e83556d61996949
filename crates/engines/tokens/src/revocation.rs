//! What was taken back: single tokens, families of them, all of a subject, all of an issuer.
//!
//! A list is whole and numbered; a newer one takes the place of an older one. Entries end by themselves when nothing that they
//! revoke can still be believed, so that a list is never longer than what was revoked within a token's life.

use crate::access::AccessToken;
use crate::error::TokenError;
use crate::limits::{ID_BYTES_MAX, REVOCATIONS_MAX, TEXT_BYTES_MAX};
use bartizan_core::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// One entry of a list; all of it is within one issuer, whose names say nothing about another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose tokens.
    pub issuer: String,
    /// Which of them.
    pub what: Revoked,
}

/// Which tokens are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The one of that `jti`.
    Token(String),
    /// All of that family, of whatever age.
    Family(String),
    /// What was given on account of that session of the issuer (`sid`).
    Session(String),
    /// Those of that subject that were issued before that moment: who logs in afterwards gets good ones.
    Subject(String, Timestamp),
    /// All that were issued before that moment.
    All(Timestamp),
}

/// What is known of a token, or of a session that came of one.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Who vouches for it.
    pub issuer: &'a str,
    /// Its own name.
    pub name: &'a str,
    /// The family that it belongs to.
    pub family: Option<&'a str>,
    /// The session at the issuer (`sid`).
    pub session: Option<&'a str>,
    /// Whom it is for.
    pub subject: &'a str,
    /// When its issuer vouched for it.
    pub issued: Timestamp,
}

/// Why a list is refused, whole; the one before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// More than [`REVOCATIONS_MAX`].
    #[error(
        "{0} revocations; at most {REVOCATIONS_MAX} are held, so revoke subjects or whole issuers instead of tokens"
    )]
    TooMany(usize),
    /// A name that no token can have.
    #[error("a revocation names an issuer or token by an empty text, or by one that is too long")]
    Name,
}

/// A list in the form in which tokens are looked up.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    epoch: u64,
    issuers: BTreeMap<String, OfIssuer>,
}

#[derive(Clone, Debug, Default)]
struct OfIssuer {
    tokens: HashSet<String>,
    families: HashSet<String>,
    sessions: HashSet<String>,
    subjects: HashMap<String, Timestamp>,
    all_before: Option<Timestamp>,
}

impl Revocations {
    /// The list number `epoch`.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn new(epoch: u64, list: Vec<Revocation>) -> Result<Self, RevocationError> {
        if list.len() > REVOCATIONS_MAX {
            return Err(RevocationError::TooMany(list.len()));
        }
        let mut revocations = Self { epoch, issuers: BTreeMap::new() };
        for Revocation { issuer, what } in list {
            let (name, max) = match &what {
                Revoked::Token(name) | Revoked::Family(name) => (name.as_str(), ID_BYTES_MAX),
                Revoked::Session(name) | Revoked::Subject(name, _) => (name.as_str(), TEXT_BYTES_MAX),
                Revoked::All(_) => (issuer.as_str(), TEXT_BYTES_MAX),
            };
            if name.is_empty() || name.len() > max || issuer.is_empty() || issuer.len() > TEXT_BYTES_MAX {
                return Err(RevocationError::Name);
            }
            revocations.issuers.entry(issuer).or_default().add(what);
        }
        Ok(revocations)
    }

    /// Its number.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a token is still good.
    ///
    /// # Errors
    /// [`TokenError::Revoked`].
    pub fn judge(&self, token: &AccessToken) -> Result<(), TokenError> {
        let session = token.claims.get("sid").and_then(serde_json::Value::as_str);
        self.judge_session(&Session {
            issuer: &token.issuer,
            name: &token.jti,
            family: token.family.as_deref(),
            session,
            subject: &token.subject,
            issued: token.issued,
        })
    }

    /// The same for a session that began with somebody's word and goes on without a token.
    ///
    /// # Errors
    /// [`TokenError::Revoked`].
    pub fn judge_session(&self, session: &Session<'_>) -> Result<(), TokenError> {
        match self.issuers.get(session.issuer).and_then(|issuer| issuer.revokes(session)) {
            None => Ok(()),
            Some(by) => Err(TokenError::Revoked { by, epoch: self.epoch }),
        }
    }
}

impl OfIssuer {
    fn add(&mut self, what: Revoked) {
        match what {
            Revoked::Token(jti) => drop(self.tokens.insert(jti)),
            Revoked::Family(family) => drop(self.families.insert(family)),
            Revoked::Session(session) => drop(self.sessions.insert(session)),
            Revoked::Subject(subject, before) => {
                let held = self.subjects.entry(subject).or_insert(before);
                *held = before.max(*held);
            }
            Revoked::All(before) => self.all_before = self.all_before.max(Some(before)),
        }
    }

    /// By which of its names. A token issued in the very second counts as before: dates have no finer grain.
    fn revokes(&self, token: &Session<'_>) -> Option<&'static str> {
        let is_before = |before: &Timestamp| token.issued.as_secs() <= before.as_secs();
        if self.tokens.contains(token.name) {
            Some("jti")
        } else if token.family.is_some_and(|family| self.families.contains(family)) {
            Some("family")
        } else if token.session.is_some_and(|session| self.sessions.contains(session)) {
            Some("session")
        } else if self.subjects.get(token.subject).is_some_and(is_before) {
            Some("subject")
        } else {
            self.all_before.as_ref().is_some_and(is_before).then_some("issuer")
        }
    }
}
