//! The journal of certificates: what was issued is here, on disk, before the certificate leaves.
//!
//! In: records, one each ([`Journal::record`] returns once the disk has it). Records that come at the same time share one
//! flush. Out: records that the database has not taken in, oldest first ([`Journal::next`]), until it has ([`Journal::taken`]).
//! How much: a folder of segments of 4 MiB, a gigabyte in all. Beyond that, or where the disk refuses, nothing can be
//! recorded, and whoever issues has to refuse ([`JournalError`]).
//! What a power cut left half written is put aside at the next start; it belongs to certificates that nobody was given.

mod frame;
mod segments; // the files
mod writer; // the thread that writes

pub use frame::{decode, encode};

use crate::limits::JOURNAL_QUEUE_MAX;
use bartizan_core::issued::{Issued, IssuedFilter, IssuedStatus};
use segments::Segments;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};
use writer::Job;

/// Why a certificate was not recorded. It must not be handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The folder or a file in it cannot be used. Works again by itself once the disk does.
    #[error("certificates cannot be recorded in `{}`, so none is issued: {why}; free its disk, or give the folder back", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the kernel said.
        why: String,
    },
    /// The database has not taken records in for so long that there is no room for more.
    #[error("`{}` holds {bytes} bytes of records that the database has not taken in, so no certificate is issued; mend the database", path.display())]
    Full {
        /// The folder.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A record longer than any that is read back.
    #[error("the record of `{id}` is too long for the journal; no certificate was issued")]
    TooLong {
        /// Whose it is.
        id: String,
    },
    /// The journal was closed.
    #[error("the journal of certificates is closed")]
    Closed,
}

/// Records that the database is to take in, and where they end.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Oldest first.
    pub records: Vec<Issued>,
    segment: u64,
    end: u64,
}

/// An open journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when there is something to take in.
    more: Notify,
}

#[derive(Debug)]
struct State {
    segments: Segments,
    status: IssuedStatus,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the folder, makes it where it is not there, and puts aside what is torn. Starts a thread that ends with the
    /// last clone.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let (segments, waiting) = Segments::open(dir)?;
        let status = IssuedStatus { waiting, ..IssuedStatus::default() };
        let shared = Arc::new(Shared { state: Mutex::new(State { segments, status }), more: Notify::new() });
        let (jobs, queue) = mpsc::channel(JOURNAL_QUEUE_MAX);
        let writing = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("bartizan-journal".to_owned())
            .spawn(move || writer::run(&writing, queue))
            .map_err(|error| JournalError::File { path: dir.to_owned(), why: error.to_string() })?;
        Ok(Self { shared, jobs })
    }

    /// Puts a record on disk. Dropping the future does not undo anything: it may still be recorded.
    ///
    /// # Errors
    /// [`JournalError`]; the certificate must not be handed out then.
    pub async fn record(&self, issued: &Issued) -> Result<(), JournalError> {
        let id = || issued.id.as_str().to_owned();
        let frame = encode(issued).ok_or_else(|| JournalError::TooLong { id: id() })?;
        self.ask(frame).await
    }

    /// Whether records can be written now. Costs nothing while they can; after a failure the disk is tried again.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn ready(&self) -> Result<(), JournalError> {
        if self.shared.state().status.reason.is_none() {
            return Ok(());
        }
        self.ask(Vec::new()).await
    }

    /// The oldest records that were not taken in; `None` where there are none. Reads the disk.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn next(&self) -> Result<Option<Waiting>, JournalError> {
        // Read outside of the lock: a segment is never changed before its end.
        loop {
            let Some(part) = self.shared.state().segments.oldest() else { return Ok(None) };
            let (records, length) = part.read()?;
            if !records.is_empty() {
                return Ok(Some(Waiting { records, segment: part.number, end: part.from + length }));
            }
            let mut state = self.shared.state();
            let lost = state.segments.skip(&part);
            tracing::error!(segment = part.number, bytes = lost, "records of certificates cannot be read any more");
        }
    }

    /// The database has these.
    pub fn taken(&self, waiting: &Waiting) {
        let mut state = self.shared.state();
        state.segments.advance(waiting.segment, waiting.end);
        state.status.waiting = state.status.waiting.saturating_sub(waiting.records.len() as u64);
        state.status.database = None;
    }

    /// The database does not take records in. True where it did before.
    pub fn not_taken(&self, why: String) -> bool {
        self.shared.state().status.database.replace(why).is_none()
    }

    /// Returns once something may wait to be taken in.
    pub async fn more(&self) {
        self.shared.more.notified().await;
    }

    /// Records that were not taken in and fit, oldest first, the newest `limit` of them. Reads the disk.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn find(&self, filter: &IssuedFilter) -> Result<Vec<Issued>, JournalError> {
        let mut found = std::collections::VecDeque::new();
        let parts = self.shared.state().segments.all();
        for mut part in parts {
            loop {
                let (records, length) = match part.read() {
                    // It was taken in meanwhile.
                    Err(_) if !part.path.exists() => break,
                    read => read?,
                };
                if records.is_empty() {
                    break;
                }
                part.from += length;
                for issued in records.into_iter().filter(|issued| filter.fits(issued)) {
                    found.push_back(issued);
                    if found.len() > filter.limit as usize {
                        found.pop_front();
                    }
                }
            }
        }
        Ok(found.into())
    }

    /// How it fares.
    pub fn status(&self) -> IssuedStatus {
        self.shared.state().status.clone()
    }

    async fn ask(&self, frame: Vec<u8>) -> Result<(), JournalError> {
        let (answer, done) = oneshot::channel();
        self.jobs.send(Job { frame, answer }).await.map_err(|_| JournalError::Closed)?;
        done.await.map_err(|_| JournalError::Closed)?
    }
}
