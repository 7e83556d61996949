//! Authorization codes (OAuth 2.1 section 4.1): good once, for whom they were made, with the proof key of whoever began.

use super::family::Family;
use super::granted::{FamilyId, Granted};
use crate::limits::{CODE_REMEMBERED, CODE_TTL};
use crate::pkce::{Challenge, PkceError};
use bartizan_core::Timestamp;
use bartizan_crypto::hash;

/// A code, from the log-in until nobody could replay it to any effect. It is stored under the hash of its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Code {
    /// Nobody has redeemed it.
    Pending {
        /// What it is good for. Boxed: most codes that are held were redeemed.
        granted: Box<Granted>,
        /// Where the browser was sent with it; the same text has to come again.
        redirect_uri: String,
        /// What the client's secret was hashed to.
        challenge: Challenge,
        /// Its end.
        expires: Timestamp,
    },
    /// It was redeemed.
    Redeemed {
        /// By whom.
        client_id: String,
        /// What came of it.
        family: FamilyId,
        /// When.
        at: Timestamp,
    },
}

/// What a client shows with a code.
#[derive(Clone, Copy, Debug)]
pub struct Redemption<'a> {
    /// Who it is, found out before.
    pub client_id: &'a str,
    /// `redirect_uri`.
    pub redirect_uri: &'a str,
    /// `code_verifier`.
    pub verifier: &'a str,
    /// The key of the proof that came with it, found good before.
    pub proof_key: Option<&'a [u8; 32]>,
}

/// Why a code is not redeemed. The API answers 400 `invalid_grant`, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It has run out.
    #[error("the code has run out")]
    Expired,
    /// It was made for another client.
    #[error("the code was made for another client")]
    OtherClient,
    /// The browser was sent elsewhere.
    #[error("the code was made for another redirect address")]
    OtherRedirect,
    /// Whoever asks is not who began.
    #[error(transparent)]
    Pkce(#[from] PkceError),
    /// It is bound to a key, and the proof is of another one, or there is none.
    #[error("the code is bound to another key than the proof's")]
    OtherKey,
    /// It was redeemed before: two hold it, and one of them stole it. The caller revokes `family` (OAuth 2.1 section 4.1.3).
    #[error("the code was redeemed before; what came of it (family `{family}`) has to be revoked")]
    Replayed {
        /// What came of it.
        family: FamilyId,
    },
}

impl Code {
    /// A code for what somebody just agreed to.
    pub fn new(granted: Granted, redirect_uri: &str, challenge: Challenge, now: Timestamp) -> Self {
        let (granted, redirect_uri) = (Box::new(granted), redirect_uri.to_owned());
        Self::Pending { granted, redirect_uri, challenge, expires: now.plus(CODE_TTL) }
    }

    /// Redeems it; the next state is to be stored before anything is answered, by one who sees that it was not stored meanwhile.
    /// What is refused leaves a code as it was: who has it by chance and lacks the secret cannot spoil it for its owner.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn redeem(self, shown: &Redemption<'_>, family: FamilyId, now: Timestamp) -> (Self, Result<Family, CodeError>) {
        match self.check(shown, now) {
            Err(error) => (self, Err(error)),
            Ok(granted) => {
                let granted = granted.clone();
                let client_id = granted.client_id.clone();
                let key = granted.key.or(shown.proof_key.copied());
                let begun = Family::begin(family, Granted { key, ..granted }, now);
                (Self::Redeemed { client_id, family, at: now }, Ok(begun))
            }
        }
    }

    /// Whether nothing depends on it any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Pending { expires, .. } => now >= *expires,
            Self::Redeemed { at, .. } => now >= at.plus(CODE_REMEMBERED),
        }
    }

    fn check(&self, shown: &Redemption<'_>, now: Timestamp) -> Result<&Granted, CodeError> {
        let (granted, redirect_uri, challenge, expires) = match self {
            Self::Pending { granted, redirect_uri, challenge, expires } => (granted, redirect_uri, challenge, expires),
            // By another client it is no proof that the first one was robbed: who is no client of it could end its sessions.
            Self::Redeemed { client_id, .. } if client_id != shown.client_id => return Err(CodeError::OtherClient),
            Self::Redeemed { family, .. } => return Err(CodeError::Replayed { family: *family }),
        };
        if now >= *expires {
            return Err(CodeError::Expired);
        }
        if granted.client_id != shown.client_id {
            return Err(CodeError::OtherClient);
        }
        if redirect_uri != shown.redirect_uri {
            return Err(CodeError::OtherRedirect);
        }
        challenge.check(shown.verifier)?;
        match (&granted.key, shown.proof_key) {
            (Some(key), Some(shown)) if hash::equal(key, shown) => Ok(granted),
            (Some(_), _) => Err(CodeError::OtherKey),
            (None, _) => Ok(granted),
        }
    }
}
