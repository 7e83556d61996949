//! Transaction tokens (draft-ietf-oauth-transaction-tokens): who a chain of calls is for, within one trust domain, for a minute.
//!
//! In: a delegation of the trust domain's authority to a minter's own key ([`delegation`]), what is to be said ([`Txn`]), and
//! chains of text. Out: [`TxnToken`], which only [`verify_txn`] makes.
//! A token that its minter left open may be narrowed by whoever holds it ([`narrow`]): fewer scopes, a nearer end, nothing else.
//! Absent on purpose: widening, another subject, another context; there is no field for them.

pub mod delegation; // who may mint, until when
mod error;
mod mint;
mod narrow; // links of a chain
mod token; // start here: what a token says, and the check
mod verify;

pub use delegation::{Certificate, Delegate, Delegates, delegate};
pub use error::TxnError;
pub use mint::{Minter, mint};
pub use narrow::{Narrower, narrow};
pub use token::{Txn, TxnToken};
pub use verify::verify_txn;
