//! Epochs only grow, whatever happens in between.

use crate::Place;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_store::{Content, Published, StoreError};
use std::collections::BTreeMap;

fn contents(of: &[(Kind, &str)]) -> BTreeMap<Kind, Content> {
    of.iter()
        .map(|(kind, text)| (*kind, Content { hash: format!("hash of {text}"), text: (*text).to_owned() }))
        .collect()
}

fn published(epoch: u64, changed: bool) -> Published {
    Published { epoch: Epoch(epoch), changed }
}

#[tokio::test]
async fn an_epoch_grows_with_its_content_alone() {
    let place = Place::new();
    let store = place.open().await;
    let first = store.publish(contents(&[(Kind::Policies, "p1"), (Kind::Directory, "d1")]), Epoch(0)).await.unwrap();
    assert_eq!(first, BTreeMap::from([(Kind::Policies, published(1, true)), (Kind::Directory, published(1, true))]));
    let second = store.publish(contents(&[(Kind::Policies, "p2"), (Kind::Directory, "d1")]), Epoch(0)).await.unwrap();
    assert_eq!(second, BTreeMap::from([(Kind::Policies, published(2, true)), (Kind::Directory, published(1, false))]));
    // Back to an earlier content is a change like any other: a number is never used twice.
    let third = store.publish(contents(&[(Kind::Policies, "p1")]), Epoch(0)).await.unwrap();
    assert_eq!(third[&Kind::Policies], published(3, true));
}

#[tokio::test]
async fn epochs_outlive_the_process() {
    let place = Place::new();
    for _ in 0..3 {
        place.open().await.publish(contents(&[(Kind::Policies, "a")]), Epoch(0)).await.unwrap();
        place.open().await.publish(contents(&[(Kind::Policies, "b")]), Epoch(0)).await.unwrap();
    }
    let again = place.open().await.publish(contents(&[(Kind::Policies, "b")]), Epoch(0)).await.unwrap();
    assert_eq!(again[&Kind::Policies], published(6, false), "not closed in between, as after `kill -9`");
}

#[tokio::test]
async fn old_content_can_be_read_until_it_is_too_old() {
    let place = Place::new();
    let store = place.open().await;
    for n in 1..=40 {
        store.publish(contents(&[(Kind::Policies, &format!("text {n}"))]), Epoch(0)).await.unwrap();
    }
    let read = async |epoch| store.content(Kind::Policies, Epoch(epoch)).await.unwrap();
    assert_eq!(read(40).await.as_deref(), Some("text 40"));
    assert_eq!(read(9).await.as_deref(), Some("text 9"), "32 are kept");
    assert_eq!(read(8).await, None, "the next is not");
    for unknown in [0, 41, u64::MAX] {
        assert_eq!(read(unknown).await, None);
    }
    assert_eq!(store.content(Kind::Bundles, Epoch(40)).await.unwrap(), None, "another kind");
}

#[tokio::test]
async fn the_first_to_claim_a_name_keeps_it() {
    let place = Place::new();
    assert_eq!(place.open().await.claim("trust_domain", "bank.test").await.unwrap(), "bank.test");
    assert_eq!(place.open().await.claim("trust_domain", "shop.test").await.unwrap(), "bank.test");
}

#[tokio::test]
async fn a_floor_lifts_new_epochs_and_leaves_old_ones() {
    let place = Place::new();
    let store = place.open().await;
    let first = store.publish(contents(&[(Kind::Policies, "a")]), Epoch(0)).await.unwrap();
    let lifted = store.publish(contents(&[(Kind::Policies, "a"), (Kind::Bundles, "b")]), Epoch(700)).await.unwrap();
    assert_eq!(first[&Kind::Policies], published(1, true));
    assert_eq!(lifted[&Kind::Policies], published(1, false), "nothing new, nothing lifted");
    assert_eq!(lifted[&Kind::Bundles], published(701, true));
    let next = store.publish(contents(&[(Kind::Bundles, "c")]), Epoch(0)).await.unwrap();
    assert_eq!(next[&Kind::Bundles], published(702, true), "epochs never go back");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let place = Place::new();
    let store = place.open().await;
    store.publish(contents(&[(Kind::Policies, "a")]), Epoch(0)).await.unwrap();
    store.clone().close().await;
    store.close().await;
    let refused = store.publish(contents(&[(Kind::Policies, "b")]), Epoch(0)).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    assert!(matches!(store.content(Kind::Policies, Epoch(1)).await, Err(StoreError::Closed)));
    assert!(!place.dir.path().join("bartizan.db-wal").exists(), "a clean close leaves no log behind");
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.open().await.publish(contents(&[(Kind::Policies, "a")]), Epoch(0)).await.unwrap();
    for file in std::fs::read_dir(place.dir.path()).unwrap() {
        let path = file.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}
