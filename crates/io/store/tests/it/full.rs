//! A full store: refused whole, nothing torn, works again by itself.

use crate::{Place, event};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_store::{Content, Filter, Options, Store, StoreError, StoredEvent};
use std::collections::BTreeMap;

const BATCH: u64 = 100;

fn batch(number: u64) -> Vec<StoredEvent> {
    (0..BATCH).map(|n| StoredEvent { record: vec![b'x'; 1000], ..event(number * BATCH + n) }).collect()
}

async fn fill(store: &Store) -> u64 {
    for number in 0..100 {
        match store.append(batch(number)).await {
            Ok(_) => {}
            Err(StoreError::Full { .. }) => return number,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("10 MB fitted into 1 MB");
}

async fn held(store: &Store) -> Vec<u64> {
    store.events(&Filter::default()).await.unwrap().iter().map(|e| e.at.as_millis()).collect()
}

#[tokio::test]
async fn a_full_store_takes_whole_batches_or_none_and_recovers() {
    let place = Place::new();
    let store = Store::open(&place.file(), Options { bytes_max: Some(1 << 20) }).await.unwrap();
    let batches = fill(&store).await;
    assert!(batches > 2, "something fits");
    for again in 0..3 {
        assert!(matches!(store.append(batch(200 + again)).await, Err(StoreError::Full { .. })));
    }
    assert_eq!(held(&store).await, (0..batches * BATCH).collect::<Vec<_>>(), "no part of a refused batch");

    // Policies can change all the same.
    let content = Content { hash: "h".to_owned(), text: "p".repeat(500_000) };
    let done = store.publish(BTreeMap::from([(Kind::Policies, content)]), Epoch(0)).await.unwrap();
    assert_eq!(done[&Kind::Policies].epoch, Epoch(1));
    assert!(matches!(store.append(batch(300)).await, Err(StoreError::Full { .. })), "not for events");

    // Space comes back, here by somebody with a shell.
    for file in std::fs::read_dir(place.events()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    store.append(batch(400)).await.unwrap();
    assert_eq!(held(&store).await, (400 * BATCH..401 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_room_at_the_next_start_ends_the_refusals() {
    let place = Place::new();
    let small = Store::open(&place.file(), Options { bytes_max: Some(1 << 20) }).await.unwrap();
    let batches = fill(&small).await;
    small.close().await;
    let large = Store::open(&place.file(), Options { bytes_max: Some(8 << 20) }).await.unwrap();
    large.append(batch(batches)).await.unwrap();
    assert_eq!(held(&large).await.len() as u64, (batches + 1) * BATCH);
}

#[tokio::test]
async fn a_store_without_any_room_still_opens_and_numbers_epochs() {
    let place = Place::new();
    let store = Store::open(&place.file(), Options { bytes_max: Some(1) }).await.unwrap();
    assert_eq!(fill(&store).await, 0, "nothing fits");
    let content = Content { hash: "h".to_owned(), text: String::new() };
    assert!(store.publish(BTreeMap::from([(Kind::Bundles, content)]), Epoch(0)).await.unwrap()[&Kind::Bundles].changed);
}
