//! Why a transaction token is refused, or not made.

use crate::error::TokenError;
use bartizan_core::SpiffeId;
use bartizan_crypto::CryptoError;
use bartizan_crypto::jose::JoseError;

/// Why a transaction token or a delegation is not believed, or not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxnError {
    /// Its text is none of a token.
    #[error("not a readable token: {0}")]
    Form(#[from] JoseError),
    /// As of any token: kind, claims, dates, issuer.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The chain is longer than it may be, or holds something else than links.
    #[error("not a chain of a token and its narrowings: {0}")]
    Chain(&'static str),
    /// It is signed by a key that was never delegated, or whose delegation is over.
    #[error("key `{0}` may not mint: it was never delegated, or its delegation is over")]
    NotDelegated(String),
    /// The signature does not fit.
    #[error("the signature does not fit key `{0}`")]
    Signature(String),
    /// It names another minter than the one whose key signed it.
    #[error("the token says that `{said}` minted it; the key is `{signed}`'s")]
    OtherMinter {
        /// What it says.
        said: String,
        /// Whose key it is.
        signed: String,
    },
    /// A link allows more than the one before it, or ends later.
    #[error("narrowing {link} widens: {what}")]
    Widens {
        /// Which, counted from 1.
        link: usize,
        /// `scopes` or `life`.
        what: &'static str,
    },
    /// The token was not left open, or is narrowed as often as it may be.
    #[error("the token cannot be narrowed: {0}")]
    Closed(&'static str),
    /// The minter's delegation is over.
    #[error("the delegation to this minter is over; it needs another one")]
    DelegationOver,
    /// The minter's delegations were revoked after this one was made.
    #[error("the delegation to `{0}` was revoked")]
    DelegationRevoked(SpiffeId),
    /// More delegations than are held.
    #[error("too many delegations are held")]
    TooMany,
    /// Signing failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}
