//! Grants: of two who use the same token one is first, what ended goes, and what was answered is on disk.

use crate::Place;
use bartizan_core::Timestamp;
use bartizan_store::{Grants, Put, StoreError, StoredApp, StoredFamily, Whose};
use std::path::PathBuf;

fn at(s: u64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + s)
}

fn file(place: &Place) -> PathBuf {
    place.dir.path().join("grants.db")
}

fn family(n: u8) -> StoredFamily {
    StoredFamily {
        id: [n; 16],
        version: 0,
        client: "shop".into(),
        subject: format!("p{}", n % 2),
        session: n.is_multiple_of(3).then(|| "s0".into()),
        ends: at(1_000),
        state: format!("{{\"n\":{n}}}"),
    }
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_reads_it_again() {
    let place = Place::new();
    let grants = Grants::open(&file(&place)).await.unwrap();
    assert_eq!(grants.family(&[1; 16]).await.unwrap(), None);
    assert_eq!(grants.put(family(1), at(0)).await.unwrap(), Put::Done);
    assert_eq!(grants.put(family(1), at(0)).await.unwrap(), Put::Changed, "begun twice");
    let read = grants.family(&[1; 16]).await.unwrap().unwrap();
    assert_eq!(read, StoredFamily { version: 1, ..family(1) });
    // Fifty at once, of which each saw the same version.
    let puts = (0..50).map(|n| {
        let (grants, next) = (grants.clone(), StoredFamily { state: n.to_string(), ..read.clone() });
        tokio::spawn(async move { grants.put(next, at(1)).await.unwrap() })
    });
    let mut done = 0;
    for put in puts.collect::<Vec<_>>() {
        done += usize::from(put.await.unwrap() == Put::Done);
    }
    assert_eq!(done, 1);
    assert_eq!(grants.family(&[1; 16]).await.unwrap().unwrap().version, 2);
    assert_eq!(grants.put(read, at(2)).await.unwrap(), Put::Changed, "an old version");
    let gone = StoredFamily { version: 7, ..family(9) };
    assert_eq!(grants.put(gone, at(2)).await.unwrap(), Put::Changed, "there is none");
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_and_what_ended_goes() {
    let place = Place::new();
    let grants = Grants::open(&file(&place)).await.unwrap();
    let puts = (1..=30).map(|n| {
        let grants = grants.clone();
        tokio::spawn(async move { grants.put(family(n), at(0)).await.unwrap() })
    });
    for put in puts.collect::<Vec<_>>() {
        assert_eq!(put.await.unwrap(), Put::Done);
    }
    assert_eq!(grants.claimed("key").await.unwrap(), None);
    assert_eq!(grants.claim("key", "a").await.unwrap(), "a");
    assert_eq!(grants.claimed("key").await.unwrap().as_deref(), Some("a"));
    grants.close().await;
    assert!(matches!(grants.put(family(1), at(0)).await, Err(StoreError::Closed)));

    let grants = Grants::open(&file(&place)).await.unwrap();
    assert_eq!(grants.claim("key", "b").await.unwrap(), "a");
    assert_eq!(grants.count().await.unwrap(), 30);
    let of = async |whose| grants.families(&whose, at(1)).await.unwrap().len();
    assert_eq!(of(Whose::Session("s0".into())).await, 10);
    assert_eq!(of(Whose::Subject("p1".into())).await, 15);
    assert_eq!(of(Whose::Client("shop".into())).await, 30);
    assert_eq!(of(Whose::Client("other".into())).await, 0);
    assert!(grants.families(&Whose::Client("shop".into()), at(1_000)).await.unwrap().is_empty(), "all have ended");
    grants.put(StoredFamily { ends: at(5_000), ..family(40) }, at(2_000)).await.unwrap();
    assert_eq!(grants.count().await.unwrap(), 1);
}

#[tokio::test]
async fn apps_are_kept_replaced_and_forgotten() {
    let place = Place::new();
    let grants = Grants::open(&file(&place)).await.unwrap();
    let app = |id: &str, state: &str| StoredApp { id: id.into(), state: state.into() };
    grants.put_app(app("b", "1")).await.unwrap();
    grants.put_app(app("a", "1")).await.unwrap();
    grants.put_app(app("b", "2")).await.unwrap();
    assert_eq!(grants.apps().await.unwrap(), [app("a", "1"), app("b", "2")]);
    grants.drop_app("a").await.unwrap();
    grants.drop_app("a").await.unwrap();
    assert_eq!(grants.apps().await.unwrap(), [app("b", "2")]);
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_refused() {
    let place = Place::new();
    std::fs::write(file(&place), "no database, and longer than a header of one would be, so that it is looked at")
        .unwrap();
    assert!(matches!(Grants::open(&file(&place)).await, Err(StoreError::Damaged { .. })));
}
