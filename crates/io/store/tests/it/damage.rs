//! Files that are not what they should be.

use crate::{Place, event};
use bartizan_core::Timestamp;
use bartizan_store::{Filter, Options, Store, StoreError, StoredEvent};
use sqlx::Connection;

const BATCH: u64 = 10;

async fn filled() -> Place {
    let place = Place::new();
    let store = place.open().await;
    for number in 0..8 {
        store.append((0..BATCH).map(|n| event(number * BATCH + n)).collect()).await.unwrap();
    }
    place
}

/// A place with one file of events of these bytes.
fn with_log(bytes: &[u8]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.events()).unwrap();
    std::fs::write(place.events().join("000000000001.events"), bytes).unwrap();
    place
}

async fn held(store: &Store) -> Vec<StoredEvent> {
    store.events(&Filter::default()).await.unwrap()
}

#[tokio::test]
async fn a_log_that_was_cut_anywhere_leaves_whole_batches_and_takes_further_ones() {
    let log = std::fs::read(&filled().await.event_files()[0]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for part in 0..=24 {
        let cut = with_log(&log[..log.len() * part / 24]);
        let store = cut.open().await;
        let before = held(&store).await;
        assert_eq!(before.len() as u64 % BATCH, 0, "a torn batch after {part}/24 of the log");
        assert!(before.iter().zip(0..).all(|(it, n)| *it == event(n)), "a gap after {part}/24 of the log");
        seen.insert(before.len());
        store.append(vec![event(900)]).await.unwrap();
        drop(store);
        let after = held(&cut.open().await).await;
        assert_eq!((&after[..before.len()], &after[before.len()..]), (&before[..], &[event(900)][..]), "{part}/24");
    }
    assert!(seen.len() > 3 && seen.contains(&80), "the cuts fell between batches: {seen:?}");
}

#[tokio::test]
async fn an_altered_byte_costs_one_batch_whether_it_is_seen_at_the_start_or_later() {
    let place = filled().await;
    let file = place.event_files()[0].clone();
    let log = std::fs::read(&file).unwrap();
    let running = place.open().await;
    let mut damaged = 0;
    for at in (8..log.len()).step_by(149) {
        let mut altered = log.clone();
        altered[at] ^= 0x20;
        let reopened = held(&with_log(&altered).open().await).await.len() as u64;
        assert_eq!(reopened, 7 * BATCH, "byte {at}, at the start");
        std::fs::write(&file, &altered).unwrap();
        // While it runs it knows from memory what stands in the header of a block.
        let alive = held(&running).await.len() as u64;
        assert!(alive == 7 * BATCH || alive == 8 * BATCH, "byte {at}, while it runs: {alive}");
        damaged += usize::from(alive == 7 * BATCH);
        std::fs::write(&file, &log).unwrap();
    }
    assert!(damaged > log.len() / 149 * 3 / 4, "{damaged}");
}

#[tokio::test]
async fn an_index_that_is_wrong_or_of_another_file_is_not_believed() {
    let place = Place::new();
    let store = place.open().await;
    let day = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 90_000), ..event(n) };
    for n in 0..6 {
        store.append(vec![day(n)]).await.unwrap();
    }
    store.close().await;
    assert_eq!(place.event_files().len(), 6, "a file for each day");
    let index = |n: usize| place.event_files()[n].with_extension("index");
    std::fs::write(index(0), b"BZINDEX1 and nothing good").unwrap();
    std::fs::copy(index(2), index(1)).unwrap();
    std::fs::remove_file(index(3)).unwrap();
    assert_eq!(held(&place.open().await).await, (0..6).map(day).collect::<Vec<_>>());
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
