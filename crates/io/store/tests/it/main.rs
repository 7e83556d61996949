//! The store against a real file: what it keeps, what it refuses, what a full disk and a power cut leave behind.
#![allow(clippy::unwrap_used, missing_docs)]

mod damage;
mod epochs;
mod events;
mod full;
mod grants;
mod journal;
mod people;

use bartizan_core::event::EventId;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use bartizan_store::{Options, Store, StoredEvent};
use std::path::PathBuf;

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("bartizan.db")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.dir.path().join("events")
    }

    /// The files of events, the oldest first.
    pub(crate) fn event_files(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.events()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|it| it == "events")).collect();
        files.sort();
        files
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.file(), Options::default()).await.unwrap()
    }
}

/// Event number `n`: at `n` milliseconds, of `accounts`, nothing denied.
pub(crate) fn event(n: u64) -> StoredEvent {
    StoredEvent {
        id: EventId(7, n),
        at: Timestamp::from_millis(n),
        service: Some(ServiceName::parse("accounts").unwrap()),
        request: Some(request(n)),
        denied: false,
        record: vec![1, 2, 3],
    }
}

pub(crate) fn request(n: u64) -> RequestId {
    RequestId::parse(&format!("{:032x}", n + 1)).unwrap()
}
