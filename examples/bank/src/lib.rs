//! Three services of a small bank (accounts, payment, transactions) and the client that loads all five of it.
//!
//! In: plain HTTP/1.1 with JSON; `<CALLEE>_URL` in the environment says where a neighbour is.
//! Out: answers that are given only when what they say is on disk; a journal file per service in its data folder.
//! Limits: [`limits`]. Everything a service knows is held in memory beside the journal, which only grows.
//! Absent on purpose: TLS, identities, authorization, and any Bartizan crate. These programs stand for those that
//! nobody will change; users (Python) and notifications (Node.js) are in the folders beside.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod accounts;
pub mod client;
mod complaint;
pub mod journal;
pub mod limits;
pub mod load;
pub mod payment;
pub mod server;
pub mod transactions;
pub mod words; // start here: account, amount, key, transfer, outcome
