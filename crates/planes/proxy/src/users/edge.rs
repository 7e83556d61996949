//! Whose tokens are believed at the gateway.

use bartizan_core::user::{User, Users};
use bartizan_tokens::{AccessToken, Issuers, Revocations, Trust, UsersError, issuers_of, revocations_of, user_of};

/// The issuers of the directory in force, ready to be used.
#[derive(Debug)]
pub struct EdgeUsers {
    said: Users,
    issuers: Issuers,
    revocations: Revocations,
}

impl EdgeUsers {
    /// From what the directory says. `version` differs from that of every other set.
    ///
    /// # Errors
    /// [`UsersError`]. Control checked the same before it published them.
    pub fn new(said: &Users, version: u64) -> Result<Self, UsersError> {
        let issuers = issuers_of(said, version)?;
        let revocations = revocations_of(&said.revoked, version)?;
        Ok(Self { said: said.clone(), issuers, revocations })
    }

    /// What comes after this. Tokens that were found good stay so where no issuer changed, but for those that were taken back.
    ///
    /// # Errors
    /// As [`EdgeUsers::new`].
    pub fn next(&self, said: &Users, version: u64) -> Result<Self, UsersError> {
        if said.issuers != self.said.issuers {
            return Self::new(said, version);
        }
        let revocations = revocations_of(&said.revoked, version)?;
        Ok(Self { said: said.clone(), issuers: self.issuers.clone(), revocations })
    }

    /// Whether this is what the directory says.
    pub fn is(&self, said: &Users) -> bool {
        self.said == *said
    }

    /// Whom tokens have to be for.
    pub fn audience(&self) -> &str {
        &self.said.audience
    }

    /// Whose tokens are believed, and which of them not any more.
    pub fn trust(&self) -> Trust<'_> {
        Trust { issuers: &self.issuers, revocations: &self.revocations }
    }

    /// Makes what was said of a user earlier fit what policies ask for now: each further claim is there, and no other.
    pub fn fit(&self, user: &mut User) {
        let names = self.said.claims();
        user.claims.retain(|name, _| names.contains(name.as_str()));
        for name in names {
            if !user.claims.contains_key(name) {
                user.claims.insert(name.to_owned(), Vec::new());
            }
        }
    }

    /// The user that a verified token speaks for.
    pub fn user(&self, token: &AccessToken) -> User {
        user_of(token, &self.said)
    }
}
