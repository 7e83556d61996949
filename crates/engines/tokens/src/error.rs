//! Why a token is refused: for the operator which check, which key and by how much, for the caller one word.

use crate::binding::BindingError;
use bartizan_crypto::jose::{Alg, JoseError};
use std::fmt;

/// Why a token is not believed. Only [`TokenError::NotYet`] may change with time, and [`TokenError::UnknownIssuer`],
/// [`TokenError::UnknownKey`] when the issuer's keys are fetched again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its text is none of a token, or its header asks for what is not done here.
    #[error("not a readable token: {0}")]
    Form(#[from] JoseError),
    /// It is a token of another kind, such as an ID token shown in the place of an access token.
    #[error("the token's `typ` is `{found}`, wanted is `{wanted}`")]
    Typ {
        /// What its header says; empty where it says nothing.
        found: String,
        /// What is believed here.
        wanted: &'static str,
    },
    /// A claim is missing, or of another type, or too long.
    #[error("claim `{claim}` {why}")]
    Claim {
        /// Which.
        claim: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nobody whose tokens are believed.
    #[error("issuer `{0}` is none of those whose tokens are believed")]
    UnknownIssuer(String),
    /// Its issuer does not sign that way.
    #[error("issuer `{issuer}` does not sign with {alg}; it is pinned to others")]
    Algorithm {
        /// Who.
        issuer: String,
        /// What the header says.
        alg: Alg,
    },
    /// Its header does not say by which key it is signed.
    #[error("the token of issuer `{issuer}` names no key (`kid`)")]
    NoKey {
        /// Who.
        issuer: String,
    },
    /// The issuer has no key of that name; its keys may have to be fetched again.
    #[error("issuer `{issuer}` has no key `{kid}`")]
    UnknownKey {
        /// Who.
        issuer: String,
        /// The key's name.
        kid: String,
    },
    /// The signature does not fit.
    #[error("the signature does not fit key `{kid}` of issuer `{issuer}`: {why}")]
    Signature {
        /// Who.
        issuer: String,
        /// The key's name.
        kid: String,
        /// Whether it is wrong, or the key is for another algorithm.
        why: JoseError,
    },
    /// It has run out.
    #[error("the token of issuer `{issuer}` ran out {by_s} s ago")]
    Expired {
        /// Who.
        issuer: String,
        /// How long ago, in seconds.
        by_s: u64,
    },
    /// It counts later; where that is more than seconds, a clock is wrong.
    #[error("`{claim}` of the token of issuer `{issuer}` lies {by_s} s ahead; compare the clocks of both hosts")]
    NotYet {
        /// Who.
        issuer: String,
        /// `iat` or `nbf`.
        claim: &'static str,
        /// How far ahead, in seconds.
        by_s: u64,
    },
    /// It lives longer than a token may.
    #[error("the token of issuer `{issuer}` lives {life_s} s, longer than {max_s}")]
    LivesLong {
        /// Who.
        issuer: String,
        /// Its life in seconds.
        life_s: u64,
        /// The bound in seconds.
        max_s: u64,
    },
    /// It is for somebody else.
    #[error("the token is for {found:?}, not for `{wanted}`")]
    Audience {
        /// Whom it is for.
        found: Vec<String>,
        /// Who we are.
        wanted: String,
    },
    /// Whoever shows it is not whom it was given to, or did not prove it.
    #[error("the token is bound: {0}")]
    Binding(#[from] BindingError),
    /// It was taken back.
    #[error("the token was revoked, by its {by}, at epoch {epoch}")]
    Revoked {
        /// By which of its names: `jti`, `subject`, `family` or `issuer`.
        by: &'static str,
        /// The epoch of the list that says so.
        epoch: u64,
    },
    /// The list of revocations is older than one that was in force. Nothing is believed by it; a newer one has to come.
    #[error("the list of revocations has epoch {given}, and {seen} was in force already")]
    OldRevocations {
        /// The epoch of the list.
        given: u64,
        /// The latest one.
        seen: u64,
    },
}

/// Foreign text for an operator's log: cut, and without characters that would break a line.
pub(crate) fn foreign(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// What the caller is told, and nothing more (RFC 6750 section 3.1, RFC 9449 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicReason {
    /// The token is refused. Whether it was forged, old or taken back is nobody's business.
    InvalidToken,
    /// The token has run out: the client gets another one.
    Expired,
    /// It has to be shown together with what it is bound to.
    Binding,
    /// The proof is refused (RFC 9449).
    InvalidProof,
    /// The proof has to hold the nonce that goes out with this answer (RFC 9449 section 9).
    UseNonce,
}

impl PublicReason {
    /// The `error` of a `WWW-Authenticate` header.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidToken | Self::Expired | Self::Binding => "invalid_token",
            Self::InvalidProof => "invalid_dpop_proof",
            Self::UseNonce => "use_dpop_nonce",
        }
    }

    /// The `error_description`: fit for a quoted string.
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidToken => "the token is not accepted",
            Self::Expired => "the token has expired",
            Self::Binding => "the token is bound to a key that was not shown",
            Self::InvalidProof => "the proof is not accepted",
            Self::UseNonce => "the proof needs the nonce of this answer",
        }
    }
}

impl fmt::Display for PublicReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl TokenError {
    /// What may be said to whoever showed the token.
    pub fn public(&self) -> PublicReason {
        match self {
            // Said only once the signature was found good, so nobody learns anything of a token that is not theirs.
            Self::Expired { .. } => PublicReason::Expired,
            Self::Binding(_) => PublicReason::Binding,
            _ => PublicReason::InvalidToken,
        }
    }

    /// Whether fetching the issuer's keys again could help.
    pub fn is_unknown_key(&self) -> bool {
        matches!(self, Self::UnknownKey { .. })
    }
}
