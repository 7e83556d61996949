//! Decides whether a token is believed, and what may be made of it.
//!
//! In: a token's text, what its bearer showed beside it (certificate, proof), the issuers' keys, and `now`.
//! Out: values that only the check can make ([`AccessToken`], [`ProofKey`]), or an error that names the check, the key and the
//! skew for operators, with one short reason for the caller ([`PublicReason`]).
//! How much: text, lists and memories are bounded by [`limits`] and by `bartizan_crypto::limits`.
//! Absent on purpose: sockets, clocks, tasks, randomness; algorithms with a shared secret; tokens that are not signed. What a
//! signed text is, and which keys there are, is for `bartizan_crypto::jose` to say.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod limits;

mod access; // start here: an access token, from text to what it says
mod actors; // who acted on the way
mod binding; // whom a token is bound to
mod cache; // tokens that were found good before
mod claims; // reading claims of the right type
mod error;
mod issuer; // whose tokens are believed, by which keys
mod revocation; // which of them not any more
mod scopes;
mod users; // what a fleet file says of issuers, and what policies see of a token

pub mod api_key; // keys of programs
pub mod base32; // text that people type
pub mod form; // parameters of a request

pub mod dpop; // proofs that somebody holds a key
pub mod exchange; // a token for another audience, on somebody's behalf
pub mod grant; // how somebody comes to a token
pub mod id_token; // who signed in, for the app that asked
pub mod logout_token; // that somebody signed out
pub mod mint; // makes access tokens
pub mod pkce; // that who redeems a code is who began
mod replays; // what was shown before
pub mod request; // what an app asks for when it sends a browser
pub mod signed; // events that their senders signed
mod target_uri; // addresses in one form
pub mod totp; // codes of an authenticator app
pub mod txn; // transaction tokens: who a chain of calls is for
pub mod webauthn; // passkeys

pub use access::{
    AccessToken, FAMILY as FAMILY_CLAIM, Presented, SubjectToken, TYP as ACCESS_TYP, inspect, verify_access,
    verify_subject,
};
pub use actors::{Actors, Party};
pub use binding::{Binding, BindingError};
pub use cache::{TokenCache, Trust};
pub use dpop::{ProofKey, ProofReplays};
pub use error::{PublicReason, TokenError};
pub use issuer::{Issuer, IssuerError, Issuers, Pins};
pub use replays::Replays;
pub use revocation::{Revocation, RevocationError, Revocations, Revoked, Session};
pub use scopes::{ScopeError, Scopes};
pub use users::{
    UsersError, authority_name, authority_of, claim_at, claim_texts, issuer_of, issuers_of, revocations_of, txn_of,
    user_in, user_of, user_of_claims,
};
