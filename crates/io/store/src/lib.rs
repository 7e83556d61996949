//! What control has to remember: epochs, certificates and a few names in one SQLite file, and a journal of certificates, which goes on
//! while that file is away.
//!
//! In: the content of snapshots ([`Store::publish`]), records of certificates. Out: the epoch of each kind, which only ever grows, over
//! restarts and power cuts; certificates by filter. Epochs have room of their own, so that policies can change while certificates have
//! filled theirs.
//! [`Grants`] and [`People`] are databases of their own beside it. [`Copier`] reads any of them while it is in use, for somebody else to
//! have the same.
//! Absent on purpose: events (`bartizan-events`), key material of any kind: of people there are hashes, and what control sealed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod connection;
mod copy;
mod epoch;
mod error;
mod grants;
mod issued;
mod journal;
mod limits;
mod look;
mod meta;
mod people;
mod schema;
mod store;
mod writer;

pub use copy::{Copied, Copier};
pub use epoch::{Content, Published};
pub use error::StoreError;
pub use grants::{Grants, LoginChange, Put, StoredApp, StoredFamily, StoredLogin, Whose};
pub use journal::{Journal, JournalError, Waiting};
pub use limits::{FAMILIES_AT_ONCE, QUERY_ISSUED_MAX, QUERY_PEOPLE_MAX};
pub use look::Look;
pub use people::{Consent, People, Person, Session};
pub use store::Store;

/// Records of the journal as bytes; for those who test it from outside.
pub mod journal_frames {
    pub use crate::journal::{decode, encode};
}
