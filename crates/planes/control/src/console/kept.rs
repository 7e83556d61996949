//! Sessions and links on disk: hashes of what opens them, so that whoever reads the file cannot use it.

use crate::limits::CONSOLE_FILE_BYTES_MAX;
use bartizan_core::Timestamp;
use bartizan_core::console::{ConsoleRole, Way};
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// The file, in the data folder.
pub(super) const FILE: &str = "console.json";

/// What it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// Whether somebody has signed in, ever.
    pub(super) used: bool,
    pub(super) sessions: Vec<Row>,
    pub(super) links: Vec<Link>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// SHA-256 of the cookie's secret, hex.
    pub(super) sha256: String,
    /// Its name, which opens nothing.
    pub(crate) session: String,
    pub(crate) name: String,
    /// The person's, where it is one of `people`: what that person may do is looked up each time.
    pub(crate) subject: Option<String>,
    /// Of those who came by a link.
    pub(crate) role: ConsoleRole,
    pub(crate) way: Way,
    pub(crate) began: Timestamp,
    pub(crate) seen: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) address: String,
    pub(crate) agent: String,
}

/// A link that was not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// SHA-256 of its token, hex.
    pub(super) sha256: String,
    pub(super) role: ConsoleRole,
    pub(super) name: String,
    pub(super) until: Timestamp,
}

/// Reads it; empty where there is none. Blocks for the disk.
pub(super) fn read(data: &Path) -> Result<Kept> {
    let bytes = match files::read_bounded(&data.join(FILE), CONSOLE_FILE_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
        bytes => bytes?,
    };
    serde_json::from_slice(&bytes).map_err(Error::other)
}

/// Writes it, for its owner alone. Blocks for the disk.
pub(super) fn write(data: &Path, kept: &Kept) -> Result<()> {
    files::write_atomic(&data.join(FILE), &serde_json::to_vec(kept).map_err(Error::other)?, 0o600)
}
