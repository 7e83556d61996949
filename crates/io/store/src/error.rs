//! Why the store did not do what it was asked.

use std::path::{Path, PathBuf};

/// Why nothing was stored or read. What was stored before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, or the file has as many pages as it may. The same call succeeds once there is space.
    #[error("`{path}` has no space left: free some on its disk")]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The file is no database, or is damaged. Retrying cannot help.
    #[error("`{path}` is damaged or no database of ours: move it away, and a new one is made at the next start")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// A later version of this program wrote the file.
    #[error("`{path}` has layout {found}, this program knows up to {known}: use the later program")]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Layout of the file.
        found: i64,
        /// Newest layout known here.
        known: i64,
    },
    /// The file cannot be made or opened.
    #[error("cannot open `{path}`")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another failure, such as a lock held too long by another process. May be tried again.
    #[error("`{path}` failed")]
    Failed {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The same for another who waited for the same write.
    pub(crate) fn again(&self) -> Self {
        let copied = |source: &sqlx::Error| sqlx::Error::Protocol(source.to_string());
        match self {
            Self::Full { path } => Self::Full { path: path.clone() },
            Self::Damaged { path, source } => Self::Damaged { path: path.clone(), source: copied(source) },
            Self::Failed { path, source } => Self::Failed { path: path.clone(), source: copied(source) },
            // Nothing else comes of writing to a database.
            _ => Self::Closed,
        }
    }

    /// Sorts an error of SQLite by what can be done about it.
    pub(crate) fn of(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        let code = source.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<u32>().ok());
        match code {
            // SQLITE_FULL, and what a full disk looks like while the log or its index grows:
            // SQLITE_IOERR_WRITE, _FSYNC, _TRUNCATE, _SHMSIZE. https://www.sqlite.org/rescode.html
            Some(13 | 778 | 1034 | 1546 | 4874) => Self::Full { path },
            // SQLITE_CORRUPT with any detail in its upper bytes, SQLITE_NOTADB.
            Some(code) if matches!(code & 0xff, 11 | 26) => Self::Damaged { path, source },
            _ => Self::Failed { path, source },
        }
    }
}
