//! Several at once: who tends, who packs, who opens, and what a kill leaves between two steps of packing.

use crate::{Place, event, held};
use bartizan_core::Timestamp;
use bartizan_core::retention::Retention;
use bartizan_events::{Events, EventsError, StoredEvent};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Event `n` of a day of its own, so that each is in a partition of its own.
fn day(n: u64) -> StoredEvent {
    StoredEvent { at: Timestamp::from_secs(n * 90_000), ..event(n) }
}

fn days(count: u64) -> Vec<StoredEvent> {
    (0..count).map(day).collect()
}

async fn store(events: &Events, days: std::ops::Range<u64>) {
    for n in days {
        events.append(vec![day(n)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_who_tend_at_once_lose_nothing() {
    const DAYS: u64 = 60;
    let place = Place::new();
    let events = place.open().await;
    store(&events, 0..DAYS).await;
    let tending = (0..4).map(|_| {
        let events = events.clone();
        tokio::spawn(async move { events.tend(Timestamp::from_secs(0)).await })
    });
    for it in tending.collect::<Vec<_>>() {
        it.await.unwrap();
    }
    assert_eq!(held(&events).await, days(DAYS));
    events.close().await;
    // The last one too, where the store's own thread looked at it, whose clock is of today.
    assert!(place.packed() as u64 >= DAYS - 1, "{:?}", place.files());
    assert_eq!(held(&place.open().await).await, days(DAYS), "also after a start");
}

/// Each opens while the one before packs: `close` waits for that, and nobody takes a file that another one is at.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_is_closed_and_opened_again_and_again_while_it_packs_loses_nothing() {
    const DAYS: u64 = 20;
    let place = Place::new();
    for round in 0..15 {
        let events = place.open().await;
        assert_eq!(held(&events).await, days(round * DAYS), "round {round}");
        store(&events, round * DAYS..(round + 1) * DAYS).await;
        let packer = events.clone();
        let packing = tokio::spawn(async move { packer.tend(Timestamp::from_secs(0)).await });
        let before = place.packed();
        while place.packed() == before && !packing.is_finished() {
            tokio::task::yield_now().await;
        }
        events.close().await;
        let left = place.left();
        assert!(left.iter().all(|path| path.extension().is_none_or(|it| it != "new")), "round {round}: {left:?}");
        packing.await.unwrap();
        assert_eq!(place.left(), left, "round {round}: nothing changes behind the back of who opens next");
    }
    assert!(place.packed() > 0);
}

#[tokio::test]
async fn a_second_store_in_the_same_folder_is_refused_and_changes_nothing() {
    let place = Place::new();
    let events = place.open().await;
    store(&events, 0..3).await;
    let unfinished = place.events().join("000000000009.new");
    std::fs::write(&unfinished, "somebody packs").unwrap();
    let refused = Events::open(&place.events(), Retention::default()).await.unwrap_err();
    assert!(matches!(refused, EventsError::InUse { .. }), "{refused:?}");
    assert!(refused.to_string().contains("is open already"), "{refused}");
    assert!(unfinished.exists(), "it is not for others to remove it");
    assert_eq!(held(&events).await, days(3));
    events.close().await;
    assert_eq!(held(&place.open().await).await, days(3), "who closes lets others in");
}

/// Has a folder open until its standard input ends.
#[tokio::test]
async fn process_that_has_it_open() {
    let Some(dir) = std::env::var_os("BARTIZAN_TEST_HELD") else { return };
    let _events = Events::open(Path::new(&dir), Retention::default()).await.unwrap();
    println!("opened");
    let _ = std::io::stdin().lines().next();
}

#[tokio::test]
async fn another_process_is_refused_until_the_first_is_gone_in_whatever_way() {
    let place = Place::new();
    let events = place.open().await;
    store(&events, 0..3).await;
    events.close().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["at_once::process_that_has_it_open", "--exact", "--nocapture"])
        .env("BARTIZAN_TEST_HELD", place.events())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("opened")));
    let refused = Events::open(&place.events(), Retention::default()).await.unwrap_err();
    assert!(matches!(refused, EventsError::InUse { .. }), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(held(&place.open().await).await, days(3));
}

/// Packing writes `N.new`, renames it to `N.packed`, writes `N.index`, removes `N.events`: what a kill leaves between any two of them.
#[tokio::test]
async fn a_kill_between_any_two_steps_of_packing_costs_nothing() {
    const DAYS: u64 = 4;
    let grown = Place::new();
    let events = grown.open().await;
    store(&events, 0..DAYS).await;
    events.close().await;
    let done = grown.copy();
    done.pack().await;
    let file = |place: &Place, suffix: &str| place.events().join(format!("000000000002.{suffix}"));
    let (packed, index) = (std::fs::read(file(&done, "packed")).unwrap(), std::fs::read(file(&done, "index")).unwrap());
    type Left<'a> = (&'a str, &'a [(&'a str, &'a [u8])], bool);
    let states: [Left<'_>; 9] = [
        ("nothing was written yet", &[("new", &[])], true),
        ("a part was written", &[("new", &packed[..packed.len() / 2])], true),
        ("all was written", &[("new", &packed)], true),
        ("it was renamed", &[("packed", &packed)], true),
        ("the index is empty", &[("packed", &packed), ("index", &[])], true),
        ("the index is torn", &[("packed", &packed), ("index", &index[..index.len() - 5])], true),
        ("the index is there", &[("packed", &packed), ("index", &index)], true),
        ("what it was packed from is gone", &[("packed", &packed), ("index", &index)], false),
        ("its index went with a power cut", &[("packed", &packed)], false),
    ];
    for (state, files, still_there) in states {
        let place = grown.copy();
        for (suffix, bytes) in files {
            std::fs::write(file(&place, suffix), bytes).unwrap();
        }
        if !still_there {
            std::fs::remove_file(file(&place, "events")).unwrap();
        }
        for start in ["first", "second"] {
            let events = place.open().await;
            assert_eq!(held(&events).await, days(DAYS), "{state}, {start} start");
            assert_eq!(events.status().events, DAYS, "{state}, {start} start");
            assert!(!file(&place, "new").exists(), "{state}, {start} start");
            events.tend(Timestamp::from_secs(0)).await;
            assert_eq!(held(&events).await, days(DAYS), "{state}, {start} start, packed");
            events.close().await;
        }
    }
}

/// What cannot be packed stays as it is, and leaves nothing that takes room from a disk that is full already.
#[tokio::test]
async fn packing_that_fails_leaves_what_was_there_and_nothing_else() {
    let place = Place::new();
    let events = place.open().await;
    store(&events, 0..3).await;
    // A folder of that name cannot be replaced by a file.
    std::fs::create_dir(place.events().join("000000000001.packed")).unwrap();
    events.tend(Timestamp::from_secs(0)).await;
    assert_eq!(held(&events).await, days(3));
    assert!(place.events().join("000000000001.events").exists());
    assert!(!place.events().join("000000000001.new").exists(), "{:?}", place.left());
}
