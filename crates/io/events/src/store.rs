//! The store as its users see it.

use crate::error::EventsError;
use crate::event::{Appended, Filter, Page, StoredEvent};
use crate::keeper;
use crate::log::Log;
use crate::reading::{Place, Reading, Step};
use bartizan_core::Timestamp;
use bartizan_core::retention::{HoldScope, Retention};
use bartizan_core::status::EventsHeld;
use std::path::Path;
use std::sync::Arc;

/// An open store of events. Clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    log: Arc<Log>,
}

impl Events {
    /// Opens the folder and makes it where it is not there. One store alone may have it open: another one, in this process or elsewhere, is
    /// refused.
    ///
    /// A thread of its own puts what was written on the disk each second, lets old partitions go and packs closed ones; it ends when
    /// the store is closed or dropped.
    ///
    /// # Errors
    /// [`EventsError`], each variant with its way out.
    pub async fn open(dir: &Path, retention: Retention) -> Result<Self, EventsError> {
        Self::open_holding(dir, retention, Vec::new()).await
    }

    /// The same, where something is held from the first moment on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_holding(dir: &Path, retention: Retention, holds: Vec<HoldScope>) -> Result<Self, EventsError> {
        let dir = dir.to_owned();
        off_the_runtime(move || {
            let log = Arc::new(Log::open(&dir, retention, &holds)?);
            keeper::start(&log).map_err(|source| EventsError::File { path: dir, source })?;
            Ok(Self { log })
        })
        .await
    }

    /// Stores a batch: all of it or, with an error, nothing. Events that are there already are left as they are.
    ///
    /// Dropping the future does not undo anything: the batch may still be stored.
    ///
    /// # Errors
    /// [`EventsError::Full`] where there is no space; it works again by itself as soon as there is.
    pub async fn append(&self, batch: Vec<StoredEvent>) -> Result<Appended, EventsError> {
        if batch.is_empty() {
            return Ok(Appended::default());
        }
        let log = Arc::clone(&self.log);
        off_the_runtime(move || log.append(batch)).await
    }

    /// A page of the events that fit.
    ///
    /// # Errors
    /// [`EventsError`] where a file cannot be read.
    pub async fn find(&self, filter: &Filter) -> Result<Page, EventsError> {
        let (log, filter) = (Arc::clone(&self.log), filter.clone());
        off_the_runtime(move || log.find(&filter)).await
    }

    /// How long events are kept, and how many, from now on.
    pub fn set_retention(&self, retention: Retention) {
        self.log.set_retention(retention);
    }

    /// What is held from now on, and never goes. Waits for who packs a partition or writes one anew: a second or two. Blocks.
    pub fn set_holds(&self, holds: &[HoldScope]) {
        self.log.set_holds(holds);
    }

    /// What it holds.
    pub fn status(&self) -> EventsHeld {
        self.log.status()
    }

    /// What its own thread does each second, at once and until there is nothing more to pack. For tests and measurements.
    pub async fn tend(&self, now: Timestamp) {
        let log = Arc::clone(&self.log);
        let _ = off_the_runtime(move || {
            while log.tend(now) {}
            Ok(())
        })
        .await; // fails only where the runtime ends
    }

    /// Puts what was written on the disk and ends, with its thread; then the folder can be opened again. Further calls answer [`EventsError::Closed`].
    pub async fn close(&self) {
        let log = Arc::clone(&self.log);
        let _ = off_the_runtime(move || {
            log.close();
            Ok(())
        })
        .await; // fails only where the runtime ends
    }
}

/// Events that a reader has not passed yet.
#[derive(Debug)]
pub struct Unread {
    /// Those of one block, in the order in which they lie there.
    pub events: Vec<StoredEvent>,
    step: Step,
}

impl Events {
    /// Opens a reader of this name, at a place where one was before, or behind everything that is there. It reads events in the order in which they
    /// were stored, whatever time they are of.
    pub fn open_reader(&self, name: &str, place: Option<Place>) {
        self.log.open_reader(name, place);
    }

    /// Ends it.
    pub fn close_reader(&self, name: &str) {
        self.log.close_reader(name);
    }

    /// What comes next for it; `None` where it is at the end. The same again, until it was [passed](Self::pass).
    ///
    /// # Errors
    /// [`EventsError`] where a file cannot be read.
    pub async fn read_on(&self, name: &str) -> Result<Option<Unread>, EventsError> {
        let (log, name) = (Arc::clone(&self.log), name.to_owned());
        let read = off_the_runtime(move || log.read_on(&name)).await?;
        Ok(read.map(|(step, events)| Unread { events, step }))
    }

    /// The reader is done with these. False where they have gone meanwhile: then they count as missed.
    pub fn pass(&self, name: &str, unread: &Unread) -> bool {
        self.log.done(name, &unread.step)
    }

    /// Where it is, to open it there again; `None` where there is no such reader.
    pub fn place(&self, name: &str) -> Option<Place> {
        self.log.place(name)
    }

    /// What became of events for it.
    pub fn reading(&self, name: &str) -> Option<Reading> {
        self.log.reading(name)
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn off_the_runtime<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, EventsError> + Send + 'static,
) -> Result<T, EventsError> {
    // An error means that the runtime ends, or that the job panicked.
    tokio::task::spawn_blocking(job).await.unwrap_or(Err(EventsError::Closed))
}
