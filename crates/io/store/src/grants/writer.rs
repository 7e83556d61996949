//! The one task that writes: what waits at the same time shares a transaction, and so a flush of the disk.

use super::apps::{self, StoredApp};
use super::families::{self, Put, StoredFamily};
use super::logins::{self, LoginChange};
use crate::connection;
use crate::error::StoreError;
use crate::limits::{GRANTS_GROUP_MAX, GRANTS_PAGES};
use crate::meta;
use bartizan_core::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer can be asked for. The answer goes to the sender that came along.
pub(super) enum Job {
    Family(Box<StoredFamily>, Timestamp, Answer<Put>),
    App(StoredApp, Answer<()>),
    DropApp(String, Answer<()>),
    Login(LoginChange, Timestamp, Answer<()>),
    Claim(String, String, Answer<String>),
    Close(oneshot::Sender<()>),
}

/// An answer that waits for the transaction to be on disk.
enum Done {
    Put(Put, Answer<Put>),
    Nothing(Answer<()>),
    Text(String, Answer<String>),
}

impl Done {
    /// Of a job that was not begun.
    fn of(job: Job) -> Option<Self> {
        match job {
            Job::Family(_, _, answer) => Some(Self::Put(Put::Changed, answer)),
            Job::App(_, answer) | Job::DropApp(_, answer) | Job::Login(_, _, answer) => Some(Self::Nothing(answer)),
            Job::Claim(_, _, answer) => Some(Self::Text(String::new(), answer)),
            Job::Close(_) => None,
        }
    }

    fn tell(self, error: Option<&StoreError>) {
        // A failed send means that whoever asked has gone; what was done stays done.
        match (self, error) {
            (Self::Put(put, answer), None) => drop(answer.send(Ok(put))),
            (Self::Nothing(answer), None) => drop(answer.send(Ok(()))),
            (Self::Text(text, answer), None) => drop(answer.send(Ok(text))),
            (Self::Put(_, answer), Some(error)) => drop(answer.send(Err(error.again()))),
            (Self::Nothing(answer), Some(error)) => drop(answer.send(Err(error.again()))),
            (Self::Text(_, answer), Some(error)) => drop(answer.send(Err(error.again()))),
        }
    }
}

/// Owns the writing connection; opens it anew after a failure.
pub(super) struct Writer {
    path: PathBuf,
    connection: Option<SqliteConnection>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, connection: SqliteConnection) -> Self {
        Self { path, connection: Some(connection) }
    }

    /// Does what waits, together, until it is told to close or nobody is left who could ask.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GRANTS_GROUP_MAX);
        let mut closed = None;
        while closed.is_none() && jobs.recv_many(&mut group, GRANTS_GROUP_MAX).await > 0 {
            let mut taken = Vec::with_capacity(group.len());
            for job in group.drain(..) {
                match job {
                    Job::Close(answer) => closed = Some(answer),
                    // What comes behind a close was asked too late: dropping it says so.
                    _ if closed.is_some() => {}
                    job => taken.push(job),
                }
            }
            self.group(taken).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, path = %self.path.display(), "the database did not close cleanly; its log is read at the next start");
        }
        if let Some(answer) = closed {
            let _ = answer.send(());
        }
    }

    async fn group(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut done = Vec::with_capacity(jobs.len());
        let failed = self.commit(jobs, &mut done).await.err();
        done.into_iter().for_each(|done| done.tell(failed.as_ref()));
    }

    /// All of them in one transaction, on disk when this returns well. A job that fails takes those with it that share the
    /// transaction: a statement fails where the disk does, and then the others would too.
    async fn commit(&mut self, jobs: Vec<Job>, done: &mut Vec<Done>) -> Result<(), StoreError> {
        let mut connection = match self.begin().await {
            Ok(connection) => connection,
            Err(error) => {
                done.extend(jobs.into_iter().filter_map(Done::of));
                return Err(error);
            }
        };
        let failed = |e| StoreError::of(&self.path, e);
        let mut now = None;
        let mut first_error = None;
        for job in jobs {
            let result = self.job(&mut connection, job, done, &mut now).await;
            if let Err(error) = result {
                // The others hear of it too, so they are gone through all the same.
                first_error.get_or_insert(error);
            }
        }
        if let Some(error) = first_error {
            // Giving the connection up undoes the transaction.
            drop(connection.close().await);
            return Err(error);
        }
        if let Some(now) = now {
            families::remove_ended(&mut connection, &self.path, now).await?;
        }
        sqlx::query("COMMIT").execute(&mut connection).await.map_err(failed)?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn begin(&mut self) -> Result<SqliteConnection, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::open_with(&self.path, GRANTS_PAGES).await?,
        };
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await;
        begun.map(|_| connection).map_err(|e| StoreError::of(&self.path, e))
    }

    async fn job(
        &self,
        connection: &mut SqliteConnection,
        job: Job,
        done: &mut Vec<Done>,
        latest: &mut Option<Timestamp>,
    ) -> Result<(), StoreError> {
        match job {
            Job::Family(family, now, answer) => {
                *latest = (*latest).max(Some(now));
                let put = families::put(connection, &self.path, &family).await;
                done.push(Done::Put(*put.as_ref().unwrap_or(&Put::Changed), answer));
                put.map(drop)
            }
            Job::App(app, answer) => {
                done.push(Done::Nothing(answer));
                apps::put(connection, &self.path, &app).await
            }
            Job::DropApp(id, answer) => {
                done.push(Done::Nothing(answer));
                apps::drop_one(connection, &self.path, &id).await
            }
            Job::Login(change, now, answer) => {
                done.push(Done::Nothing(answer));
                logins::change(connection, &self.path, &change, now).await
            }
            Job::Claim(key, value, answer) => {
                let claimed = meta::claim(connection, &self.path, &key, &value).await;
                done.push(Done::Text(claimed.as_ref().cloned().unwrap_or_default(), answer));
                claimed.map(drop)
            }
            // Taken out before.
            Job::Close(_) => Ok(()),
        }
    }
}
