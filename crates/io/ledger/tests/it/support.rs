//! A ledger with its engine.

use bartizan_audit::{Audit, Checkpoint, Mark, Report, Sealing, Signer, Tree, leaf_hash};
use bartizan_core::Secret;
use bartizan_ledger::{LedgerError, Piece, Writer, read, read_with};
use std::path::{Path, PathBuf};

pub(crate) const ORIGIN: &str = "bank.example/ledger";

pub(crate) fn signer() -> Signer {
    Signer::new(ORIGIN, &Secret::new([7; 32])).unwrap()
}

pub(crate) struct Ledger {
    pub(crate) writer: Writer,
    pub(crate) tree: Tree,
    signer: Signer,
    /// Entries of the newest file, as they were handed over.
    pub(crate) seen: Vec<Vec<u8>>,
}

impl Ledger {
    /// With files of a kilobyte.
    pub(crate) fn open(dir: &Path) -> Self {
        Self::open_by(dir, signer())
    }

    /// As [`Ledger::open`], with another key.
    pub(crate) fn open_by(dir: &Path, signer: Signer) -> Self {
        let mut seen = Vec::new();
        let writer = Writer::open_with(dir, 1 << 10, |entry| seen.push(entry.to_vec())).unwrap();
        let tree = writer.mark().map_or_else(Tree::default, |mark| Mark::read(mark).unwrap().tree);
        Self { writer, tree, signer, seen }
    }

    pub(crate) fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), LedgerError> {
        let mut tree = self.tree.clone();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let mark = Mark::make(&tree, ORIGIN, &self.signer).unwrap();
        self.writer.append(entries, mark.bytes())?;
        self.tree = tree;
        Ok(())
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of(ORIGIN, &self.tree)
    }
}

/// Entries `numbers`, of different lengths.
pub(crate) fn entries(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(|n| format!("entry {n} {}", "x".repeat(n as usize % 50)).into_bytes()).collect()
}

/// Eight groups of five, in several files.
pub(crate) fn filled(dir: &Path) -> Checkpoint {
    filled_with(dir, 8)
}

/// As many groups of five.
pub(crate) fn filled_with(dir: &Path, groups: u64) -> Checkpoint {
    let mut ledger = Ledger::open(dir);
    for n in 0..groups {
        ledger.append(&entries(n * 5..n * 5 + 5)).unwrap();
    }
    ledger.checkpoint()
}

pub(crate) fn audit(dir: &Path, expected: Vec<Checkpoint>) -> Report {
    audit_with(dir, &[], expected)
}

/// Where archives are named, all has to be in them.
pub(crate) fn audit_with(dir: &Path, archives: &[PathBuf], expected: Vec<Checkpoint>) -> Report {
    let signer = signer();
    let audit = Audit::new(signer.verifier()).expect(expected);
    let mut audit = if archives.is_empty() { audit } else { audit.of_all() };
    read_with(dir, archives, |place, piece| match piece {
        Piece::Entry(entry) => audit.entry(entry),
        Piece::Mark(mark) => audit.mark(place, mark),
        Piece::Damaged => audit.damaged(place),
        Piece::Seal(seal) => audit.seal(place, seal),
        Piece::Torn => {}
    })
    .unwrap();
    audit.finish()
}

/// The seal over the pieces of a file, as control makes it.
pub(crate) fn seal_of(pieces: &[Piece<'_>]) -> Result<Vec<u8>, String> {
    let mut sealing = Sealing::default();
    for piece in pieces {
        match piece {
            Piece::Entry(entry) => sealing.entry(entry),
            Piece::Mark(mark) => sealing.mark(mark),
            Piece::Seal(_) | Piece::Damaged | Piece::Torn => return Err("it is damaged".to_owned()),
        }
    }
    sealing.finish().map(|seal| seal.bytes()).map_err(|error| error.to_string())
}

/// The files, the oldest first.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn all_entries(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    read(dir, |_, piece| {
        if let Piece::Entry(entry) = piece {
            all.push(entry.to_vec());
        }
    })
    .unwrap();
    all
}
