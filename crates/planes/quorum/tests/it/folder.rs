//! A folder that is changed while the group keeps it, and laid out again from what the group has.

use crate::member::{self, NAME};
use crate::processes::certificates;
use bartizan_consensus::Member;
use bartizan_quorum::folder::{Edit, Folder, Image, Kept, NotKept, Own, Part};
use bartizan_quorum::{Ends, Group, Machine, Options};
use bartizan_runtime::listen;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const OWN: Own = Own(&["events", "lock"]);

/// Alone, which is the smallest majority.
struct Alone {
    dir: tempfile::TempDir,
    folder: Folder,
    group: Group,
    lost: CancellationToken,
    stop: CancellationToken,
}

impl Alone {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        std::fs::create_dir(dir.path().join("live")).unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let members = BTreeMap::from([(Member(1), listener.local_addr().unwrap())]);
        let options = Options {
            name: NAME.to_owned(),
            me: Member(1),
            members,
            dir: dir.path().join("group"),
            founding: true,
            ends: Arc::new(arc_swap::ArcSwap::from_pointee(
                Ends::new(&member::identity(dir.path(), "control")).unwrap(),
            )),
            judge: member::judge(&std::fs::read_to_string(dir.path().join("roots.pem")).unwrap()),
            log_bytes: Some(1 << 20),
        };
        let (folder, stop) = (Folder::default(), CancellationToken::new());
        let (group, _) = Group::start(options, listener, folder.clone(), stop.clone()).await.unwrap();
        let alone = Self { dir, folder, group, lost: CancellationToken::new(), stop };
        while alone.group.look(Vec::new()).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        alone
    }

    fn kept(&self) -> Kept {
        let (lost, stop) = (self.lost.clone(), self.stop.clone());
        let term = self.group.status().term;
        Kept::start((self.group.clone(), term), self.folder.clone(), self.dir.path().join("live"), OWN, lost, stop)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let at = self.dir.path().join("live").join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, bytes).unwrap();
    }

    fn laid_out(&self) -> BTreeMap<String, Vec<u8>> {
        let out = self.dir.path().join("out");
        std::fs::create_dir_all(&out).unwrap();
        self.folder.lay_out(&out, &OWN).unwrap();
        files(&out)
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                all.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_settled_is_laid_out_and_what_is_a_members_own_stays() {
    let alone = Alone::start().await;
    let kept = alone.kept();
    for path in ["root.sealed", "issued/0001", "events/big", ".root.sealed.1.2.tmp", "x.sock"] {
        alone.put(path, path.as_bytes());
    }
    kept.settle().await.unwrap();
    assert_eq!(alone.laid_out().into_keys().collect::<Vec<_>>(), ["issued/0001", "root.sealed"]);
    // Longer than an entry, and shorter again; in the middle of a file; gone.
    let long: Vec<u8> = (0..5 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [&long[..], &long[..70_000], b"", &long[7..9_000]] {
        alone.put("issued/0001", bytes);
        alone.put("deny.json", &bytes[..bytes.len().min(9)]);
        kept.settle().await.unwrap();
        assert!(alone.laid_out()["issued/0001"] == bytes, "{} bytes", bytes.len());
    }
    std::fs::remove_file(alone.dir.path().join("live/deny.json")).unwrap();
    alone.put("root.sealed", b"root.SEALED");
    kept.settle().await.unwrap();
    let out = alone.dir.path().join("out");
    // Left by the one that led before: it is nobody's.
    for path in ["left.json", "issued/left", "events/mine", "bartizan.db-shm"] {
        std::fs::create_dir_all(out.join(path).parent().unwrap()).unwrap();
        std::fs::write(out.join(path), b"left").unwrap();
    }
    let laid = alone.laid_out();
    let aside = [".left/deny.json", ".left/issued_left", ".left/left.json"];
    let kept = ["events/mine", "issued/0001", "root.sealed"];
    assert_eq!(laid.keys().map(String::as_str).collect::<Vec<_>>(), [&aside[..], &kept].concat());
    assert_eq!(laid["root.sealed"], b"root.SEALED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_are_settled_as_one_state_while_they_are_written() {
    use bartizan_store::{Content, Store};
    let alone = Alone::start().await;
    let (kept, live) = (alone.kept(), alone.dir.path().join("live"));
    let store = Store::open(&live.join("bartizan.db")).await.unwrap();
    let content = |n: u64| Content { hash: n.to_string(), text: "x".repeat(5_000) + &n.to_string() };
    let kind = bartizan_core::snapshot::Kind::Policies;
    let out = alone.dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    for n in 1..=60 {
        let epoch = store.publish([(kind, content(n))].into(), Default::default()).await.unwrap()[&kind].epoch;
        kept.settle().await.unwrap();
        if n % 6 == 0 {
            alone.folder.lay_out(&out, &OWN).unwrap();
            let copy = Store::open(&out.join("bartizan.db")).await.unwrap();
            assert_eq!(copy.content(kind, epoch).await.unwrap(), Some(content(n).text), "the one of a moment ago");
            copy.close().await;
        }
    }
    store.close().await;
    kept.settle().await.unwrap();
    assert!(!alone.laid_out().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_settled_once_the_member_has_ended_and_whoever_leads_is_told_so() {
    let alone = Alone::start().await;
    let kept = alone.kept();
    alone.put("a", b"1");
    kept.settle().await.unwrap();
    // The group alone: whoever keeps finds out by itself.
    let lost = alone.lost.clone();
    let gone = Kept::start(
        (alone.group.clone(), alone.group.status().term),
        alone.folder.clone(),
        "/nowhere".into(),
        OWN,
        lost,
        CancellationToken::new(),
    );
    alone.stop.cancel();
    while alone.group.look(Vec::new()).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(matches!(gone.settle().await, Err(NotKept::Lost(_) | NotKept::Folder(_) | NotKept::Ended)));
    alone.put("a", b"2");
    assert!(kept.settle().await.is_err());
    assert_eq!(alone.laid_out()["a"], b"1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_known_in_another_term_changes_nothing_and_is_told_so() {
    let alone = Alone::start().await;
    let term = alone.group.status().term;
    for (other, has_change) in [(term - 1, false), (term + 1, false), (term - 1, true), (term + 1, true)] {
        if has_change {
            alone.put("a", b"1");
        }
        let (lost, live) = (CancellationToken::new(), alone.dir.path().join("live"));
        let group = (alone.group.clone(), other);
        let stale = Kept::start(group, alone.folder.clone(), live, OWN, lost.clone(), CancellationToken::new());
        let said = stale.settle().await;
        assert!(matches!(said, Err(NotKept::Lost(_))), "{other} of {term}, {has_change}: {said:?}");
        lost.cancelled().await;
    }
    assert!(alone.folder.image().is_empty(), "nothing of it is kept");
    alone.kept().settle().await.unwrap();
    assert_eq!(alone.laid_out()["a"], b"1");
}

fn part(first: bool, last: bool, path: &str, bytes: &[u8]) -> Part {
    let edit = Edit { path: path.to_owned(), is: Some((bytes.len() as u64, 0o600)), blocks: vec![(0, bytes.to_vec())] };
    Part { first, last, edits: vec![edit] }
}

#[test]
fn a_change_that_was_not_finished_never_counts() {
    let mut image = Image::default();
    image.take(part(true, true, "a", b"whole"));
    let before = image.clone();
    image.take(part(true, false, "a", b"half"));
    assert_eq!((image.is_empty(), image.bytes()), (false, before.bytes()));
    // Another leader begins one of its own.
    image.take(part(true, true, "b", b"next"));
    let mut wanted = before;
    wanted.take(part(true, true, "b", b"next"));
    assert_eq!(image, wanted);
}

#[test]
fn what_leads_out_of_the_folder_is_no_file_of_it() {
    let mut image = Image::default();
    for path in ["../a", "a/../../b", "/etc/passwd", "", "a//b", "a/.", "a\0b", &"a".repeat(2_000)] {
        image.take(part(true, true, path, b"x"));
        assert!(image.is_empty(), "{path:?}");
    }
    let huge = Edit { path: "a".to_owned(), is: Some((u64::MAX, 0o600)), blocks: vec![(u32::MAX, vec![1])] };
    image.take(Part { first: true, last: true, edits: vec![huge] });
    assert!(image.is_empty());
    let mut folder = Folder::default();
    assert!(folder.load(b"\xff\xff").is_err());
}

proptest! {
    #[test]
    fn no_change_and_no_state_of_any_bytes_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut folder = Folder::default();
        folder.apply(1, &bytes);
        let saved = folder.save();
        let mut other = Folder::default();
        prop_assert!(other.load(&saved).is_ok());
        prop_assert_eq!(&*folder.image(), &*other.image());
        let _ = other.load(&bytes);
    }
}
