//! What is not opened and not kept, and why.

use bartizan_replica::frames::{Read, decode, encode};
use bartizan_replica::limits::CHANGE_BYTES_MAX;
use bartizan_replica::{Change, Entry, Files, Place, ReplicaError, Vote};
use std::path::Path;

pub(crate) fn entry(term: u64, text: &str) -> Entry {
    Entry { term, data: text.as_bytes().into() }
}

pub(crate) fn append(first: u64, texts: &[&str]) -> Change {
    Change { first, append: texts.iter().map(|text| entry(1, text)).collect(), ..Change::default() }
}

fn said(dir: &Path) -> String {
    Files::open(dir, true).unwrap_err().to_string()
}

#[test]
fn one_process_has_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let held = Files::open(dir.path(), true).unwrap();
    assert!(matches!(Files::open(dir.path(), true), Err(ReplicaError::InUse { .. })));
    assert!(said(dir.path()).contains("in use by another process; one member has one folder"));
    drop(held);
    Files::open(dir.path(), true).unwrap();
}

#[test]
fn a_folder_that_was_lost_is_known_for_that_until_it_is_said_to_be_whole() {
    let dir = tempfile::tempdir().unwrap();
    let lost = |founding| Files::open(dir.path(), founding).unwrap().1.disk_was_lost;
    assert!(lost(false) && lost(false) && lost(true), "also at later starts");
    Files::open(dir.path(), false).unwrap().0.is_whole().unwrap();
    assert!(!lost(false));
    let first = tempfile::tempdir().unwrap();
    assert!(!Files::open(first.path(), true).unwrap().1.disk_was_lost);
    assert!(!Files::open(first.path(), false).unwrap().1.disk_was_lost);
}

#[test]
fn damage_that_has_something_behind_it_is_named_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut files, _) = Files::open(dir.path(), true).unwrap();
    let begins = files.bytes();
    files.keep(&append(1, &["first"])).unwrap();
    let second = files.bytes();
    files.keep(&append(2, &["second"])).unwrap();
    drop(files);
    let log = dir.path().join("log");
    let whole = std::fs::read(&log).unwrap();
    // Every byte of the first change, its length among them: none of them may hide the second.
    for at in begins..second {
        let mut bytes = whole.clone();
        bytes[usize::try_from(at).unwrap()] ^= 0x40;
        std::fs::write(&log, &bytes).unwrap();
        let why = said(dir.path());
        assert!(why.contains(&format!("is damaged at byte {begins}")) && why.contains("move the folder away"), "{why}");
        assert_eq!(std::fs::read(&log).unwrap(), bytes, "it is left as it was");
    }
    for at in 0..begins {
        let mut bytes = whole.clone();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
        assert!(said(dir.path()).contains("is damaged at byte"), "byte {at} of the beginning");
    }
    std::fs::write(&log, &whole).unwrap();
    assert_eq!(Files::open(dir.path(), true).unwrap().1.entries, [entry(1, "first"), entry(1, "second")]);
}

#[test]
fn changes_that_cannot_be_are_found_at_the_next_start() {
    for (change, why) in [
        (append(3, &["x"]), "a gap in the log"),
        (append(1, &["x"]), "a gap in the log"),
        (Change { vote: Some(Vote { term: 4, member: None }), ..Change::default() }, "a vote in an older term"),
        (Change { cut: Some(0), ..Change::default() }, "a cut in what is gone"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, _) = Files::open(dir.path(), true).unwrap();
        files.keep(&Change { vote: Some(Vote { term: 5, member: Some(1) }), ..append(1, &["there"]) }).unwrap();
        files.keep(&change).unwrap();
        drop(files);
        assert!(said(dir.path()).contains(why), "{why}: {}", said(dir.path()));
    }
}

#[test]
fn a_state_that_is_damaged_or_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (mut files, _) = Files::open(dir.path(), true).unwrap();
    files.keep(&append(1, &["a", "b"])).unwrap();
    files.put_state(Vote::default(), Place { term: 1, index: 2 }, b"all of it", &[]).unwrap();
    drop(files);
    let state = dir.path().join("state");
    let whole = std::fs::read(&state).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&state, bytes).unwrap();
        assert!(said(dir.path()).contains("state` is damaged"), "byte {at}: {}", said(dir.path()));
    }
    std::fs::remove_file(&state).unwrap();
    assert!(said(dir.path()).contains("cannot open"), "{}", said(dir.path()));
    std::fs::write(&state, whole).unwrap();
    assert_eq!(Files::open(dir.path(), true).unwrap().1.state, b"all of it");
}

#[test]
fn a_log_of_another_version_and_what_is_too_long_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut files, _) = Files::open(dir.path(), true).unwrap();
    let long = Entry { term: 1, data: vec![0; CHANGE_BYTES_MAX].into() };
    let refused = files.keep(&Change { first: 1, append: vec![long], ..Change::default() }).unwrap_err();
    assert!(matches!(refused, ReplicaError::TooLong { .. }), "{refused}");
    files.keep(&append(1, &["a"])).unwrap();
    drop(files);
    std::fs::write(dir.path().join("log"), b"BZREPLG2").unwrap();
    assert!(said(dir.path()).contains("it does not begin as a log of this version"));
    assert_eq!(encode(b"four", 3), None);
    assert_eq!(decode(&encode(b"four", 9).unwrap(), 3), Read::Damaged);
}
