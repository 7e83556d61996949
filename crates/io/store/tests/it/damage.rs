//! Files that are not what they should be.

use crate::{Place, event};
use bartizan_store::{Filter, Options, Store, StoreError};
use sqlx::Connection;

#[tokio::test]
async fn a_log_that_was_cut_anywhere_leaves_whole_batches() {
    const BATCH: u64 = 10;
    let place = Place::new();
    let store = place.open().await;
    for number in 0..8 {
        store.append((0..BATCH).map(|n| event(number * BATCH + n)).collect()).await.unwrap();
    }
    let database = std::fs::read(place.file()).unwrap();
    let log = std::fs::read(place.dir.path().join("bartizan.db-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for part in 0..=24 {
        let cut = Place::new();
        std::fs::write(cut.file(), &database).unwrap();
        std::fs::write(cut.dir.path().join("bartizan.db-wal"), &log[..log.len() * part / 24]).unwrap();
        let held = cut.open().await.events(&Filter::default()).await.unwrap();
        assert_eq!(held.len() as u64 % BATCH, 0, "a torn batch after {part}/24 of the log");
        assert!(held.iter().zip(0..).all(|(it, n)| *it == event(n)), "a gap after {part}/24 of the log");
        seen.insert(held.len());
    }
    assert!(seen.len() > 3 && seen.contains(&80), "the cuts fell between batches: {seen:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = "no database at all ".repeat(400);
    std::fs::write(place.file(), &text).unwrap();
    let error = Store::open(&place.file(), Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(std::fs::read_to_string(place.file()).unwrap(), text);
}

#[tokio::test]
async fn a_file_of_a_later_program_is_refused() {
    let place = Place::new();
    place.open().await.close().await;
    let url = format!("sqlite://{}", place.file().display());
    let mut shell = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&mut shell).await.unwrap();
    let error = Store::open(&place.file(), Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let file = place.dir.path().join("missing/bartizan.db");
    let error = Store::open(&file, Options::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot open `{}`", file.display()));
    assert!(matches!(error, StoreError::Open { .. }));
}
