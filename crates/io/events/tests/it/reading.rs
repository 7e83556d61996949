//! Readers that go on where they were: each event once and in order, also while partitions close, are packed and go.

use bartizan_core::Timestamp;
use bartizan_core::retention::{Retention, WhenFull};
use bartizan_events::{Events, Reading, StoredEvent};
use std::time::Duration;

fn balanced(it: Reading) -> Reading {
    assert_eq!(it.received, it.read + it.missed + it.waiting, "{it:?}");
    it
}

async fn drain(events: &Events, name: &str) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(unread) = events.read_on(name).await.unwrap() {
        seen.extend(unread.events.iter().map(|event| event.id.1));
        assert!(events.pass(name, &unread));
        assert!(!events.pass(name, &unread), "once is enough");
        balanced(events.reading(name).unwrap());
    }
    seen
}

fn batch(numbers: std::ops::Range<u64>) -> Vec<StoredEvent> {
    // The later it came the earlier it happened: by time a reader would miss all but the first.
    // Their records are of bytes that nothing packs.
    let record =
        |n: u64| (0..160_u64).map(|at| ((n * 160 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    numbers
        .map(|n| StoredEvent { at: Timestamp::from_secs(2_000_000_000 - n), record: record(n), ..crate::event(n) })
        .collect()
}

#[tokio::test]
async fn each_event_is_read_once_in_the_order_in_which_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let events = Events::open(&path, Retention::default()).await.unwrap();
    events.append(batch(0..10)).await.unwrap();
    events.open_reader("new", None);
    assert_eq!(drain(&events, "new").await, Vec::<u64>::new(), "what was there before is not asked for");
    events.append(batch(10..20)).await.unwrap();
    assert_eq!(balanced(events.reading("new").unwrap()).waiting, 10);
    let unread = events.read_on("new").await.unwrap().unwrap();
    assert_eq!(events.read_on("new").await.unwrap().unwrap().events, unread.events, "the same until it is passed");
    assert_eq!(drain(&events, "new").await, (10..20).collect::<Vec<_>>());
    let place = events.place("new");
    events.close().await;
    // Over a restart.
    let events = Events::open(&path, Retention::default()).await.unwrap();
    events.append(batch(20..30)).await.unwrap();
    events.open_reader("new", place);
    assert_eq!(drain(&events, "new").await, (20..30).collect::<Vec<_>>());
    assert!(events.read_on("nobody").await.unwrap().is_none() && events.reading("nobody").is_none());
}

/// Of partitions that go for their age the first need not be the oldest: whoever was at one before them was put behind them, and what lay
/// between was neither read nor counted.
#[tokio::test]
async fn what_goes_from_the_middle_costs_a_reader_nothing_that_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let retention = Retention { keep: Some(day), ..Retention::default() };
    let events = Events::open(&dir.path().join("events"), retention).await.unwrap();
    events.open_reader("slow", None);
    // Each in a partition of its own; the third and the fourth happened long before they came.
    for (n, at_h) in [(0, 1_000), (1, 1_010), (2, 500), (3, 600), (4, 1_020), (5, 1_030)] {
        events.append(vec![StoredEvent { at: Timestamp::from_secs(at_h * 3_600), ..crate::event(n) }]).await.unwrap();
        events.tend(Timestamp::from_secs(1_000 * 3_600 + n * 86_400)).await;
    }
    let before = balanced(events.reading("slow").unwrap());
    assert_eq!((before.received, before.read), (6, 0), "{before:?}");
    assert!(before.missed > 0, "{before:?}");
    let held: Vec<u64> = crate::held(&events).await.iter().map(|event| event.id.1).collect();
    assert_eq!(drain(&events, "slow").await, held);
    let after = balanced(events.reading("slow").unwrap());
    assert_eq!((after.read, after.missed), (held.len() as u64, 6 - held.len() as u64), "{after:?}");
}

#[tokio::test]
async fn what_goes_before_it_was_read_is_missed_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: Some(1 << 20), when_full: WhenFull::Drop, ..Retention::default() };
    let events = Events::open(&dir.path().join("events"), retention).await.unwrap();
    events.open_reader("slow", None);
    events.open_reader("quick", None);
    let mut quick = Vec::new();
    for n in 0..400 {
        events.append(batch(n * 50..(n + 1) * 50)).await.unwrap();
        if n % 7 == 0 {
            quick.extend(drain(&events, "quick").await);
        }
        if n % 50 == 0 {
            events.tend(Timestamp::from_secs(0)).await;
        }
    }
    quick.extend(drain(&events, "quick").await);
    assert_eq!(quick, (0..20_000).collect::<Vec<_>>(), "whoever keeps up reads all of them, each once");
    let before = balanced(events.reading("slow").unwrap());
    assert!(before.missed > 0 && before.received == 20_000, "{before:?}");
    let slow = drain(&events, "slow").await;
    let after = balanced(events.reading("slow").unwrap());
    assert_eq!((after.read, after.waiting), (slow.len() as u64, 0));
}
