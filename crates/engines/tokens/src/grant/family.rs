//! Families: all tokens that came of one grant, and the one refresh token that counts (OAuth 2.1 section 4.3).
//!
//! Each use of a refresh token makes the next one. Whoever lost the answer, or asked twice at once, gets the same answer again
//! for some seconds. After that, who shows a used token shows that two hold it: the family ends.

use super::granted::{FamilyId, Granted};
use super::refresh::{RefreshToken, derived, write};
use crate::binding::Binding;
use crate::limits::{ACCESS_TTL, FAMILY_LIFE, REFRESH_AGAIN, REFRESH_IDLE};
use crate::mint::Access;
use crate::scopes::Scopes;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::hash;
use serde::{Deserialize, Serialize};

/// The state of a family, as it is stored: the same size however many tokens came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name.
    pub id: FamilyId,
    /// What it is for.
    pub granted: Granted,
    /// When it began.
    pub begun: Timestamp,
    /// The refresh token that counts.
    generation: u32,
    /// When that was made.
    made: Timestamp,
    revoked: bool,
}

/// What a client asks for with a refresh token.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRequest<'a> {
    /// Who it is, found out before.
    pub client_id: &'a str,
    /// Fewer scopes than were granted; all where none are named.
    pub scopes: Option<&'a Scopes>,
    /// One of those whom it was granted for; the first where none is named.
    pub audience: Option<&'a str>,
    /// The key of the proof that came with it, found good before.
    pub proof_key: Option<&'a [u8; 32]>,
    /// The client certificate of the connection, as SHA-256, where the client has one.
    pub certificate: Option<&'a [u8; 32]>,
}

/// What the client gets. Made from the family's state alone, so that the same request has the same answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text of the refresh token that counts from now on.
    pub refresh_token: String,
    /// What the access token is to say: for [`crate::mint::access`], with `random` and `issued`.
    pub access: Access,
    /// Names the access token.
    pub random: [u8; 16],
    /// The moment at which the answer was first given.
    pub issued: Timestamp,
}

/// Why no token is made. The API answers 400 `invalid_grant`, `invalid_scope` for [`RefreshError::Scopes`], and `invalid_target` for
/// [`RefreshError::Audience`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The family ended by time, or lay unused for too long.
    #[error("the grant has run out")]
    Expired,
    /// It was revoked before.
    #[error("the grant was revoked")]
    Revoked,
    /// A token was used again, later than an answer could have been lost. The family is revoked by this; the caller puts it on the
    /// list of revocations.
    #[error("refresh token {shown} of family `{family}` was used again; {current} counts, so the family is revoked")]
    Reused {
        /// Which family.
        family: FamilyId,
        /// The token that was shown.
        shown: u32,
        /// The one that counts.
        current: u32,
    },
    /// Another client shows it, so it was stolen. The family is revoked by this, as above.
    #[error("a refresh token of family `{family}` was shown by another client, so the family is revoked")]
    OtherClient {
        /// Which family.
        family: FamilyId,
    },
    /// It is bound to a key, and the proof is of another one, or there is none.
    #[error("the refresh token is bound to another key than the proof's")]
    OtherKey,
    /// More than was granted.
    #[error("more scopes are asked for than were granted (`{0}`)")]
    Scopes(Scopes),
    /// It was not granted for that audience.
    #[error("the grant is for another audience")]
    Audience,
    /// It is a token of another family: the caller looked up the wrong one.
    #[error("the refresh token belongs to another family")]
    OtherFamily,
}

impl RefreshError {
    /// Whether the family was revoked by this very request.
    pub fn revokes(&self) -> Option<FamilyId> {
        match self {
            Self::Reused { family, .. } | Self::OtherClient { family } => Some(*family),
            _ => None,
        }
    }
}

impl Family {
    /// A family that begins now. Its first answer is [`Family::first`].
    pub fn begin(id: FamilyId, granted: Granted, now: Timestamp) -> Self {
        Self { id, granted, begun: now, generation: 0, made: now, revoked: false }
    }

    /// The answer to the request that began it.
    pub fn first(&self, certificate: Option<&[u8; 32]>, key: &Secret<[u8; 32]>) -> Answer {
        self.first_for(&self.granted.audience, certificate, key)
    }

