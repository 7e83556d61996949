//! The store of events: partitions of files that only grow, and the ways to find what is in them.
//!
//! In: batches of events with their records ([`record::write`] makes them, redacted and with their context). Out: pages of events by
//! time, service, identity, request, outcome, class and text, from the newest or the oldest on, with a cursor.
//! How much: [`Retention`](bartizan_core::retention::Retention) bounds age and bytes, and says what happens when they are full: further events
//! are refused, or the oldest go, plain ones first; each sort of events may have an age of its own, and what is held stays. All is counted ([`Events::status`]). A query looks at a bounded number of bytes and
//! tells where to go on.
//! A batch is stored whole or not at all, also after `kill -9`; a power cut may cost the last second. What is damaged is never
//! served; it costs the blocks that it touches.
//! Absent on purpose: what an event means, and whether it belongs to whoever asks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod event; // start here: what is stored, and how it is asked for
pub mod record; // from an event to what is stored of it, and back
mod store; // the verbs

mod block; // what lies on disk
mod bloom;
mod earlier; // the layout before
mod error;
mod find;
mod folder;
mod hold;
mod keeper;
mod keys;
mod known;
mod limits;
mod log;
mod outline;
mod pack;
mod reading;
mod segment;
mod sorts;
mod summary;
mod text;

#[cfg(test)]
mod tests;

pub use error::EventsError;
pub use event::{Appended, Cursor, Filter, Order, Page, StoredEvent};
pub use known::Known;
pub use limits::{QUERY_EVENTS_MAX, QUERY_TEXT_BYTES_MAX};
pub use reading::{Place, Reading};
pub use store::{Events, Unread};

/// Blocks as bytes; for those who test them from outside.
pub mod blocks {
    pub use crate::block::{HEADER_BYTES, Header, decode, encode, next_header};
    /// The events of a file of the layout before this one, without its first eight bytes, and how many could not be read.
    pub fn earlier(bytes: &[u8]) -> (Vec<crate::StoredEvent>, u64) {
        crate::earlier::events(bytes)
    }
}
