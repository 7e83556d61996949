//! A ledger on disk: what a kill, a full disk and a tamperer leave behind, and what an audit says of it.
#![allow(clippy::unwrap_used, missing_docs)]

mod archiving;
mod support;
mod tampering;
mod writing;
