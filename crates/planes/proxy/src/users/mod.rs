//! Users: who is behind a request, from the token that they show at the edge to the last hop of what they caused.
//!
//! The gateway turns the user's own token into a transaction token of a minute; each sidecar checks that before the program
//! sees the request, remembers it under the request's trace, and attaches it to the calls that the program makes in that trace.

mod carried; // tokens of requests under way, by their trace
mod edge; // whose tokens are believed at the gateway
mod keys; // of programs, at the gateway
mod memory; // tokens that one worker found good
mod minted; // what it made a moment ago
mod minting; // the gateway's key, and its delegation
mod narrowing; // less of a token, where it is handed on
pub mod shown; // what clients show at the gateway
mod slot; // how it gets one

pub use carried::{Carried, Tokens};
pub use edge::EdgeUsers;
pub(crate) use keys::no_claims;
pub use keys::{EdgeKeys, HeldKey};
pub use memory::{Memory, Vouched};
pub use minted::Minted;
pub use minting::Minting;
pub use narrowing::{NARROW, NotNarrowed, Wanted, is_misspelt};
pub use slot::DelegationSlot;

/// The header that a transaction token travels in (draft-ietf-oauth-transaction-tokens).
pub const TXN_TOKEN: &str = "txn-token";
/// The header with the delegation by which its minter's key counts.
pub const TXN_DELEGATION: &str = "txn-delegation";
