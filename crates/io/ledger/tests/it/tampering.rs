//! Every way of tampering with the files, and what an audit says; which need a checkpoint that was kept elsewhere.

use crate::support::{Ledger, all_entries, audit, entries, files, filled};
use bartizan_audit::{Finding, Report};
use bartizan_ledger::frames::{Kind, decode, encode};
use std::path::Path;

/// A file as frames.
fn frames(bytes: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let (mut rest, mut all) = (&bytes[8..], Vec::new());
    while let Some(frame) = decode(rest) {
        all.push((frame.kind, frame.data.to_vec()));
        rest = &rest[frame.bytes..];
    }
    all
}

fn write(path: &Path, frames: &[(Kind, Vec<u8>)]) {
    let mut bytes = b"BZLEDGR1".to_vec();
    frames.iter().for_each(|(kind, data)| encode(*kind, data, &mut bytes));
    std::fs::write(path, bytes).unwrap();
}

/// The findings after `tamper` has had the first file as frames, whose checksums it makes anew like anybody who knows the form.
fn after(tamper: impl FnOnce(&mut Vec<(Kind, Vec<u8>)>)) -> Report {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let first = &files(dir.path())[0];
    let mut all = frames(&std::fs::read(first).unwrap());
    tamper(&mut all);
    write(first, &all);
    audit(dir.path(), vec![])
}

#[test]
fn whoever_knows_the_form_is_caught_all_the_same() {
    assert!(after(|_| {}).is_good(), "nothing was done");
    for n in 0..5 {
        for (what, report) in [
            ("edited", after(|all| all[n].1[0] ^= 1)),
            ("dropped", after(|all| drop(all.remove(n)))),
            ("put in", after(|all| all.insert(n, (Kind::Entry, b"nothing happened".to_vec())))),
            ("reordered", after(|all| all.swap(n, (n + 1) % 5))),
            ("exchanged with another group's", after(|all| all.swap(n, 6 + n % 4))),
        ] {
            assert!(matches!(report.findings[..], [Finding::Altered { .. }, ..]), "entry {n} {what}: {report:?}");
        }
    }
    let group = after(|all| drop(all.drain(0..6)));
    assert!(!group.is_good(), "a group dropped: {group:?}");
    let mark = after(|all| all[5].1[60] ^= 1);
    assert!(matches!(mark.findings[..], [Finding::NotSigned { .. }, ..]), "{mark:?}");
}

#[test]
fn whoever_does_not_is_caught_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let kept = filled(dir.path());
    let first = files(dir.path())[0].clone();
    let bytes = std::fs::read(&first).unwrap();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        std::fs::write(&first, &altered).unwrap();
        let report = audit(dir.path(), vec![kept.clone()]);
        assert!(!report.is_good(), "byte {at}: {report:?}");
    }
}

#[test]
fn files_that_are_gone_or_exchanged_are_caught() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let all = files(dir.path());
    assert!(all.len() >= 3, "{all:?}");
    let aside = dir.path().join("aside");
    for gone in &all[..all.len() - 1] {
        std::fs::rename(gone, &aside).unwrap();
        let report = audit(dir.path(), vec![]);
        assert!(!report.is_good(), "{} gone: {report:?}", gone.display());
        std::fs::rename(&aside, gone).unwrap();
    }
    std::fs::rename(&all[0], &aside).unwrap();
    std::fs::rename(&all[1], &all[0]).unwrap();
    std::fs::rename(&aside, &all[1]).unwrap();
    assert!(!audit(dir.path(), vec![]).is_good());
}

#[test]
fn a_cut_a_setting_back_and_a_fork_take_a_checkpoint_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let kept = filled(dir.path());
    assert!(audit(dir.path(), vec![kept.clone()]).is_good());

    // The last group is cut off, cleanly.
    let newest = files(dir.path()).pop().unwrap();
    let mut all = frames(&std::fs::read(&newest).unwrap());
    all.truncate(all.len() - 6);
    write(&newest, &all);
    assert!(audit(dir.path(), vec![]).is_good(), "good by itself");
    let report = audit(dir.path(), vec![kept.clone()]);
    assert_eq!(report.findings, [Finding::Shorter { expected: 40, found: 35 }]);

    // And other entries are written in its place, with the key.
    let mut ledger = Ledger::open(dir.path());
    ledger.append(&entries(200..210)).unwrap();
    assert!(audit(dir.path(), vec![]).is_good(), "good by itself");
    let report = audit(dir.path(), vec![kept.clone()]);
    assert!(!report.is_good(), "{report:?}");

    // The whole is written anew.
    let fork = tempfile::tempdir().unwrap();
    Ledger::open(fork.path()).append(&entries(300..340)).unwrap();
    let report = audit(fork.path(), vec![kept]);
    assert!(matches!(report.findings[..], [Finding::Forked { size: 40, .. }]), "{report:?}");
}

#[test]
fn damage_is_kept_and_a_new_file_begun_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let newest = files(dir.path()).pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    // Within its last group: as a torn end, it would be cut off and hidden.
    let at = bytes.len() - 400;
    bytes[at] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    let mut ledger = Ledger::open(dir.path());
    assert_eq!(ledger.tree.size(), 40, "what was signed goes on");
    ledger.append(&entries(40..42)).unwrap();
    assert_eq!(std::fs::read(&newest).unwrap(), bytes, "it stays as it is");
    assert_ne!(files(dir.path()).pop().unwrap(), newest);
    let report = audit(dir.path(), vec![]);
    assert!(!report.is_good() && report.entries == 42, "{report:?}");
    assert!(all_entries(dir.path()).ends_with(&entries(40..42)));
}
