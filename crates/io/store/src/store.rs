//! The store as its users see it.

use crate::connection;
use crate::epoch::{self, Content, Published};
use crate::error::StoreError;
use crate::event::{Appended, Filter, StoredEvent};
use crate::issued;
use crate::limits::{READER_WAIT, READERS_MAX, WRITER_QUEUE_MAX};
use crate::log::EventLog;
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

/// Folder of the log of events, beside the database.
const EVENTS: &str = "events";

/// How a store is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Bytes that events may take before further ones are refused. `None`: as many as the disk has.
    pub bytes_max: Option<u64>,
}

/// An open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    readers: SqlitePool,
    log: EventLog,
}

impl Store {
    /// Opens the file, makes it where it is not there, and brings its tables up to date; and the folder `events` beside it.
    ///
    /// Needs a tokio runtime, which gets one task that writes. Several processes may not write to one file usefully;
    /// a second one waits for locks but harms nothing.
    ///
    /// # Errors
    /// [`StoreError`], each variant with its way out.
    pub async fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        connection::make_file(path)?;
        let mut first = connection::open(path, connection::Purpose::State).await?;
        schema::migrate(&mut first, path, schema::STEPS).await?;
        drop(sqlx::Connection::close(first).await);

        let dir = path.with_file_name(EVENTS);
        let log = off_the_runtime(move || EventLog::open(&dir, options.bytes_max)).await?;
        let (jobs, queue) = mpsc::channel(WRITER_QUEUE_MAX);
        tokio::spawn(Writer::new(path.to_owned()).run(queue));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(connection::options(path).pragma("query_only", "1"));
        Ok(Self { path: path.to_owned(), jobs, readers, log })
    }

    /// Stores a batch: all of it or, with an error, nothing. Events that are there already are left as they are.
    ///
    /// Dropping the future does not undo anything: the batch may still be stored.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no space; it works again by itself as soon as there is.
    pub async fn append(&self, batch: Vec<StoredEvent>) -> Result<Appended, StoreError> {
        if batch.is_empty() {
            return Ok(Appended::default());
        }
        let log = self.log.clone();
        off_the_runtime(move || log.append(batch)).await
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

    /// The newest events that fit, in the order in which they happened.
    ///
    /// # Errors
    /// [`StoreError`] where a file cannot be read.
    pub async fn events(&self, filter: &Filter) -> Result<Vec<StoredEvent>, StoreError> {
        let (log, filter) = (self.log.clone(), filter.clone());
        off_the_runtime(move || log.find(&filter)).await
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
        let log = self.log.clone();
        let _ = off_the_runtime(move || {
            log.close();
            Ok(())
        })
        .await; // fails only where the runtime ends
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

/// Runs what waits for the disk where it holds nobody up.
async fn off_the_runtime<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // An error means that the runtime ends, or that the job panicked.
    tokio::task::spawn_blocking(job).await.unwrap_or(Err(StoreError::Closed))
}
