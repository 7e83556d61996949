//! The files of a ledger: entries, each on disk before anybody is told so, and a mark behind each group of them.
//!
//! In: groups of entries with their mark, opaque here ([`Writer::append`]): one write and one flush for a group. Out: the pieces in the order in
//! which they were written ([`read`]); where to go on after a start ([`Writer::open`]).
//! How much: an entry is at most [`ENTRY_BYTES_MAX`] bytes; nothing is ever deleted. Closed files can be moved into an archive
//! ([`Closed::archive`]); a seal of a few kilobytes stays in the place of each, opaque here as well.
//! After a kill or a power cut there may be half a group at the end: it was never confirmed and is cut off. Damage in the middle is left
//! as it is, and a new file is begun behind it: hiding it would be what the ledger is there to prevent.
//! Absent on purpose: hashes over entries, signatures, and what an entry means.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod frame; // start here: what lies on disk

mod archive;
mod limits;
mod read;
mod writer;

pub use archive::{Closed, closed};
pub use limits::{ENTRY_BYTES_MAX, FILE_BYTES, FILE_BYTES_MIN, MARK_BYTES_MAX};
pub use read::{Piece, read, read_with};
pub use writer::Writer;

/// Frames as bytes; for those who test them from outside.
pub mod frames {
    pub use crate::frame::{Frame, Kind, decode, encode, next_mark};
}

use std::path::PathBuf;

/// Why nothing was written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file cannot be read or written.
    #[error("cannot read or write the ledger in `{path}`: {why}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        why: String,
    },
    /// What is in a file cannot be sealed.
    #[error("`{path}` stays where it is: {why}")]
    Sealing {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// An entry or a mark longer than any that is read back.
    #[error("an entry of {bytes} bytes is too long for the ledger")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}
