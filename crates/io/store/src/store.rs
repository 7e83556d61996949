//! The store as its users see it.

use crate::connection;
use crate::epoch::{self, Content, Published};
use crate::error::StoreError;
use crate::issued;
use crate::limits::{ISSUED_PAGES, ISSUED_PAGES_IN_GROUP, READER_WAIT, READERS_MAX, WRITER_QUEUE_MAX};
use crate::schema;
use crate::writer::{Job, Writer};
use bartizan_core::Timestamp;
use bartizan_core::issued::{Issued, IssuedFilter};
use bartizan_core::snapshot::{Epoch, Kind};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// An open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    readers: SqlitePool,
}

impl Store {
    /// Opens the file, makes it where it is not there, and brings its tables up to date.
    ///
    /// Needs a tokio runtime, which gets one task that writes. Several processes may not write to one file usefully;
    /// a second one waits for locks but harms nothing.
    ///
    /// # Errors
    /// [`StoreError`], each variant with its way out.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, ISSUED_PAGES).await
    }

    /// As [`Store::open`], with less room for records of certificates: the file is kept by a group of controls.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_in_group(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, ISSUED_PAGES_IN_GROUP).await
    }

    async fn open_with(path: &Path, issued_pages: u64) -> Result<Self, StoreError> {
        connection::make_file(path)?;
        let mut first = connection::open(path, connection::Purpose::State, issued_pages).await?;
        schema::migrate(&mut first, path, schema::STEPS).await?;
        drop(sqlx::Connection::close(first).await);

        let (jobs, queue) = mpsc::channel(WRITER_QUEUE_MAX);
        tokio::spawn(Writer::new(path.to_owned(), issued_pages).run(queue));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(connection::options(path).pragma("query_only", "1"));
        Ok(Self { path: path.to_owned(), jobs, readers })
    }

    /// Takes the content of every given kind. Where it differs from the newest one, the epoch of that kind grows by one;
    /// else it stays. All kinds in one transaction, on disk when this returns. A new epoch is larger than `floor`.
    ///
    /// # Errors
    /// [`StoreError`]; no epoch has grown then.
    pub async fn publish(
        &self,
        contents: BTreeMap<Kind, Content>,
        floor: Epoch,
    ) -> Result<BTreeMap<Kind, Published>, StoreError> {
        self.ask(|answer| Job::Publish(contents, floor, answer)).await?
    }

    /// Sets a name of the whole store where it has none yet, and returns what it is. A caller that gets another value
    /// back than it gave has opened somebody else's store.
    ///
    /// # Errors
    /// [`StoreError`] where it could be neither written nor read.
    pub async fn claim(&self, key: &str, value: &str) -> Result<String, StoreError> {
        self.ask(|answer| Job::Claim(key.to_owned(), value.to_owned(), answer)).await?
    }

    /// The content that was published under `epoch`; `None` where that number is unknown or its content no longer kept.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn content(&self, kind: Kind, epoch: Epoch) -> Result<Option<String>, StoreError> {
        epoch::content(&mut *self.reader().await?, &self.path, kind, epoch).await
    }

    /// Takes in records of certificates, on disk when this returns; those that are there already stay as they are. Certificates
    /// that ran out a quarter before `now` go.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is there then.
    pub async fn take_issued(&self, batch: Vec<Issued>, now: Timestamp) -> Result<(), StoreError> {
        self.ask(|answer| Job::Issued(batch, now, answer)).await?
    }

    /// The newest records of certificates that fit, in the order in which they were issued.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn issued(&self, filter: &IssuedFilter) -> Result<Vec<Issued>, StoreError> {
        issued::query(&mut *self.reader().await?, &self.path, filter).await
    }

    /// Ends the writer after what it has been given already, and the readers. Further calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        self.readers.close().await;
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            // An error means that another call closed it first.
            let _ = closed.await;
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            other => StoreError::of(&self.path, other),
        })
    }
}
