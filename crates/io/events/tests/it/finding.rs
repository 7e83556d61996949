//! What is stored is found again, by every filter.

use crate::{Place, event, held, request};
use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::retention::Retention;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_events::{Appended, Events, EventsError, Filter, Order, StoredEvent};

#[tokio::test]
async fn an_event_comes_back_as_it_went_in() {
    let place = Place::new();
    let store = place.open().await;
    let full = StoredEvent {
        identity: Some("spiffe://bank.test/svc/payment".into()),
        user: Some("ana".into()),
        class: Some(Class::Handshake),
        upshot: Upshot::Failed,
        ..event(5)
    };
    let id = EventId(u64::MAX, u64::MAX);
    let bare = StoredEvent { id, service: None, request: None, class: None, record: Vec::new(), ..event(6) };
    assert_eq!(store.append(vec![full.clone(), bare.clone()]).await.unwrap(), Appended { new: 2, known: 0 });
    assert_eq!(held(&store).await, [full, bare]);
}

#[tokio::test]
async fn a_repeated_event_is_known_and_stays_as_it_was() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1), event(2)]).await.unwrap();
    let changed = StoredEvent { record: vec![9], ..event(2) };
    assert_eq!(store.append(vec![changed, event(3)]).await.unwrap(), Appended { new: 1, known: 1 });
    assert_eq!(held(&store).await, [event(1), event(2), event(3)]);
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
        it.upshot = Upshot::Denied;
    }
    all[7].identity = Some("spiffe://bank.test/svc/payment".into());
    all[8].user = Some("spiffe://bank.test/svc/payment".into());
    all[9].class = Some(Class::Egress);
    all[11].record = b"\x07GET /Accounts/11".to_vec();
    store.append(all).await.unwrap();

    let ms = Timestamp::from_millis;
    let denied = vec![Upshot::Denied];
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    let identity = |name: &str| Filter { identity: Some(name.into()), ..Filter::default() };
    for (filter, expected, why) in [
        (Filter { service: Some(ledger.clone()), ..Filter::default() }, (20..40).collect::<Vec<u64>>(), "service"),
        (Filter { upshots: denied.clone(), ..Filter::default() }, (0..40).step_by(2).collect(), "denied"),
        (Filter { upshots: vec![Upshot::Failed], ..Filter::default() }, vec![], "failed"),
        (Filter { upshots: Upshot::ALL.to_vec(), ..Filter::default() }, (0..40).collect(), "any outcome"),
        (identity("spiffe://bank.test/svc/payment"), vec![7, 8], "identity or user"),
        (identity("spiffe://bank.test/svc/paymen"), vec![], "the whole name"),
        (Filter { classes: vec![Class::Egress, Class::Loss], ..Filter::default() }, vec![9], "class"),
        (text("/accounts/1"), vec![11], "text"),
        (text("/accounts/12"), vec![], "another text"),
        (Filter { since: Some(ms(37)), ..Filter::default() }, vec![37, 38, 39], "since is inclusive"),
        (Filter { until: Some(ms(2)), ..Filter::default() }, vec![0, 1], "until is exclusive"),
        (Filter { request: Some(request(9)), ..Filter::default() }, vec![9], "request"),
        (Filter { limit: Some(2), ..Filter::default() }, vec![38, 39], "the newest, oldest first"),
        (Filter { limit: Some(2), order: Order::Oldest, ..Filter::default() }, vec![0, 1], "the oldest"),
        (Filter { from: Some(event(3).cursor()), ..Filter::default() }, vec![0, 1, 2], "the page before"),
        (
            Filter { from: Some(event(37).cursor()), order: Order::Oldest, ..Filter::default() },
            vec![38, 39],
            "the next page",
        ),
        (Filter { limit: Some(0), ..Filter::default() }, vec![], "none asked for"),
        (
            Filter {
                service: Some(ledger),
                upshots: denied,
                since: Some(ms(30)),
                until: Some(ms(39)),
                limit: Some(3),
                ..Filter::default()
            },
            vec![34, 36, 38],
            "all together",
        ),
    ] {
        // While it grows, after a start, and once it is packed.
        let numbers = async |store: &Events| -> Vec<u64> {
            store.find(&filter).await.unwrap().events.iter().map(|e| e.at.as_millis()).collect()
        };
        assert_eq!(numbers(&store).await, expected, "{why}");
        let copy = place.copy();
        assert_eq!(numbers(&copy.open().await).await, expected, "{why}, after a start");
        copy.pack().await;
        assert_eq!(numbers(&copy.open().await).await, expected, "{why}, packed");
    }
}

