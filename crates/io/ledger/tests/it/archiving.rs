//! Files that were moved into an archive: what a kill in between leaves, what is refused, and what an audit says of whoever tampers with
//! an archive, a seal, or the ledger under cover of one.

use crate::support::{Ledger, ORIGIN, audit, audit_with, entries, files, filled_with, seal_of};
use bartizan_audit::{Finding, Mark, Sealing, Signer, Tree, leaf_hash};
use bartizan_core::Secret;
use bartizan_ledger::frames::{Kind, encode};
use bartizan_ledger::{LedgerError, Piece, closed, read_with};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A ledger of eighty entries in several files, and an archive beside it.
struct Place {
    _dir: TempDir,
    ledger: PathBuf,
    archive: PathBuf,
}

impl Place {
    fn filled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, archive) = (dir.path().join("ledger"), dir.path().join("archive"));
        filled_with(&ledger, 16);
        Self { _dir: dir, ledger, archive }
    }

    /// With all closed files but the last one moved.
    fn archived() -> Self {
        let place = Self::filled();
        let (all, _) = closed(&place.ledger).unwrap();
        assert!(all.len() >= 3, "{all:?}");
        for file in &all[..all.len() - 1] {
            file.archive(&place.archive, seal_of).unwrap();
        }
        place
    }

    fn with_archive(&self) -> Vec<Finding> {
        audit_with(&self.ledger, std::slice::from_ref(&self.archive), vec![]).findings
    }

    fn seals(&self) -> Vec<PathBuf> {
        files(&self.ledger).into_iter().filter(|path| path.extension().is_some_and(|it| it == "seal")).collect()
    }
}

