//! Files that are not what they should be.

use crate::Place;
use bartizan_store::{Store, StoreError};
use sqlx::Connection;

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = "no database at all ".repeat(400);
    std::fs::write(place.file(), &text).unwrap();
    let error = Store::open(&place.file()).await.unwrap_err();
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
    let error = Store::open(&place.file()).await.unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let file = place.dir.path().join("missing/bartizan.db");
    let error = Store::open(&file).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot open `{}`", file.display()));
    assert!(matches!(error, StoreError::Open { .. }));
}
