//! How a connection to the file is set up.

use crate::error::StoreError;
use crate::limits::{BUSY_TIMEOUT, PAGE_BYTES, WAL_BYTES_KEPT};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;

/// Who needs the connection, which decides how careful and how greedy it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Appends events: after a power cut the last moments may be missing, which costs far fewer disk flushes.
    Events,
    /// Takes in records of certificates: flushed at every commit, since the journal drops what is here.
    Issued,
    /// Numbers epochs: flushed at every commit, since a number that was used once must never be used again.
    State,
}

/// The part of the options that all connections share.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(u32::try_from(PAGE_BYTES).expect("4096 fits"))
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", WAL_BYTES_KEPT.to_string())
        // What a statement needs to undo itself; it would be written to a file and read back otherwise.
        .pragma("temp_store", "MEMORY")
        // Statements would be logged with their values.
        .disable_statement_logging()
}

/// Opens a connection of the writer.
pub(crate) async fn open(
    path: &Path,
    purpose: Purpose,
    pages_max: Option<u64>,
) -> Result<SqliteConnection, StoreError> {
    let synchronous = match purpose {
        Purpose::Events => SqliteSynchronous::Normal,
        Purpose::Issued | Purpose::State => SqliteSynchronous::Full,
    };
    let mut options = options(path).synchronous(synchronous);
    if let Some(pages) = pages_max {
        // Counts for this connection alone, which is what keeps room for epochs when events have filled theirs.
        options = options.pragma("max_page_count", pages.to_string());
    }
    SqliteConnection::connect_with(&options).await.map_err(|e| StoreError::of(path, e))
}

/// Makes the file, readable by its owner alone; SQLite gives its log and index files the same mode.
pub(crate) fn make_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::Open { path: path.to_owned(), source })
}