fn write_seal(path: &Path, seal: &[u8]) {
    let mut bytes = b"BZSEALS1".to_vec();
    encode(Kind::Mark, seal, &mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn another_file_in_the_archive_is_never_written_over_and_nothing_goes() {
    let place = Place::filled();
    let (all, _) = closed(&place.ledger).unwrap();
    std::fs::create_dir(&place.archive).unwrap();
    let taken = place.archive.join(all[0].path().file_name().unwrap());
    std::fs::write(&taken, b"somebody else's").unwrap();
    let before = files(&place.ledger);
    let refused = all[0].archive(&place.archive, seal_of).unwrap_err();
    assert!(refused.to_string().contains("another file of this name"), "{refused}");
    assert_eq!(std::fs::read(&taken).unwrap(), b"somebody else's");
    assert_eq!(files(&place.ledger), before);
}

#[test]
fn a_damaged_file_and_one_that_cannot_be_copied_stay() {
    let place = Place::filled();
    let (all, _) = closed(&place.ledger).unwrap();
    let before = files(&place.ledger);
    // The archive is a file: nothing can be made in it.
    std::fs::write(&place.archive, b"").unwrap();
    assert!(matches!(all[0].archive(&place.archive, seal_of), Err(LedgerError::File { .. })));
    std::fs::remove_file(&place.archive).unwrap();

    let mut bytes = std::fs::read(all[0].path()).unwrap();
    bytes[30] ^= 1;
    std::fs::write(all[0].path(), &bytes).unwrap();
    let refused = all[0].archive(&place.archive, seal_of);
    assert!(matches!(refused, Err(LedgerError::Sealing { .. })), "{refused:?}");
    assert_eq!(files(&place.ledger), before, "it stays for people to look at");
    assert!(!place.archive.exists());
}

#[test]
fn what_a_kill_in_between_leaves_is_good_and_goes_on() {
    let place = Place::filled();
    let kept = audit(&place.ledger, vec![]).last.unwrap();
    let (all, _) = closed(&place.ledger).unwrap();
    let first = &all[0];
    let bytes = std::fs::read(first.path()).unwrap();
    let name = first.path().file_name().unwrap();
    std::fs::create_dir(&place.archive).unwrap();
    let good = |what: &str| {
        for archives in [&[][..], std::slice::from_ref(&place.archive)] {
            let report = audit_with(&place.ledger, archives, vec![kept.clone()]);
            assert!(report.is_good() && report.elsewhere == 0 && report.entries == 80, "{what}: {report:?}");
        }
    };
    // Half a copy.
    std::fs::write(place.archive.join(name).with_extension("new"), &bytes[..bytes.len() / 2]).unwrap();
    good("half a copy");
    // A whole copy, and no seal yet.
    std::fs::write(place.archive.join(name), &bytes).unwrap();
    good("a copy");
    // The seal, and the file is still there.
    first.archive(&place.archive, seal_of).unwrap();
    std::fs::write(first.path(), &bytes).unwrap();
    good("a seal and the file");
    first.archive(&place.archive, seal_of).unwrap();
    assert!(!first.path().exists());
    let report = audit_with(&place.ledger, std::slice::from_ref(&place.archive), vec![kept]);
    assert!(report.is_good() && report.entries == 80, "{report:?}");
}

#[test]
fn with_its_archive_all_is_hashed_and_without_the_rest_goes_on_from_the_seals() {
    let place = Place::archived();
    assert_eq!(place.with_archive(), []);
    let alone = audit(&place.ledger, vec![]);
    assert!(alone.is_good() && alone.entries == 80, "{alone:?}");
    assert!((10..80).contains(&alone.elsewhere), "{alone:?}");
    let mut read = Vec::new();
    read_with(&place.ledger, std::slice::from_ref(&place.archive), |_, piece| {
        if let Piece::Entry(entry) = piece {
            read.push(entry.to_vec());
        }
    })
    .unwrap();
    assert_eq!(read, entries(0..80), "each once, in order");

    // It is written on, and a later start is at the same place.
    let mut ledger = Ledger::open(&place.ledger);
    assert_eq!(ledger.tree.size(), 80);
    ledger.append(&entries(80..85)).unwrap();
    assert_eq!(place.with_archive(), []);
    let small: u64 = place.seals().iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert!(small < 2_048 * place.seals().len() as u64, "{small} bytes of seals");
}

#[test]
fn a_checkpoint_from_elsewhere_holds_with_the_archive_and_is_not_compared_without() {
    let early = {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(dir.path());
        ledger.append(&entries(0..5)).unwrap();
        ledger.checkpoint()
    };
    let place = Place::archived();
    let report = audit_with(&place.ledger, std::slice::from_ref(&place.archive), vec![early.clone()]);
    assert!(report.is_good(), "{report:?}");
    let alone = audit(&place.ledger, vec![early.clone()]);
    assert_eq!(alone.findings, [Finding::Unproven { size: 5 }], "nothing is called good that was not seen");
    let forked = bartizan_audit::Checkpoint { root: [9; 32], ..early };
    let report = audit_with(&place.ledger, std::slice::from_ref(&place.archive), vec![forked]);
    assert!(matches!(report.findings[..], [Finding::Forked { size: 5, .. }]), "{report:?}");
}

#[test]
fn every_altered_byte_of_an_archive_and_of_a_seal_is_seen() {
    let place = Place::archived();
    let archived = files(&place.archive)[0].clone();
    let seal = place.seals()[0].clone();
    for path in [&archived, &seal] {
        let bytes = std::fs::read(path).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            std::fs::write(path, &altered).unwrap();
            assert_ne!(place.with_archive(), [], "{}, byte {at}", path.display());
            if path == &seal {
                assert!(!audit(&place.ledger, vec![]).is_good(), "{}, byte {at}, alone", path.display());
            }
        }
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(place.with_archive(), []);
}

#[test]
fn archives_that_are_gone_exchanged_cut_or_another_ledgers_are_seen() {
    let place = Place::archived();
    let all = files(&place.archive);
    let aside = place.archive.join("aside");
    for gone in &all {
        std::fs::rename(gone, &aside).unwrap();
        let found = place.with_archive();
        assert!(matches!(found[..], [Finding::Elsewhere { .. }]), "{} gone: {found:?}", gone.display());
        std::fs::rename(&aside, gone).unwrap();
    }
    // Two exchanged.
    std::fs::rename(&all[0], &aside).unwrap();
    std::fs::rename(&all[1], &all[0]).unwrap();
    std::fs::rename(&aside, &all[1]).unwrap();
    assert_ne!(place.with_archive(), []);
    std::fs::rename(&all[1], &aside).unwrap();
    std::fs::rename(&all[0], &all[1]).unwrap();
    std::fs::rename(&aside, &all[0]).unwrap();
    assert_eq!(place.with_archive(), []);
    // One cut at a checkpoint, cleanly: its last group is six frames.
    let bytes = std::fs::read(&all[0]).unwrap();
    let mut at = 8;
    let mut ends = Vec::new();
    while let Some(frame) = bartizan_ledger::frames::decode(&bytes[at..]) {
        at += frame.bytes;
        if frame.kind == Kind::Mark {
            ends.push(at);
        }
    }
    assert!(ends.len() >= 2, "{ends:?}");
    std::fs::write(&all[0], &bytes[..ends[ends.len() - 2]]).unwrap();
    assert_ne!(place.with_archive(), []);
    // One of another ledger, well made, by another key.
    let other = tempfile::tempdir().unwrap();
    let foreign = Signer::new(ORIGIN, &Secret::new([8; 32])).unwrap();
    Ledger::open_by(other.path(), foreign).append(&entries(0..10)).unwrap();
    std::fs::copy(&files(other.path())[0], &all[0]).unwrap();
    assert_ne!(place.with_archive(), []);
}

#[test]
fn seals_that_are_gone_exchanged_or_made_by_others_are_seen() {
    let place = Place::archived();
    let seals = place.seals();
    let (first, second) = (std::fs::read(&seals[0]).unwrap(), std::fs::read(&seals[1]).unwrap());
    // Gone: with the archive everything is there, without it something is missing.
    std::fs::remove_file(&seals[0]).unwrap();
    assert!(!audit(&place.ledger, vec![]).is_good());
    assert_eq!(place.with_archive(), [], "a seal is no more than a stand-in");
    // In another's place.
    std::fs::write(&seals[0], &second).unwrap();
    std::fs::write(&seals[1], &first).unwrap();
    assert!(!audit(&place.ledger, vec![]).is_good());
    assert_ne!(place.with_archive(), []);
    std::fs::write(&seals[0], &first).unwrap();
    std::fs::write(&seals[1], &second).unwrap();
    assert!(audit(&place.ledger, vec![]).is_good());
    // Whoever has not the key cannot make one over other entries.
    let foreign = Signer::new(ORIGIN, &Secret::new([8; 32])).unwrap();
    let mut tree = Tree::default();
    let own = entries(100..110);
    own.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    let end = Mark::make(&tree, ORIGIN, &foreign).unwrap();
    let mut sealing = Sealing::default();
    own.iter().for_each(|entry| sealing.entry(entry));
    sealing.mark(&end.bytes());
    let forged = sealing.finish().unwrap();
    write_seal(&seals[0], &forged.bytes());
    assert!(matches!(audit(&place.ledger, vec![]).findings[..], [Finding::Unsealed { .. }, ..]));
}

#[test]
fn whoever_puts_a_seal_in_the_place_of_entries_is_seen_once_the_archive_is_asked_for() {
    let place = Place::archived();
    let (left, _) = closed(&place.ledger).unwrap();
    // A closed file that was not archived goes, and what would stay of it is put there: everybody who can read can make that.
    left[0].archive(&place.archive.join("../nowhere"), seal_of).unwrap();
    let alone = audit(&place.ledger, vec![]);
    assert!(alone.is_good() && alone.elsewhere > 0, "by itself it says how many are elsewhere: {alone:?}");
    let found = place.with_archive();
    assert!(matches!(found[..], [Finding::Elsewhere { .. }]), "{found:?}");
}
