//! A power cut at any byte of a write, and between any two files of a rewrite.

use crate::refusals::{append, entry};
use bartizan_replica::frames::{Read, decode, encode};
use bartizan_replica::{Change, Entry, Files, Found, Place, Vote};
use proptest::prelude::*;
use std::path::Path;

fn opened(dir: &Path) -> Found {
    Files::open(dir, true).unwrap().1
}

#[test]
fn an_end_that_was_torn_costs_what_nobody_was_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (mut files, found) = Files::open(dir.path(), true).unwrap();
    assert_eq!(found, Found::default());
    let mut ends = vec![(files.bytes(), found)];
    let changes = [
        append(1, &["a", "b", "c"]),
        Change { vote: Some(Vote { term: 2, member: Some(2) }), ..Change::default() },
        Change { cut: Some(2), ..append(2, &["d"]) },
        Change { cut: Some(1), ..Change::default() },
        append(1, &["e", "f"]),
    ];
    for change in changes {
        files.keep(&change).unwrap();
        let bytes = files.bytes();
        drop(files);
        ends.push((bytes, opened(dir.path())));
        files = Files::open(dir.path(), true).unwrap().0;
    }
    drop(files);
    let last = &ends.last().unwrap().1;
    assert_eq!((&last.entries[..], last.vote.term), (&[entry(1, "e"), entry(1, "f")][..], 2));

    let log = dir.path().join("log");
    let whole = std::fs::read(&log).unwrap();
    for cut in usize::try_from(ends[0].0).unwrap()..=whole.len() {
        // Torn off, or with zeros where bytes should be.
        for zeros in [0, 5] {
            let mut bytes = whole[..cut].to_vec();
            bytes.resize(cut + zeros, 0);
            // Some of the zeros may be what was to be written.
            let right = bytes.iter().zip(&whole).take_while(|(is, was)| is == was).count() as u64;
            let (end, expected) = ends.iter().rev().find(|(end, _)| *end <= right).unwrap();
            std::fs::write(&log, &bytes).unwrap();
            let (mut files, found) = Files::open(dir.path(), true).unwrap();
            assert_eq!((&found, files.bytes()), (expected, *end), "cut at {cut}, {zeros} zeros");
            // And it goes on from there.
            files.keep(&append(found.entries.len() as u64 + 1, &["new"])).unwrap();
            drop(files);
            assert_eq!(opened(dir.path()).entries.last(), Some(&entry(1, "new")));
        }
    }
}

#[test]
fn a_rewrite_that_is_cut_short_leaves_the_old_or_the_new() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (mut files, _) = Files::open(dir.path(), true).unwrap();
    files.keep(&append(1, &["a", "b", "c"])).unwrap();
    files
        .put_state(Vote { term: 1, member: None }, Place { term: 1, index: 1 }, b"one", &[entry(1, "b"), entry(1, "c")])
        .unwrap();
    let (old_log, old_state) = (std::fs::read(at("log")).unwrap(), std::fs::read(at("state")).unwrap());
    files.put_state(Vote { term: 3, member: None }, Place { term: 1, index: 3 }, b"three", &[entry(3, "d")]).unwrap();
    files.keep(&append(5, &["e"])).unwrap();
    drop(files);
    let (new_log, new_state) = (std::fs::read(at("log")).unwrap(), std::fs::read(at("state")).unwrap());
    let old = |found: &Found| (found.base.index, &found.state[..], found.entries.len()) == (1, b"one", 2);
    let new = |found: &Found| {
        (found.base.index, &found.state[..], found.entries.len(), found.vote.term) == (3, b"three", 2, 3)
    };
    assert!(new(&opened(dir.path())), "{:?}", opened(dir.path()));

    // The new state is there, half or whole, and the log is the old one.
    for half in [new_state.len() / 2, new_state.len()] {
        std::fs::write(at("log"), &old_log).unwrap();
        std::fs::write(at("state"), &old_state).unwrap();
        std::fs::write(at("state.3"), &new_state[..half]).unwrap();
        std::fs::write(at("log.new"), b"BZRE").unwrap();
        assert!(old(&opened(dir.path())), "{:?}", opened(dir.path()));
        assert!(!at("state.3").exists(), "what came to nothing is gone");
    }
    // The new log is in its place, and the state beside it still.
    std::fs::write(at("log"), &new_log).unwrap();
    std::fs::write(at("state.3"), &new_state).unwrap();
    assert!(new(&opened(dir.path())));
    assert!(new(&opened(dir.path())) && !at("state.3").exists());
}

proptest! {
    #[test]
    fn any_cut_leaves_whole_changes_and_any_bytes_are_read_without_panic(
        sizes in proptest::collection::vec(0usize..40, 1..12), cut in 0usize..2_000, bytes in proptest::collection::vec(any::<u8>(), 0..80)
    ) {
        let frames: Vec<Vec<u8>> = sizes.iter().map(|size| encode(&vec![7; *size], 64).unwrap()).collect();
        let whole = frames.concat();
        let cut = cut.min(whole.len());
        let (mut at, mut count) = (0, 0);
        while let Read::Whole(body, taken) = decode(&whole[at..cut], 64) {
            prop_assert_eq!(body.len(), sizes[count]);
            (at, count) = (at + taken, count + 1);
        }
        let ends = frames.iter().scan(0, |end, frame| { *end += frame.len(); Some(*end) });
        prop_assert_eq!(count, ends.filter(|end| *end <= cut).count(), "none is lost that is whole");
        prop_assert!(matches!(decode(&whole[at..cut], 64), Read::Torn | Read::End));
        if let Read::Whole(body, taken) = decode(&bytes, 64) {
            prop_assert!(taken <= bytes.len() && encode(body, 64).unwrap() == bytes[..taken]);
        }
    }

    #[test]
    fn whatever_is_kept_comes_back(steps in proptest::collection::vec((0u64..6, 0usize..4, proptest::option::of(1u64..8)), 1..12)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, _) = Files::open(dir.path(), true).unwrap();
        let (mut entries, mut vote): (Vec<Entry>, Vote) = Default::default();
        for (step, (term, count, cut)) in steps.into_iter().enumerate() {
            let cut = cut.filter(|cut| *cut <= entries.len() as u64);
            if let Some(cut) = cut {
                entries.truncate(cut as usize - 1);
            }
            vote.term += term;
            let first = entries.len() as u64 + 1;
            let more: Vec<Entry> = (0..count).map(|n| entry(vote.term, &format!("{step}.{n}"))).collect();
            entries.extend(more.clone());
            files.keep(&Change { vote: (term > 0).then_some(vote), cut, first, append: more }).unwrap();
        }
        drop(files);
        let found = opened(dir.path());
        prop_assert_eq!((found.entries, found.vote), (entries, vote));
    }
}