#[tokio::test]
async fn a_large_batch_is_one_batch() {
    let place = Place::new();
    let store = place.open().await;
    let done = store.append((0..1000).map(event).collect()).await.unwrap();
    assert_eq!(done, Appended { new: 1000, known: 0 });
    assert_eq!(held(&store).await.len(), 1000);
    assert_eq!(store.append(Vec::new()).await.unwrap(), Appended::default());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    store.clone().close().await;
    store.close().await;
    assert!(matches!(store.append(vec![event(2)]).await, Err(EventsError::Closed)));
    assert!(matches!(store.find(&Filter::default()).await, Err(EventsError::Closed)));
    assert_eq!(held(&place.open().await).await, [event(1)]);
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    store.append(vec![StoredEvent { at: Timestamp::from_secs(100_000), ..event(2) }]).await.unwrap();
    store.tend(Timestamp::from_secs(0)).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.events()), 0o700);
    let mut suffixes = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(place.events()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        suffixes.insert(path.extension().unwrap().to_owned());
    }
    assert_eq!(suffixes.into_iter().collect::<Vec<_>>(), ["events", "index", "packed"]);
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
    for chunk in 0..all / 90 {
        for guard in 0..3 {
            store.append((0..90).filter(|n| n % 3 == guard).map(|n| event(chunk * 90 + n)).collect()).await.unwrap();
        }
    }
    assert!(place.files().len() >= 9);
    drop(store);
    for packed in [false, true] {
        if packed {
            place.pack().await;
        }
        let store = place.open().await;
        let newest = store.find(&Filter { limit: Some(50), ..Filter::default() }).await.unwrap().events;
        assert_eq!(newest, (all - 50..all).map(event).collect::<Vec<_>>());
        let chain = store.find(&Filter { request: Some(request(7)), ..Filter::default() }).await.unwrap().events;
        assert_eq!(chain, [event(21), event(22), event(23)]);
    }
}

#[tokio::test]
async fn pages_go_through_all_in_both_directions_while_events_come_and_are_packed() {
    let place = Place::new();
    let store = place.open().await;
    let day = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 3_600), ..event(n) };
    store.append((0..100).map(day).collect()).await.unwrap();
    for order in [Order::Newest, Order::Oldest] {
        let mut filter = Filter { limit: Some(7), order, ..Filter::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.find(&filter).await.unwrap();
            let mut numbers: Vec<u64> = page.events.iter().map(|event| event.id.1).collect();
            if order == Order::Newest {
                numbers.reverse();
            }
            seen.extend(numbers);
            let Some(next) = page.next else { break };
            filter.from = Some(next);
            // Newer ones, each of another day, so that what is read from goes to another file.
            let n = 1_000 + seen.len() as u64 * 100;
            store.append(vec![day(n)]).await.unwrap();
            store.tend(Timestamp::from_secs(0)).await;
        }
        let old: Vec<u64> = seen.iter().copied().filter(|n| *n < 100).collect();
        let mut expected: Vec<u64> = (0..100).collect();
        if order == Order::Newest {
            expected.reverse();
        }
        assert_eq!(old, expected, "{order:?}");
    }
}

#[tokio::test]
async fn files_and_folder_that_are_taken_away_cost_what_was_in_them() {
    let place = Place::new();
    let store = place.open().await;
    store.append(vec![event(1)]).await.unwrap();
    std::fs::rename(place.events(), place.dir.path().join("aside")).unwrap();
    store.append(vec![event(2)]).await.unwrap();
    assert_eq!(held(&store).await, [event(2)]);
    std::fs::write(place.dir.path().join("aside/README"), "not ours").unwrap();
    std::fs::remove_file(&place.files()[0]).unwrap();
    store.append(vec![event(3)]).await.unwrap();
    assert_eq!(held(&store).await, [event(3)]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() {
    let place = Place::new();
    std::fs::write(place.events(), "in the way").unwrap();
    let error = Events::open(&place.events(), Retention::default()).await.unwrap_err();
    assert!(matches!(error, EventsError::File { .. }), "{error:?}");
    assert!(error.to_string().contains(place.events().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn two_partitions_of_one_number_are_the_packed_one_alone() {
    let place = Place::new();
    place.open().await.append(vec![event(1)]).await.unwrap();
    let growing = place.files()[0].clone();
    let bytes = std::fs::read(&growing).unwrap();
    place.pack().await;
    // As after a kill between the two.
    std::fs::write(&growing, bytes).unwrap();
    std::fs::write(growing.with_extension("new"), "half of it").unwrap();
    assert_eq!(held(&place.open().await).await, [event(1)]);
    assert!(!growing.exists() && !growing.with_extension("new").exists());
}
