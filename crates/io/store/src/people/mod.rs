//! People who sign in, their sessions, and what they allowed: in a database of its own, `people.db`, so that neither events nor
//! certificates ever take its room, nor it theirs.
//!
//! What stands in a record is for control to say; here it is text. A person changes by comparing a version, so that what may be
//! used once (a code, a link) is used once whoever asks at the same time.

mod consents;
mod persons;
mod schema;
mod sessions;
mod subjects;

pub use consents::Consent;
pub use persons::Person;
pub use sessions::Session;

use crate::connection;
use crate::error::StoreError;
use crate::limits::{PEOPLE_PAGES, READER_WAIT, READERS_MAX};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// An open database of people. Clones share it.
#[derive(Clone, Debug)]
pub struct People {
    path: PathBuf,
    /// One writes at a time; opened again after a failure.
    writer: Arc<Mutex<Option<SqliteConnection>>>,
    readers: SqlitePool,
}

impl People {
    /// Opens the file, makes it where it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// [`StoreError`], each variant with its way out.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        connection::make_file(path)?;
        let mut first = connection::open_with(path, PEOPLE_PAGES).await?;
        crate::schema::migrate(&mut first, path, schema::STEPS).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(connection::options(path).pragma("query_only", "1"));
        Ok(Self { path: path.to_owned(), writer: Arc::new(Mutex::new(Some(first))), readers })
    }

    /// Closes the file. What is asked afterwards fails.
    pub async fn close(&self) {
        self.readers.close().await;
        if let Some(connection) = self.writer.lock().await.take()
            && let Err(error) = sqlx::Connection::close(connection).await
        {
            tracing::warn!(%error, path = %self.path.display(), "the database did not close cleanly; its log is read at the next start");
        }
    }

    /// Runs one statement that writes. Each stands alone, so that none is ever half done.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut held = self.writer.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None if self.readers.is_closed() => return Err(StoreError::Closed),
            None => connection::open_with(&self.path, PEOPLE_PAGES).await?,
        };
        // Where this future is dropped meanwhile, the connection goes with it.
        let result = work(&mut connection).await;
        match result {
            Ok(value) => {
                *held = Some(connection);
                Ok(value)
            }
            Err(error) => Err(StoreError::of(&self.path, error)),
        }
    }

    async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut connection: PoolConnection<Sqlite> = self.readers.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            other => StoreError::of(&self.path, other),
        })?;
        work(&mut connection).await.map_err(|error| StoreError::of(&self.path, error))
    }
}

/// A time as a database holds it.
fn signed(at: bartizan_core::Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

fn time(at: i64) -> bartizan_core::Timestamp {
    bartizan_core::Timestamp::from_millis(u64::try_from(at).unwrap_or(0))
}
