//! Packing, closing and retention on the log itself, where two are at it at once.

use super::*;
use crate::tests::event;

const DAY_S: u64 = 86_400;

/// A log with `count` closed partitions of three events each, and one that grows.
fn with_closed(dir: &Path, count: u64) -> Log {
    let log = Log::open(dir, Retention::default(), &[]).unwrap();
    for day in 0..=count {
        let at = Timestamp::from_secs(day * 2 * DAY_S);
        log.append((0..3).map(|n| StoredEvent { at, ..event(day * 3 + n) }).collect()).unwrap();
    }
    log
}

fn numbers(log: &Log) -> Vec<u64> {
    let page = log.find(&Filter { order: crate::Order::Oldest, ..Filter::default() }).unwrap();
    page.events.iter().map(|event| event.id.1).collect()
}

/// Two packed the same partition at once: who came second took the packed file for one of a partition that had gone meanwhile, and removed
/// it. One of 141 partitions was lost so, when a measurement packed beside the store's own thread.
#[test]
fn a_partition_that_was_packed_twice_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("events");
    let log = with_closed(&dir, 1);
    let segment = Arc::clone(&log.state().closed[0]);
    let once = || pack::pack(&dir, &segment).unwrap().unwrap();
    let (first, second) = (once(), once());
    log.state().replace(&segment, first);
    log.state().replace(&segment, second);
    assert_eq!(numbers(&log), (0..6).collect::<Vec<_>>());
    log.close();
    assert_eq!(numbers(&Log::open(&dir, Retention::default(), &[]).unwrap()), (0..6).collect::<Vec<_>>());
}

#[test]
fn what_is_packed_of_a_partition_that_went_meanwhile_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("events");
    let log = with_closed(&dir, 1);
    let segment = Arc::clone(&log.state().closed[0]);
    let packed = pack::pack(&dir, &segment).unwrap().unwrap();
    let path = packed.path.clone();
    assert!(path.exists());
    log.set_retention(Retention { keep: Some(Duration::from_secs(DAY_S)), ..Retention::default() });
    log.state().let_age(Timestamp::from_secs(3 * DAY_S));
    log.state().replace(&segment, packed);
    drop(segment);
    assert!(!path.exists() && !path.with_extension("index").exists() && !path.with_extension("events").exists());
    assert_eq!(numbers(&log), [3, 4, 5]);
}
