//! The disk of one member of a group that keeps the same log: its vote, its entries, and the state that stands for those before.
//!
//! In: what a step of the consensus asks to be kept, as one [`Change`]: one write and one flush ([`Files::keep`]). Out: what was
//! kept, at a start ([`Files::open`]). What an entry or the state means is not known here.
//! How much: see [`limits`]. The log is written anew ([`Files::put_state`]) as often as the caller likes.
//! After a kill or a power cut half a change may lie at the end: nobody was told that it was kept, and it is cut off. Damage that
//! has something behind it is none of these: the member does not start ([`ReplicaError::Damaged`]), since it may have forgotten what
//! it promised. Damage of the very last change cannot be told from one that was torn.
//! After a failed write nothing more is kept: what the disk has is known again only after a start.
//! Absent on purpose: deciding anything, sockets, tasks. Calls block for the disk.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod change; // start here: what is kept, and what comes of it
mod files; // how it lies on disk
mod frame;
pub mod limits;

pub use change::{Change, Entry, Found, Place, Vote};
pub use files::Files;

/// Frames as bytes; for those who test them from outside.
pub mod frames {
    pub use crate::frame::{Read, decode, encode};
}

use std::path::PathBuf;

/// Why nothing was kept or found.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// A file cannot be read or written. Nothing more is kept by this value; start again once the disk is well.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the folder.
    #[error("`{}` is in use by another process; one member has one folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// What was kept cannot be read any more. The member must not go on as itself.
    #[error("`{}` is damaged at byte {at}: {why}; move the folder away while the others are well, and start the member as one that is not new: it gets everything from them", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// In what way.
        why: &'static str,
    },
    /// More than is read back.
    #[error("{bytes} bytes are too many to keep in `{}`; {most} at most", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How many.
        bytes: usize,
        /// How many may be.
        most: usize,
    },
    /// An earlier call failed.
    #[error("nothing is kept in `{}` since a write failed; start again", path.display())]
    Broken {
        /// The folder.
        path: PathBuf,
    },
}
