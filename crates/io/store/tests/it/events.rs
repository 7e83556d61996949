//! What is stored is found again, by every filter.

use crate::{Place, event, request};
use bartizan_core::event::EventId;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_store::{Appended, Filter, Options, Store, StoreError, StoredEvent};

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
    assert_eq!(place.open().await.events(&Filter::default()).await.unwrap(), [event(1)]);
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    store.append(vec![StoredEvent { at: Timestamp::from_secs(100_000), ..event(2) }]).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.events()), 0o700);
    for file in std::fs::read_dir(place.events()).unwrap().chain(std::fs::read_dir(place.dir.path()).unwrap()) {
        let path = file.unwrap().path();
        assert!(path.is_dir() || mode(&path) == 0o600, "{}", path.display());
    }
    assert!(place.event_files()[0].with_extension("index").exists());
}

#[tokio::test]
async fn what_came_again_is_known_also_after_a_start() {
    let place = Place::new();
    let store = place.open().await;
    store.append((0..600).map(event).collect()).await.unwrap();
    drop(store);
    let again = place.open().await.append((590..610).map(event).collect()).await.unwrap();
    assert_eq!(again, Appended { new: 10, known: 10 });
}

#[tokio::test]
async fn the_newest_are_found_among_many_files_and_in_any_order() {
    let place = Place::new();
    let store = place.open().await;
    // Three guards whose batches overlap, over nine days; each day's file is closed behind it.
    let event = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 60), request: Some(request(n / 3)), ..event(n) };
    let all = 9 * 1440;
    for chunk in 0..all / 30 {
        for guard in 0..3 {
            store.append((0..30).filter(|n| n % 3 == guard).map(|n| event(chunk * 30 + n)).collect()).await.unwrap();
        }
    }
    assert!(place.event_files().len() >= 9);
    for _ in 0..2 {
        let store = place.open().await;
        let newest = store.events(&Filter { limit: Some(50), ..Filter::default() }).await.unwrap();
        assert_eq!(newest, (all - 50..all).map(event).collect::<Vec<_>>());
        let chain = store.events(&Filter { request: Some(request(7)), ..Filter::default() }).await.unwrap();
        assert_eq!(chain, [event(21), event(22), event(23)]);
    }
}

#[tokio::test]
async fn files_and_folder_that_are_taken_away_cost_what_was_in_them() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    std::fs::rename(place.events(), place.dir.path().join("aside")).unwrap();
    assert_eq!(store.events(&Filter::default()).await.unwrap(), []);
    store.append(vec![event(2)]).await.unwrap();
    assert_eq!(store.events(&Filter::default()).await.unwrap(), [event(2)]);
    std::fs::write(place.dir.path().join("aside/README"), "not ours").unwrap();
    std::fs::remove_file(&place.event_files()[0]).unwrap();
    store.append(vec![event(3)]).await.unwrap();
    assert_eq!(store.events(&Filter::default()).await.unwrap(), [event(3)]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() {
    let place = Place::new();
    std::fs::write(place.events(), "in the way").unwrap();
    let error = Store::open(&place.file(), Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
    assert!(error.to_string().contains(place.events().to_str().unwrap()), "{error}");
}
