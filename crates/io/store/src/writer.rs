//! The one task that writes.

use crate::connection::{self, Purpose};
use crate::epoch::{self, Content, Published};
use crate::error::StoreError;
use crate::issued;
use crate::meta;
use bartizan_core::Timestamp;
use bartizan_core::issued::Issued;
use bartizan_core::snapshot::{Epoch, Kind};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// What the writer can be asked for. The answer goes to the sender that came along.
pub(crate) enum Job {
    Publish(BTreeMap<Kind, Content>, Epoch, oneshot::Sender<Result<BTreeMap<Kind, Published>, StoreError>>),
    Issued(Vec<Issued>, Timestamp, oneshot::Sender<Result<(), StoreError>>),
    Claim(String, String, oneshot::Sender<Result<String, StoreError>>),
    Close(oneshot::Sender<()>),
}

/// Owns the writing connections; opens them when needed and again after a failure.
pub(crate) struct Writer {
    path: PathBuf,
    /// Pages for records of certificates, a count.
    issued_pages: u64,
    issued: Option<SqliteConnection>,
    state: Option<SqliteConnection>,
}

impl Writer {
    pub(crate) fn new(path: PathBuf, issued_pages: u64) -> Self {
        Self { path, issued_pages, issued: None, state: None }
    }

    /// Does one job after the other until it is told to close or nobody is left who could ask.
    pub(crate) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closed = None;
        while let Some(job) = jobs.recv().await {
            // A failed send means that whoever asked has gone; what was done stays done.
            match job {
                Job::Publish(contents, floor, answer) => drop(answer.send(self.publish(&contents, floor).await)),
                Job::Issued(batch, now, answer) => drop(answer.send(self.issued(&batch, now).await)),
                Job::Claim(key, value, answer) => drop(answer.send(self.claim(&key, &value).await)),
                Job::Close(answer) => {
                    closed = Some(answer);
                    break;
                }
            }
        }
        for connection in [self.issued.take(), self.state.take()].into_iter().flatten() {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, path = %self.path.display(), "the database did not close cleanly; its log is read at the next start");
            }
        }
        if let Some(answer) = closed {
            let _ = answer.send(());
        }
    }

    async fn publish(
        &mut self,
        contents: &BTreeMap<Kind, Content>,
        floor: Epoch,
    ) -> Result<BTreeMap<Kind, Published>, StoreError> {
        let mut connection = self.take(Purpose::State).await?;
        let result = match begin(&mut connection).await {
            Ok(()) => epoch::publish(&mut connection, &self.path, contents, floor).await,
            Err(error) => Err(StoreError::of(&self.path, error)),
        };
        self.finish(Purpose::State, connection, result).await
    }

    async fn issued(&mut self, batch: &[Issued], now: Timestamp) -> Result<(), StoreError> {
        match self.try_issued(batch, now).await {
            Err(StoreError::Full { .. }) => {}
            taken => return taken,
        }
        // Certificates that ran out make room for those that did not; with nothing to remove it stays full.
        self.try_issued(&[], now).await?;
        self.try_issued(batch, now).await
    }

    /// With an empty batch: removes what ran out.
    async fn try_issued(&mut self, batch: &[Issued], now: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.take(Purpose::Issued).await?;
        let result = match begin(&mut connection).await {
            Ok(()) if batch.is_empty() => issued::remove_before(&mut connection, &self.path, now).await,
            Ok(()) => issued::insert(&mut connection, &self.path, batch, now).await,
            Err(error) => Err(StoreError::of(&self.path, error)),
        };
        self.finish(Purpose::Issued, connection, result).await
    }

    async fn claim(&mut self, key: &str, value: &str) -> Result<String, StoreError> {
        let mut connection = self.take(Purpose::State).await?;
        let result = match begin(&mut connection).await {
            Ok(()) => meta::claim(&mut connection, &self.path, key, value).await,
            Err(error) => Err(StoreError::of(&self.path, error)),
        };
        self.finish(Purpose::State, connection, result).await
    }

    async fn take(&mut self, purpose: Purpose) -> Result<SqliteConnection, StoreError> {
        let held = match purpose {
            Purpose::Issued => self.issued.take(),
            Purpose::State => self.state.take(),
        };
        match held {
            Some(connection) => Ok(connection),
            None => connection::open(&self.path, purpose, self.issued_pages).await,
        }
    }

    /// Commits where all went well. After a failure the connection is given up: closing it undoes the transaction
    /// whatever state it is in (a full disk makes SQLite roll back on its own, or not), and the next job opens anew.
    async fn finish<T>(
        &mut self,
        purpose: Purpose,
        mut connection: SqliteConnection,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = match result {
            Ok(value) => {
                let committed = sqlx::query("COMMIT").execute(&mut connection).await;
                committed.map(|_| value).map_err(|e| StoreError::of(&self.path, e))
            }
            Err(error) => Err(error),
        };
        match (&result, purpose) {
            (Ok(_), Purpose::Issued) => self.issued = Some(connection),
            (Ok(_), Purpose::State) => self.state = Some(connection),
            (Err(_), _) => drop(connection.close().await),
        }
        result
    }
}

/// IMMEDIATE: the lock is taken, or waited for, here and not at the first write.
async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map(drop)
}
