//! Files that are not what they should be, and processes that are killed while they write.

use crate::{Place, event, held};
use bartizan_core::Timestamp;
use bartizan_core::retention::Retention;
use bartizan_events::{Events, StoredEvent};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const BATCH: u64 = 10;

async fn filled() -> Place {
    let place = Place::new();
    let store = place.open().await;
    for number in 0..8 {
        store.append((0..BATCH).map(|n| event(number * BATCH + n)).collect()).await.unwrap();
    }
    place
}

/// A place with one growing partition of these bytes.
fn with_partition(bytes: &[u8]) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.events()).unwrap();
    std::fs::write(place.events().join("000000000001.events"), bytes).unwrap();
    place
}

#[tokio::test]
async fn a_partition_that_was_cut_anywhere_leaves_whole_batches_and_takes_further_ones() {
    let bytes = std::fs::read(&filled().await.files()[0]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    // Around every end of a block, and evenly through all of it.
    for cut in (0..bytes.len()).step_by(61).chain([1, 7, 8, 9, 55, 56, 57, bytes.len() - 1, bytes.len()]) {
        let place = with_partition(&bytes[..cut]);
        let store = place.open().await;
        let before = held(&store).await;
        assert_eq!(before.len() as u64 % BATCH, 0, "a torn batch after {cut} bytes");
        assert!(before.iter().zip(0..).all(|(it, n)| *it == event(n)), "a gap after {cut} bytes");
        seen.insert(before.len());
        store.append(vec![event(900)]).await.unwrap();
        drop(store);
        let after = held(&place.open().await).await;
        assert_eq!((&after[..before.len()], &after[before.len()..]), (&before[..], &[event(900)][..]), "{cut}");
    }
    assert!(seen.len() > 3 && seen.contains(&80), "the cuts fell between batches: {seen:?}");
}

#[tokio::test]
async fn an_altered_bit_costs_one_batch_whether_it_is_seen_at_the_start_or_later() {
    let place = filled().await;
    let file = place.files()[0].clone();
    let bytes = std::fs::read(&file).unwrap();
    let running = place.open().await;
    let mut damaged = 0;
    for at in (8..bytes.len()).step_by(37) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let reopened = held(&with_partition(&altered).open().await).await;
        assert_eq!(reopened.len() as u64, 7 * BATCH, "byte {at}, at the start");
        assert!(reopened.iter().all(|it| *it == event(it.id.1)), "byte {at}");
        std::fs::write(&file, &altered).unwrap();
        // While it runs it knows from memory what stands in the header of a block.
        let alive = held(&running).await;
        assert!(alive.iter().all(|it| *it == event(it.id.1)), "byte {at}");
        let alive = alive.len() as u64;
        assert!(alive == 7 * BATCH || alive == 8 * BATCH, "byte {at}, while it runs: {alive}");
        damaged += usize::from(alive == 7 * BATCH);
        std::fs::write(&file, &bytes).unwrap();
    }
    assert!(damaged > bytes.len() / 37 * 3 / 4, "{damaged}");
}

#[tokio::test]
async fn an_altered_bit_of_a_packed_partition_is_never_served() {
    let place = filled().await;
    place.pack().await;
    let file = place.files()[0].clone();
    assert!(file.extension().is_some_and(|it| it == "packed"));
    let bytes = std::fs::read(&file).unwrap();
    for at in (0..bytes.len()).step_by(29) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        std::fs::write(&file, altered).unwrap();
        assert_eq!(held(&place.open().await).await, [], "byte {at}: its one block is left out");
    }
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(held(&place.open().await).await.len(), 80);
}

#[tokio::test]
async fn a_damaged_partition_is_not_packed_and_the_rest_is() {
    let place = filled().await;
    let file = place.files()[0].clone();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let store = place.open().await;
    store.append(vec![event(900)]).await.unwrap();
    store.append(vec![StoredEvent { at: Timestamp::from_secs(90_000), ..event(901) }]).await.unwrap();
    store.tend(Timestamp::from_secs(0)).await;
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "it stays for people to look at");
    assert_eq!(place.packed(), 1);
    assert_eq!(held(&store).await.len() as u64, 7 * BATCH + 2);
}

#[tokio::test]
async fn an_index_that_is_wrong_or_of_another_file_is_not_believed() {
    let place = Place::new();
    let store = place.open().await;
    let day = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 90_000), ..event(n) };
    for n in 0..6 {
        store.append(vec![day(n)]).await.unwrap();
    }
    store.tend(Timestamp::from_secs(0)).await;
    store.close().await;
    assert_eq!((place.files().len(), place.packed()), (6, 5), "a file for each day");
    let index = |n: usize| place.files()[n].with_extension("index");
    std::fs::write(index(0), b"BZINDEX2 and nothing good").unwrap();
    std::fs::copy(index(2), index(1)).unwrap();
    std::fs::remove_file(index(3)).unwrap();
    assert_eq!(held(&place.open().await).await, (0..6).map(day).collect::<Vec<_>>());
}

/// The writing end of the test below: stores batch after batch and says which are stored, until it is killed.
#[tokio::test]
async fn writer_that_is_killed() {
    let Some(dir) = std::env::var_os("BARTIZAN_TEST_EVENTS") else { return };
    let store = Events::open(std::path::Path::new(&dir), Retention::default()).await.unwrap();
    let from = held(&store).await.len() as u64 / BATCH;
    for number in from.. {
        // Half a second of each day, so that partitions are closed and packed meanwhile.
        let event = |n: u64| StoredEvent { at: Timestamp::from_secs(n * 400), ..event(n) };
        store.append((0..BATCH).map(|n| event(number * BATCH + n)).collect()).await.unwrap();
        println!("stored {}", number + 1);
        if number % 16 == 0 {
            store.tend(Timestamp::from_secs(0)).await;
        }
    }
}

#[tokio::test]
async fn a_kill_costs_nothing_that_was_stored_and_leaves_no_part_of_a_batch() {
    let place = Place::new();
    let mut stored = 0;
    for round in 0..8u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["damage::writer_that_is_killed", "--exact", "--nocapture"])
            .env("BARTIZAN_TEST_EVENTS", place.events())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = |line: &str| {
            let number = line.rsplit_once("stored ").and_then(|(_, number)| number.parse().ok());
            stored = number.unwrap_or(stored);
        };
        for line in lines.by_ref().take(20 + 37 * round as usize) {
            count(&line.unwrap());
        }
        child.kill().unwrap();
        lines.map_while(Result::ok).for_each(|line| count(&line));
        child.wait().unwrap();

        let events = held(&place.open().await).await;
        let numbers: Vec<u64> = events.iter().map(|event| event.id.1).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "round {round}");
        assert_eq!(numbers.len() as u64 % BATCH, 0, "round {round}: a part of a batch");
        let batches = numbers.len() as u64 / BATCH;
        assert!(batches == stored || batches == stored + 1, "round {round}: {batches} there, {stored} confirmed");
        stored = batches;
    }
    assert!(place.packed() > 0, "partitions were packed meanwhile: {:?}", place.files());
}
