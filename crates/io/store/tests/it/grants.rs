//! Grants: of two who use the same token one is first, what ended goes, and what was answered is on disk.

use crate::Place;
use bartizan_core::Timestamp;
use bartizan_store::{Grants, LoginChange, Put, StoreError, StoredApp, StoredFamily, StoredLogin, Whose};
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

#[tokio::test]
async fn apps_of_a_session_that_is_over_are_due_until_they_are_told_and_no_app_holds_up_others() {
    let (place, now, later) = (Place::new(), at(0), at);
    let path = file(&place);
    let store = Grants::open(&path).await.unwrap();
    let began = |session: &str, client: &str| LoginChange::Began {
        session: session.into(),
        client: client.into(),
        subject: "ana".into(),
        ends: later(1_000),
    };
    for session in 0..9 {
        store.change_login(began(&format!("s{session}"), "slow"), now).await.unwrap();
    }
    store.change_login(began("s0", "quick"), now).await.unwrap();
    store.change_login(began("s0", "quick"), now).await.unwrap();
    assert!(store.logins_due(later(900)).await.unwrap().is_empty(), "nobody signed out");
    assert_eq!(store.next_login_due().await.unwrap(), None);
    for session in (0..9).rev() {
        store.change_login(LoginChange::Over { session: format!("s{session}"), due: later(1) }, now).await.unwrap();
    }
    assert!(store.logins_due(now).await.unwrap().is_empty(), "not yet");
    let due = store.logins_due(later(1)).await.unwrap();
    let of = |client: &str| due.iter().filter(|it| it.client == client).cloned().collect::<Vec<_>>();
    assert_eq!((of("slow").len(), of("quick").len()), (4, 1), "{due:?}");

    let one = StoredLogin { tries: 3, ..of("quick").remove(0) };
    store.change_login(LoginChange::Later { login: one.clone(), due: later(60) }, now).await.unwrap();
    // Said once more, which puts nothing off and begins nothing anew.
    store.change_login(LoginChange::Over { session: "s0".into(), due: later(1) }, now).await.unwrap();
    store.close().await;
    let store = Grants::open(&path).await.unwrap();
    assert!(!store.logins_due(later(59)).await.unwrap().contains(&one));
    assert!(store.logins_due(later(60)).await.unwrap().contains(&one), "after a restart too");
    for session in 0..9 {
        let done = LoginChange::Done { session: format!("s{session}"), client: "slow".into() };
        store.change_login(done, now).await.unwrap();
    }
    assert_eq!(store.next_login_due().await.unwrap(), Some(later(60)));
    // What nobody has to be told of any more goes with the next change.
    store.change_login(began("s9", "quick"), later(1_000)).await.unwrap();
    assert_eq!(store.next_login_due().await.unwrap(), None);
    store.close().await;
}
