//! The store as its users see it.

use crate::error::EventsError;
use crate::event::{Appended, Filter, Page, StoredEvent};
use crate::keeper;
use crate::log::Log;
use bartizan_core::Timestamp;
use bartizan_core::retention::Retention;
use bartizan_core::status::EventsHeld;
use std::path::Path;
use std::sync::Arc;

/// An open store of events. Clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    log: Arc<Log>,
}

impl Events {
    /// Opens the folder and makes it where it is not there. One process alone may have it open.
    ///
    /// A thread of its own puts what was written on the disk each second, lets old partitions go and packs closed ones; it ends when
    /// the store is closed or dropped.
    ///
    /// # Errors
    /// [`EventsError`], each variant with its way out.
    pub async fn open(dir: &Path, retention: Retention) -> Result<Self, EventsError> {
        let dir = dir.to_owned();
        off_the_runtime(move || {
            let log = Arc::new(Log::open(&dir, retention)?);
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

    /// Puts what was written on the disk and ends. Further calls answer [`EventsError::Closed`].
    pub async fn close(&self) {
        let log = Arc::clone(&self.log);
        let _ = off_the_runtime(move || {
            log.close();
            Ok(())
        })
        .await; // fails only where the runtime ends
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn off_the_runtime<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, EventsError> + Send + 'static,
) -> Result<T, EventsError> {
    // An error means that the runtime ends, or that the job panicked.
    tokio::task::spawn_blocking(job).await.unwrap_or(Err(EventsError::Closed))
}
