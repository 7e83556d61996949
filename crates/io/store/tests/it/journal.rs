//! The journal of certificates: on disk before it says so, over cuts, refusals and restarts; and into the database.

use crate::Place;
use bartizan_core::issued::{Issued, IssuedFilter, IssuedKind};
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use bartizan_store::{Journal, JournalError, Store, StoreError};
use std::path::Path;
use std::time::Duration;

fn issued(n: u64) -> Issued {
    Issued {
        at: Timestamp::from_millis(1_000 + n),
        kind: IssuedKind::Node,
        id: SpiffeId::parse(&format!("spiffe://bank.test/node/n{}", n % 3)).unwrap(),
        serial: format!("{n:032x}"),
        key: "ab".repeat(32),
        node: Some(ServiceName::parse("local").unwrap()),
        not_after: Timestamp::from_secs(3_600 + n),
        issuer: "cd".repeat(32),
    }
}

fn all() -> IssuedFilter {
    IssuedFilter { limit: 10_000, ..IssuedFilter::default() }
}

fn files(dir: &Path, end: &str) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(end));
    found.sort();
    found
}

fn take_all(journal: &Journal) -> Vec<Issued> {
    let mut taken = Vec::new();
    while let Some(waiting) = journal.next().unwrap() {
        journal.taken(&waiting);
        taken.extend(waiting.records);
    }
    taken
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_and_works_again_by_itself() {
    let place = Place::new();
    let dir = place.dir.path().join("issued");
    let journal = Journal::open(&dir).unwrap();
    std::fs::remove_dir(&dir).unwrap();
    std::fs::write(&dir, "no folder").unwrap();
    for n in 0..3 {
        let refused = journal.record(&issued(n)).await.unwrap_err();
        assert!(matches!(refused, JournalError::File { .. }), "{refused}");
        assert!(refused.to_string().contains("none is issued"), "{refused}");
    }
    assert!(journal.ready().await.is_err());
    let status = journal.status();
    assert_eq!((status.recorded, status.waiting, status.refused), (0, 0, 3));
    assert!(status.reason.unwrap().contains("cannot be recorded"));

    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    journal.ready().await.unwrap();
    journal.record(&issued(9)).await.unwrap();
    assert_eq!((journal.status().reason, take_all(&journal)), (None, vec![issued(9)]));
}

#[tokio::test]
async fn a_torn_tail_is_put_aside_and_whole_records_stay() {
    let place = Place::new();
    let dir = place.dir.path().join("issued");
    let journal = Journal::open(&dir).unwrap();
    for n in 0..10 {
        journal.record(&issued(n)).await.unwrap();
    }
    drop(journal);
    let file = files(&dir, ".log").remove(0);
    let whole = std::fs::read(&file).unwrap();
    let record = (whole.len() - 8) / 10;
    for cut in [0, 5, 8, 9, 8 + record, 8 + 3 * record + 1, whole.len() - 1] {
        let place = Place::new();
        let dir = place.dir.path().join("issued");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("00000007.log"), &whole[..cut]).unwrap();
        let journal = Journal::open(&dir).unwrap();
        let kept = cut.saturating_sub(8) / record;
        assert_eq!(journal.status().waiting as usize, kept, "cut at {cut}");
        let torn = cut > 0 && (cut < 8 || (cut - 8) % record > 0);
        assert_eq!(files(&dir, ".torn").len(), usize::from(torn), "cut at {cut}");
        journal.record(&issued(99)).await.unwrap();
        let mut expected: Vec<Issued> = (0..kept as u64).map(issued).collect();
        expected.push(issued(99));
        assert_eq!(journal.find(&all()).unwrap(), expected);
        assert_eq!(take_all(&journal), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_flushes_and_none_is_lost() {
    let place = Place::new();
    let dir = place.dir.path().join("issued");
    let journal = Journal::open(&dir).unwrap();
    let tasks: Vec<_> = (0..20_000u64)
        .map(|n| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.record(&issued(n)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(files(&dir, ".log").len() > 1, "more than a segment");
    assert_eq!((journal.status().recorded, journal.status().waiting), (20_000, 20_000));
    let newest = journal.find(&IssuedFilter { limit: 5, ..IssuedFilter::default() }).unwrap();
    assert_eq!(newest.len(), 5);
    let of_one = IssuedFilter { id: Some(issued(1).id), limit: 10_000, ..IssuedFilter::default() };
    assert!(journal.find(&of_one).unwrap().iter().all(|it| it.id == issued(1).id));
    drop(journal);

    let journal = Journal::open(&dir).unwrap();
    assert_eq!(journal.status().waiting, 20_000, "over a restart");
    let mut taken = take_all(&journal);
    taken.sort_by_key(|it| it.at);
    assert!(taken.iter().zip(0..).all(|(it, n)| *it == issued(n)) && taken.len() == 20_000);
    assert_eq!((files(&dir, ".log").len(), journal.status().waiting), (0, 0), "what was taken in is gone");
}

#[tokio::test]
async fn the_database_takes_records_in_once_and_drops_what_ran_out_long_ago() {
    let place = Place::new();
    let store = place.open().await;
    let batch: Vec<Issued> = (0..300).map(issued).collect();
    let now = Timestamp::from_secs(4_000);
    for _ in 0..2 {
        store.take_issued(batch.clone(), now).await.unwrap();
    }
    assert_eq!(store.issued(&all()).await.unwrap(), batch);
    let filter = IssuedFilter { serial: Some(issued(7).serial), ..all() };
    assert_eq!(store.issued(&filter).await.unwrap(), [issued(7)]);
    let filter = IssuedFilter { id: Some(issued(2).id), since: Some(issued(290).at), limit: 2, ..all() };
    assert_eq!(store.issued(&filter).await.unwrap(), [issued(296), issued(299)]);
    let later = issued(100).not_after.plus(Duration::from_secs(90 * 86_400));
    store.take_issued(vec![issued(1_000)], later).await.unwrap();
    assert_eq!(store.issued(&all()).await.unwrap().first(), Some(&issued(100)));
}

#[tokio::test]
async fn certificates_that_ran_out_make_room_where_there_is_none() {
    let place = Place::new();
    let store = Store::open(&place.file()).await.unwrap();
    // 256 MiB would take long to fill: the cap counts pages of the whole file, so a long identity fills it sooner.
    let long = |n: u64| Issued { key: "k".repeat(60_000), ..issued(n) };
    let fresh = |n: u64| Issued { not_after: Timestamp::from_secs(9_000_000 + n), ..long(n) };
    let filled = async {
        for n in (0..6_000).step_by(50) {
            match store.take_issued((n..n + 50).map(long).collect(), Timestamp::from_secs(1)).await {
                Ok(()) => {}
                Err(StoreError::Full { .. }) => return n,
                Err(other) => panic!("{other:?}"),
            }
        }
        panic!("360 MB fitted into 256 MiB");
    };
    let held = filled.await;
    assert!(held > 1_000, "valid ones are never removed for room: {held}");
    let now = Timestamp::from_secs(9_000_000);
    store.take_issued((10_000..10_050).map(fresh).collect(), now).await.unwrap();
    assert_eq!(store.issued(&IssuedFilter { limit: 1, ..all() }).await.unwrap(), [fresh(10_049)]);
}