    /// The same for another of those whom it was granted for ([`Granted::chosen`]).
    pub fn first_for(&self, audience: &str, certificate: Option<&[u8; 32]>, key: &Secret<[u8; 32]>) -> Answer {
        self.answer(&self.granted.scopes, audience, certificate, key)
    }

    /// Uses a refresh token. The next state is to be stored before the answer goes out, by one who sees that it was not stored
    /// meanwhile; `key` is what refresh tokens are made with.
    ///
    /// # Errors
    /// [`RefreshError`]. The state is to be stored all the same: it may be revoked by this.
    pub fn refresh(
        mut self,
        token: &RefreshToken,
        asked: &RefreshRequest<'_>,
        key: &Secret<[u8; 32]>,
        now: Timestamp,
    ) -> (Self, Result<Answer, RefreshError>) {
        let checked = self.check(token, asked, now);
        match checked {
            Ok((scopes, is_next)) => {
                if is_next {
                    self.generation += 1;
                    self.made = now;
                }
                // It was looked for in `check`.
                let audience = self.granted.chosen(asked.audience).unwrap_or_default();
                let answer = self.answer(&scopes, audience, asked.certificate, key);
                (self, Ok(answer))
            }
            Err(error) => {
                self.revoked |= error.revokes().is_some();
                (self, Err(error))
            }
        }
    }

    /// Ends it, as a log-out or an operator does.
    #[must_use]
    pub fn revoke(self) -> Self {
        Self { revoked: true, ..self }
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether nothing of it can be used any more, by time alone.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends()
    }

    /// When that is so, if it is not used before.
    pub fn ends(&self) -> Timestamp {
        self.begun.plus(FAMILY_LIFE).min(self.made.plus(REFRESH_IDLE))
    }

    /// The scopes of the answer, and whether the token is the one that counts.
    fn check(
        &self,
        token: &RefreshToken,
        asked: &RefreshRequest<'_>,
        now: Timestamp,
    ) -> Result<(Scopes, bool), RefreshError> {
        if token.family() != self.id {
            return Err(RefreshError::OtherFamily);
        }
        if self.revoked {
            return Err(RefreshError::Revoked);
        }
        if asked.client_id != self.granted.client_id {
            return Err(RefreshError::OtherClient { family: self.id });
        }
        let is_next = token.generation() == self.generation;
        let is_before = token.generation().checked_add(1) == Some(self.generation);
        let is_again = is_before && now.since(self.made) <= REFRESH_AGAIN;
        if !is_next && !is_again {
            let (shown, current) = (token.generation(), self.generation);
            return Err(RefreshError::Reused { family: self.id, shown, current });
        }
        // After the check for reuse: that a token was stolen does not become uninteresting with time.
        if self.is_over(now) || self.generation == u32::MAX {
            return Err(RefreshError::Expired);
        }
        match (&self.granted.key, asked.proof_key) {
            (Some(key), Some(shown)) if hash::equal(key, shown) => {}
            (Some(_), _) => return Err(RefreshError::OtherKey),
            (None, _) => {}
        }
        if self.granted.chosen(asked.audience).is_none() {
            return Err(RefreshError::Audience);
        }
        match asked.scopes {
            None => Ok((self.granted.scopes.clone(), is_next)),
            Some(wanted) if wanted.are_within(&self.granted.scopes) => Ok((wanted.clone(), is_next)),
            Some(_) => Err(RefreshError::Scopes(self.granted.scopes.clone())),
        }
    }

    fn answer(
        &self,
        scopes: &Scopes,
        audience: &str,
        certificate: Option<&[u8; 32]>,
        key: &Secret<[u8; 32]>,
    ) -> Answer {
        let Granted { client_id, subject, key: proof_key, claims, .. } = &self.granted;
        let mut access = Access::new(subject, client_id, audience);
        access.scopes = scopes.clone();
        access.binding = Binding { certificate: certificate.copied(), key: *proof_key };
        access.family = Some(self.id.to_string());
        access.more = claims.clone();
        access.ttl = ACCESS_TTL;
        // Two tokens that differ have two names. A blank cannot be within a scope.
        let of = if audience == self.granted.audience { scopes.to_string() } else { format!("{scopes}  {audience}") };
        let name = derived(key, "access token", self.id, self.generation, &of);
        let mut random = [0; 16];
        random.copy_from_slice(&name.expose()[..16]);
        Answer { refresh_token: write(self.id, self.generation, key), access, random, issued: self.made }
    }
}
