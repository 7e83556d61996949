//! A full store: refused whole or the oldest go, as declared, nothing torn; and events that are too old.

use crate::{Place, event, held};
use bartizan_core::Timestamp;
use bartizan_core::retention::{Retention, WhenFull};
use bartizan_events::{Events, EventsError, Filter, StoredEvent};
use std::time::Duration;

const BATCH: u64 = 100;

fn at_most(bytes: u64, when_full: WhenFull) -> Retention {
    Retention { bytes_max: Some(bytes), when_full, ..Retention::default() }
}

/// What hardly can be packed.
fn batch(number: u64) -> Vec<StoredEvent> {
    let noise = |n: u64| {
        (0..1000u64).scan(n * 2 + 1, |all, _| {
            *all = all.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some((*all >> 56) as u8)
        })
    };
    (0..BATCH)
        .map(|n| StoredEvent { record: noise(number * BATCH + n).collect(), ..event(number * BATCH + n) })
        .collect()
}

async fn fill(store: &Events) -> u64 {
    for number in 0..100 {
        match store.append(batch(number)).await {
            Ok(_) => {}
            Err(EventsError::Full { .. }) => return number,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("10 MB fitted into 1 MB");
}

async fn numbers(store: &Events) -> Vec<u64> {
    held(store).await.iter().map(|e| e.at.as_millis()).collect()
}

#[tokio::test]
async fn a_full_store_takes_whole_batches_or_none_and_recovers() {
    let place = Place::new();
    let store = Events::open(&place.events(), at_most(1 << 20, WhenFull::Refuse)).await.unwrap();
    let batches = fill(&store).await;
    assert!(batches > 2, "something fits");
    for again in 0..3 {
        assert!(matches!(store.append(batch(200 + again)).await, Err(EventsError::Full { .. })));
    }
    assert_eq!(numbers(&store).await, (0..batches * BATCH).collect::<Vec<_>>(), "no part of a refused batch");
    assert_eq!(store.status().displaced, 0, "nothing goes by itself");

    // Space comes back, here by somebody with a shell.
    for file in std::fs::read_dir(place.events()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    store.append(batch(400)).await.unwrap();
    assert_eq!(numbers(&store).await, (400 * BATCH..401 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_oldest_make_room_a_partition_at_a_time_where_that_is_declared() {
    let place = Place::new();
    let retention = at_most(1 << 20, WhenFull::Drop);
    let store = Events::open(&place.events(), retention).await.unwrap();
    for number in 0..60 {
        store.append(batch(number)).await.unwrap();
        let counted = store.status().bytes;
        assert!(counted <= 1 << 20, "{counted} bytes after batch {number}");
        // One that had to go while it was being packed lies there until that is done: a partition, which is a batch here.
        let on_disk = place.bytes();
        assert!(
            on_disk <= (1 << 20) + BATCH * 1_200,
            "{on_disk} bytes on disk after batch {number}, {counted} counted"
        );
    }
    let status = store.status();
    let kept = numbers(&store).await;
    let first = *kept.first().unwrap();
    assert_eq!(kept, (first..60 * BATCH).collect::<Vec<_>>(), "the newest, without a gap");
    assert!(kept.len() as u64 >= 5 * BATCH, "{} are kept", kept.len());
    assert_eq!((status.events, status.displaced), (kept.len() as u64, first), "{status:?}");
    assert_eq!(status.oldest_at, Some(Timestamp::from_millis(first)));
    assert!(first > 0 && first.is_multiple_of(BATCH));
    store.close().await;
    assert_eq!(numbers(&Events::open(&place.events(), retention).await.unwrap()).await, kept, "also after a start");
}

#[tokio::test]
async fn a_batch_that_never_fits_is_refused_and_costs_what_is_there_only_where_that_is_declared() {
    for (when_full, left) in [(WhenFull::Refuse, 1), (WhenFull::Drop, 0)] {
        let place = Place::new();
        let store = Events::open(&place.events(), at_most(64 << 10, when_full)).await.unwrap();
        store.append(vec![event(1)]).await.unwrap();
        assert!(matches!(store.append(batch(1)).await, Err(EventsError::Full { .. })));
        assert_eq!(held(&store).await.len(), left, "{when_full:?}");
        store.append(vec![event(2)]).await.unwrap();
    }
}

#[tokio::test]
async fn more_room_ends_the_refusals_also_without_a_start() {
    let place = Place::new();
    let store = Events::open(&place.events(), at_most(1 << 20, WhenFull::Refuse)).await.unwrap();
    let batches = fill(&store).await;
    store.set_retention(at_most(8 << 20, WhenFull::Refuse));
    store.append(batch(batches)).await.unwrap();
    assert_eq!(numbers(&store).await.len() as u64, (batches + 1) * BATCH);
}

#[tokio::test]
async fn a_store_without_any_room_still_opens() {
    let place = Place::new();
    let store = Events::open(&place.events(), at_most(1, WhenFull::Refuse)).await.unwrap();
    assert_eq!(fill(&store).await, 0, "nothing fits");
    assert_eq!(store.find(&Filter::default()).await.unwrap().events, []);
}

#[tokio::test]
async fn what_is_too_old_goes_with_its_partition_and_nothing_else_does() {
    let place = Place::new();
    let keep = Duration::from_secs(8 * 3_600);
    let store = Events::open(&place.events(), Retention { keep: Some(keep), ..Retention::default() }).await.unwrap();
    let hour = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 3_600), ..event(n) };
    for n in 0..24 {
        store.append(vec![hour(n)]).await.unwrap();
    }
    store.tend(Timestamp::from_secs(7 * 3_600)).await;
    assert_eq!(held(&store).await.len(), 24, "nothing is too old yet");
    store.tend(Timestamp::from_secs(20 * 3_600)).await;
    let kept: Vec<u64> = held(&store).await.iter().map(|event| event.id.1).collect();
    // A partition spans an eighth of the time: what shares one with a younger event stays until that goes too.
    assert!(kept == (12..24).collect::<Vec<_>>() || kept == (11..24).collect::<Vec<_>>(), "{kept:?}");
    assert_eq!(store.status().aged, 24 - kept.len() as u64);
    let (files, packed) = (place.files().len(), place.packed());
    assert!(files <= 13 && packed > 0, "{files} files, {packed} packed");
}
