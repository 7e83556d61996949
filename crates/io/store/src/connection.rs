//! How a connection to the file is set up.

use crate::error::StoreError;
use crate::limits::{BUSY_TIMEOUT, PAGE_BYTES, RESERVED_PAGES, WAL_BYTES_KEPT};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;

/// Who needs the connection, which decides how greedy it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Takes in records of certificates.
    Issued,
    /// Numbers epochs.
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

/// Opens a connection of the writer. Flushed at every commit: a number of an epoch that was used once must never be used again,
/// and the journal drops the certificates that are here. `issued` is the count of pages for these.
pub(crate) async fn open(path: &Path, purpose: Purpose, issued: u64) -> Result<SqliteConnection, StoreError> {
    // Counts for this connection alone, which is what keeps room for epochs when certificates have filled theirs.
    let pages_max = match purpose {
        Purpose::Issued => issued,
        Purpose::State => issued + RESERVED_PAGES,
    };
    open_with(path, pages_max).await
}

/// As [`open`], for a file that may have so many pages.
pub(crate) async fn open_with(path: &Path, pages_max: u64) -> Result<SqliteConnection, StoreError> {
    let options = options(path).synchronous(SqliteSynchronous::Full).pragma("max_page_count", pages_max.to_string());
    SqliteConnection::connect_with(&options).await.map_err(|e| StoreError::of(path, e))
}

/// Makes the file, readable by its owner alone; SQLite gives its log and index files the same mode.
pub(crate) fn make_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::Open { path: path.to_owned(), source })
}
