//! The store against real files: what it keeps, what it refuses, what a full disk and a kill leave behind.
#![allow(clippy::unwrap_used, missing_docs)]

mod at_once;
mod damage;
mod earlier;
mod finding;
mod full;
mod reading;

use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::retention::Retention;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use bartizan_events::{Events, Filter, Order, StoredEvent};
use std::path::PathBuf;

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.dir.path().join("events")
    }

    /// The partitions, the oldest first.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.events()).unwrap().map(|entry| entry.unwrap().path());
        let is_one = |path: &PathBuf| path.extension().is_some_and(|it| it == "events" || it == "packed");
        let mut files: Vec<_> = all.filter(is_one).collect();
        files.sort();
        files
    }

    /// Everything in the folder.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let mut all: Vec<_> = std::fs::read_dir(self.events()).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    }

    pub(crate) fn packed(&self) -> usize {
        self.files().iter().filter(|path| path.extension().is_some_and(|it| it == "packed")).count()
    }

    /// Bytes of all partitions. One that is just packed lies there in both forms for a moment, and counts once.
    pub(crate) fn bytes(&self) -> u64 {
        let is_packed = |path: &PathBuf| {
            path.extension().is_some_and(|it| it == "events") && path.with_extension("packed").exists()
        };
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |about| about.len());
        self.files().iter().filter(|path| !is_packed(path)).map(bytes).sum()
    }

    /// The same files elsewhere.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        std::fs::create_dir(copy.events()).unwrap();
        for file in std::fs::read_dir(self.events()).unwrap() {
            let path = file.unwrap().path();
            std::fs::copy(&path, copy.events().join(path.file_name().unwrap())).unwrap();
        }
        copy
    }

    /// Packs every partition.
    pub(crate) async fn pack(&self) {
        let store = self.open().await;
        // A day and more after it was first looked at, the growing one is closed too.
        store.tend(Timestamp::from_secs(0)).await;
        store.tend(Timestamp::from_secs(100_000)).await;
        store.close().await;
        assert_eq!(self.packed(), self.files().len());
    }

    pub(crate) async fn open(&self) -> Events {
        Events::open(&self.events(), Retention::default()).await.unwrap()
    }
}

/// All that is there, page by page.
pub(crate) async fn held(store: &Events) -> Vec<StoredEvent> {
    let mut filter = Filter { order: Order::Oldest, ..Filter::default() };
    let mut all = Vec::new();
    loop {
        let page = store.find(&filter).await.unwrap();
        all.extend(page.events);
        match page.next {
            Some(next) => filter.from = Some(next),
            None => return all,
        }
    }
}

/// Event number `n`: at `n` milliseconds, of `accounts`, nothing denied.
pub(crate) fn event(n: u64) -> StoredEvent {
    StoredEvent {
        id: EventId(7, n),
        at: Timestamp::from_millis(n),
        service: Some(ServiceName::parse("accounts").unwrap()),
        identity: None,
        user: None,
        request: Some(request(n)),
        class: Some(Class::Request),
        upshot: Upshot::Ok,
        record: vec![1, 2, 3],
    }
}

pub(crate) fn request(n: u64) -> RequestId {
    RequestId::parse(&format!("{:032x}", n + 1)).unwrap()
}
