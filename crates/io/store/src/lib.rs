//! What control has to remember: epochs, certificates and a few names in one SQLite file, a log of events beside it, and a journal
//! of certificates, which goes on while that file is away.
//!
//! In: batches of finished event records ([`Store::append`]), the content of snapshots ([`Store::publish`]).
//! Out: events by filter, newest first found; the epoch of each kind, which only ever grows, over restarts and power cuts.
//! How much: [`Options::bytes_max`] bounds what events may take. A full store takes no further event and says so
//! ([`StoreError::Full`]); it deletes nothing by itself, since the oldest events are what an investigator asks for first,
//! and an attacker who can make noise must not be able to erase them. What was not stored is for the caller to count.
//! A batch is stored whole or not at all. Epochs have room of their own, so that policies can change while events are full.
//! [`Grants`] and [`People`] are databases of their own beside it.
//! Absent on purpose: what an event means, redaction (done before a record comes here), key material of any kind: of people
//! there are hashes, and what control sealed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod connection;
mod epoch;
mod error;
mod event; // start here: what is stored, and how it is asked for
mod grants;
mod issued;
mod journal;
mod limits;
mod log;
mod meta;
mod people;
mod schema;
mod store;
mod writer;

pub use epoch::{Content, Published};
pub use error::StoreError;
pub use event::{Appended, Filter, StoredEvent};
pub use grants::{Grants, Put, StoredApp, StoredFamily, Whose};
pub use journal::{Journal, JournalError, Waiting};
pub use limits::{FAMILIES_AT_ONCE, QUERY_EVENTS_MAX, QUERY_ISSUED_MAX, QUERY_PEOPLE_MAX};
pub use people::{Consent, People, Person, Session};
pub use store::{Options, Store};

/// Blocks of the log of events as bytes; for those who test it from outside.
pub mod log_blocks {
    pub use crate::log::block::{HEADER_BYTES, Header, Key, encode, keys, next_header};
}

/// Records of the journal as bytes; for those who test it from outside.
pub mod journal_frames {
    pub use crate::journal::{decode, encode};
}
