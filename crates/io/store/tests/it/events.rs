//! What is stored is found again, by every filter.

use crate::{Place, event, request};
use bartizan_core::event::EventId;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_store::{Appended, Filter, StoreError, StoredEvent};

#[tokio::test]
async fn an_event_comes_back_as_it_went_in() {
    let place = Place::new();
    let store = place.open().await;
    let full = event(5);
    let bare =
        StoredEvent { id: EventId(u64::MAX, u64::MAX), service: None, request: None, record: Vec::new(), ..event(6) };
    assert_eq!(store.append(vec![full.clone(), bare.clone()]).await.unwrap(), Appended { new: 2, known: 0 });
    assert_eq!(store.events(&Filter::default()).await.unwrap(), [full, bare]);
}

#[tokio::test]
async fn a_repeated_event_is_known_and_stays_as_it_was() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1), event(2)]).await.unwrap();
    let changed = StoredEvent { record: vec![9], ..event(2) };
    assert_eq!(store.append(vec![changed, event(3)]).await.unwrap(), Appended { new: 1, known: 1 });
    let stored = store.events(&Filter::default()).await.unwrap();
    assert_eq!(stored, [event(1), event(2), event(3)]);
}

#[tokio::test]
async fn each_filter_narrows_and_all_work_together() {
    let place = Place::new();
    let store = place.open().await;
    let ledger = ServiceName::parse("ledger").unwrap();
    let mut all: Vec<_> = (0..40).map(event).collect();
    for it in &mut all[20..] {
        it.service = Some(ledger.clone());
    }
    for it in all.iter_mut().step_by(2) {
        it.denied = true;
    }
    store.append(all).await.unwrap();

    let ms = Timestamp::from_millis;
    for (filter, expected, why) in [
        (Filter { service: Some(ledger.clone()), ..Filter::default() }, (20..40).collect::<Vec<u64>>(), "service"),
        (Filter { denied: true, ..Filter::default() }, (0..40).step_by(2).collect(), "denied"),
        (Filter { since: Some(ms(37)), ..Filter::default() }, vec![37, 38, 39], "since is inclusive"),
        (Filter { until: Some(ms(2)), ..Filter::default() }, vec![0, 1], "until is exclusive"),
        (Filter { request: Some(request(9)), ..Filter::default() }, vec![9], "request"),
        (Filter { limit: Some(2), ..Filter::default() }, vec![38, 39], "the newest, oldest first"),
        (Filter { limit: Some(0), ..Filter::default() }, vec![], "none asked for"),
        (
            Filter {
                service: Some(ledger),
                denied: true,
                since: Some(ms(30)),
                until: Some(ms(39)),
                limit: Some(3),
                request: None,
            },
            vec![34, 36, 38],
            "all together",
        ),
    ] {
        let found: Vec<u64> = store.events(&filter).await.unwrap().iter().map(|e| e.at.as_millis()).collect();
        assert_eq!(found, expected, "{why}");
    }
}

#[tokio::test]
async fn more_than_one_insert_is_one_batch() {
    let place = Place::new();
    let store = place.open().await;
    let done = store.append((0..1000).map(event).collect()).await.unwrap();
    assert_eq!(done, Appended { new: 1000, known: 0 });
    assert_eq!(store.events(&Filter::default()).await.unwrap().len(), 1000);
    assert_eq!(store.append(Vec::new()).await.unwrap(), Appended::default());
}

#[tokio::test]
async fn what_was_stored_before_a_kill_is_there_afterwards() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    drop(store); // not closed, as after `kill -9`
    assert_eq!(place.open().await.events(&Filter::default()).await.unwrap(), [event(1)]);
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    store.clone().close().await;
    store.close().await;
    assert!(matches!(store.append(vec![event(2)]).await, Err(StoreError::Closed)));
    assert!(matches!(store.events(&Filter::default()).await, Err(StoreError::Closed)));
    assert!(!place.dir.path().join("bartizan.db-wal").exists(), "a clean close leaves no log behind");
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    for name in ["bartizan.db", "bartizan.db-wal", "bartizan.db-shm"] {
        let mode = std::fs::metadata(place.dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
