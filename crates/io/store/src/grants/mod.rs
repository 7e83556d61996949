//! What apps may have on behalf of people, and apps that registered themselves: in a database of its own, `grants.db`, so that neither
//! events nor certificates ever take its room, nor it theirs.
//!
//! What stands in a record is for control to say; here it is text. A record changes by comparing the version that it was read with, so
//! that of two who use the same refresh token at once one sees that the other was first. Those who write at the same time share a flush
//! of the disk.

mod apps;
mod families;
mod logins;
mod schema;
mod writer;

pub use apps::StoredApp;
pub use families::{Put, StoredFamily, Whose};
pub use logins::{LoginChange, StoredLogin};

use crate::connection;
use crate::error::StoreError;
use crate::limits::{GRANTS_PAGES, GRANTS_QUEUE_MAX, READER_WAIT, READERS_MAX};
use crate::meta;
use bartizan_core::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};
use writer::{Job, Writer};

/// An open database of grants. Clones share it.
#[derive(Clone, Debug)]
pub struct Grants {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    readers: SqlitePool,
}

impl Grants {
    /// Opens the file, makes it where it is not there, and brings its tables up to date. Needs a tokio runtime, which gets one task that
    /// writes.
    ///
    /// # Errors
    /// [`StoreError`], each variant with its way out.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        connection::make_file(path)?;
        let mut first = connection::open_with(path, GRANTS_PAGES).await?;
        crate::schema::migrate(&mut first, path, schema::STEPS).await?;
        let (jobs, queue) = mpsc::channel(GRANTS_QUEUE_MAX);
        tokio::spawn(Writer::new(path.to_owned(), first).run(queue));
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(READER_WAIT)
            .connect_lazy_with(connection::options(path).pragma("query_only", "1"));
        Ok(Self { path: path.to_owned(), jobs, readers })
    }

    /// Stores a family's next state, on disk when this returns: a new one, or the successor of the version that it was read with.
    /// Families that have ended go on the way.
    ///
    /// # Errors
    /// [`StoreError`]; nothing changed, as far as can be told.
    pub async fn put(&self, family: StoredFamily, now: Timestamp) -> Result<Put, StoreError> {
        self.ask(|answer| Job::Family(Box::new(family), now, answer)).await
    }

    /// A family by its name.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn family(&self, id: &[u8; 16]) -> Result<Option<StoredFamily>, StoreError> {
        families::one(&mut *self.reader().await?, &self.path, id).await
    }

    /// Families that have not ended, at most [`crate::FAMILIES_AT_ONCE`] of them; whoever ends what it gets, asks again.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn families(&self, whose: &Whose, now: Timestamp) -> Result<Vec<StoredFamily>, StoreError> {
        families::of(&mut *self.reader().await?, &self.path, whose, now).await
    }

    /// How many families there are, ended ones too.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn count(&self) -> Result<u64, StoreError> {
        families::count(&mut *self.reader().await?, &self.path).await
    }

    /// All apps that registered themselves.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn apps(&self) -> Result<Vec<StoredApp>, StoreError> {
        apps::all(&mut *self.reader().await?, &self.path).await
    }

    /// Stores an app, in the place of the one of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_app(&self, app: StoredApp) -> Result<(), StoreError> {
        self.ask(|answer| Job::App(app, answer)).await
    }

    /// Forgets an app.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_app(&self, id: &str) -> Result<(), StoreError> {
        self.ask(|answer| Job::DropApp(id.to_owned(), answer)).await
    }

    /// Notes what becomes of log-ins at apps. Those that nobody has to be told of any more go on the way.
    ///
    /// # Errors
    /// [`StoreError`]; nothing changed, as far as can be told.
    pub async fn change_login(&self, change: LoginChange, now: Timestamp) -> Result<(), StoreError> {
        self.ask(|answer| Job::Login(change, now, answer)).await
    }

    /// Log-ins whose session is over and whose app is to be told now, at most a bounded number.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn logins_due(&self, now: Timestamp) -> Result<Vec<StoredLogin>, StoreError> {
        logins::due(&mut *self.reader().await?, &self.path, now).await
    }

    /// When the next app is to be told.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn next_login_due(&self) -> Result<Option<Timestamp>, StoreError> {
        logins::next_due(&mut *self.reader().await?, &self.path).await
    }

    /// Sets a name of the whole file where it has none yet, and returns what it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(&self, key: &str, value: &str) -> Result<String, StoreError> {
        self.ask(|answer| Job::Claim(key.to_owned(), value.to_owned(), answer)).await
    }

    /// What a name of the whole file is; `None` where it has none.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read.
    pub async fn claimed(&self, key: &str) -> Result<Option<String>, StoreError> {
        meta::claimed(&mut *self.reader().await?, &self.path, key).await
    }

    /// Ends the writer after what it has been given already, and the readers. Further calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        self.readers.close().await;
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            let _ = closed.await; // an error means that another call closed it first
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(writer::Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            other => StoreError::of(&self.path, other),
        })
    }
}
