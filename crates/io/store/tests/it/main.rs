//! The store against a real file: what it keeps, what it refuses, what a full disk and a power cut leave behind.
#![allow(clippy::unwrap_used, missing_docs)]

mod damage;
mod epochs;
mod grants;
mod journal;
mod people;

use bartizan_store::Store;
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

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }
}
