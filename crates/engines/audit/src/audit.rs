//! Reads a ledger that somebody else has kept, hashes all of it anew, and says what is wrong with it.
//!
//! What is between two signed checkpoints and is not what was signed (edited, left out, put elsewhere, exchanged) is found by itself. A
//! ledger that was cut at a checkpoint, set back to an earlier state, or written anew by somebody who has its key, is a good ledger by
//! itself: that takes a checkpoint that was kept elsewhere ([`Audit::expect`]).
//!
//! Of a part in an archive that is not there the seal is looked at: its checkpoints are those of the ledger and go on from each other; what
//! its entries say is not known. Such a part is counted, and with [`Audit::of_all`] it is a finding.

use crate::checkpoint::{Checkpoint, Mark};
use crate::limits::FINDINGS_MAX;
use crate::note::VerifierKey;
use crate::seal::Seal;
use crate::tree::{Tree, leaf_hash};
use bartizan_crypto::hash::hex;
use std::fmt;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Bytes that are no part of a ledger.
    Damaged {
        /// Where.
        place: String,
    },
    /// A checkpoint that the ledger's key has not signed.
    NotSigned {
        /// Where.
        place: String,
        /// Why it is none.
        why: String,
    },
    /// The entries before a checkpoint are not those that were signed.
    Altered {
        /// Where the checkpoint is.
        place: String,
        /// The first entry that may be another one, counted from 0.
        from: u64,
        /// Entries that the checkpoint is over.
        signed: u64,
        /// Entries that are there.
        found: u64,
    },
    /// Entries in the middle that no checkpoint is over: they were put there.
    Uncovered {
        /// Where they end.
        place: String,
        /// How many.
        entries: u64,
    },
    /// A seal that cannot be believed, or is of another part.
    Unsealed {
        /// Where.
        place: String,
        /// Why it is none.
        why: String,
    },
    /// Entries of which the seal alone is there, and the archive was to be there as well.
    Elsewhere {
        /// Where the seal is.
        place: String,
        /// The first of them, counted from 0.
        from: u64,
        /// The first behind them.
        to: u64,
    },
    /// There are fewer entries than a checkpoint from elsewhere says: the end was cut off, or the whole was set back.
    Shorter {
        /// Entries of that checkpoint.
        expected: u64,
        /// Entries that are there.
        found: u64,
    },
    /// A checkpoint from elsewhere is over entries that are not all there to be compared: see the findings before.
    Unproven {
        /// Entries of that checkpoint.
        size: u64,
    },
    /// The first entries are others than a checkpoint from elsewhere says: it was written anew.
    Forked {
        /// Entries of that checkpoint.
        size: u64,
        /// Its root.
        expected: String,
        /// The root over as many entries here.
        found: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { place } => write!(f, "{place}: bytes that are no part of a ledger"),
            Self::NotSigned { place, why } => write!(f, "{place}: a checkpoint that cannot be believed: {why}"),
            Self::Altered { place, from, signed, found } if signed == found => {
                write!(f, "{place}: entries {from} to {} are not those that were signed", signed.saturating_sub(1))
            }
            Self::Altered { place, from, signed, found } => write!(
                f,
                "{place}: from entry {from} on there are {} entries, {} were signed",
                found.saturating_sub(*from),
                signed.saturating_sub(*from)
            ),
            Self::Uncovered { place, entries } => write!(f, "{place}: {entries} entries that nobody signed"),
            Self::Unsealed { place, why } => write!(f, "{place}: a seal that cannot be believed: {why}"),
            Self::Elsewhere { place, from, to } => {
                write!(f, "{place}: entries {from} to {} are in none of the archives", to.saturating_sub(1))
            }
            Self::Shorter { expected, found } => {
                write!(f, "there are {found} entries; a checkpoint from elsewhere is over {expected}: the end is gone")
            }
            Self::Unproven { size } => {
                write!(
                    f,
                    "a checkpoint from elsewhere over {size} entries cannot be compared: not all of them can be read, or some lie in an archive that was not named"
                )
            }
            Self::Forked { size, expected, found } => write!(
                f,
                "the first {size} entries have the root {found}, a checkpoint from elsewhere says {expected}: this is another ledger"
            ),
        }
    }
}

/// How an audit came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries that are there and signed.
    pub entries: u64,
    /// Of these, entries that lie in an archive that was not there: their seals are.
    pub elsewhere: u64,
    /// Entries at the end that are not signed yet: nobody was told that they are there.
    pub unsigned: u64,
    /// Checkpoints that were signed by the ledger.
    pub checkpoints: u64,
    /// The last one.
    pub last: Option<Checkpoint>,
    /// What is wrong, in the order of the ledger.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are listed.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// An audit under way: the pieces of a ledger are handed to it one by one, in order.
#[derive(Debug)]
pub struct Audit<'a> {
    key: &'a VerifierKey,
    /// What is there.
    tree: Tree,
    /// Entries that the last checkpoint is over.
    signed: u64,
    checkpoints: u64,
    elsewhere: u64,
    /// Whether the archives are there.
    all: bool,
    last: Option<Checkpoint>,
    /// Of checkpoints from elsewhere, those that are still to come, the smallest last.
    expected: Vec<Checkpoint>,
    /// Entries of the largest of those that came.
    compared: u64,
    findings: Vec<Finding>,
    more: u64,
}

impl<'a> Audit<'a> {
    /// Of the ledger that signs with this key.
    pub fn new(key: &'a VerifierKey) -> Self {
        Self {
            key,
            tree: Tree::default(),
            signed: 0,
            checkpoints: 0,
            elsewhere: 0,
            all: false,
            last: None,
            expected: Vec::new(),
            compared: 0,
            findings: Vec::new(),
            more: 0,
        }
    }

    /// Checkpoints of the ledger that were kept elsewhere: it has to go on from each of them.
    #[must_use]
    pub fn expect(mut self, mut checkpoints: Vec<Checkpoint>) -> Self {
        checkpoints.sort_by_key(|it| std::cmp::Reverse(it.size));
        self.expected = checkpoints;
        self.compare();
        self
    }

    /// All entries have to be there: no part may be known by its seal alone.
    #[must_use]
    pub fn of_all(mut self) -> Self {
        self.all = true;
        self
    }

    /// The next entry.
    pub fn entry(&mut self, entry: &[u8]) {
        self.tree.push(leaf_hash(entry));
        self.compare();
    }

    /// The next checkpoint, as [`Mark::bytes`].
    pub fn mark(&mut self, place: &str, bytes: &[u8]) {
        let opened = match Mark::read(bytes) {
            None => Err("it does not have the form".to_owned()),
            Some(mark) => mark.open(self.key).map(|checkpoint| (mark, checkpoint)).map_err(|error| error.to_string()),
        };
        let place = place.to_owned();
        let (mark, checkpoint) = match opened {
            Ok(opened) => opened,
            Err(why) => return self.find(Finding::NotSigned { place, why }),
        };
        self.checkpoints += 1;
        if checkpoint.size < self.signed {
            let (signed, found) = (checkpoint.size, self.tree.size());
            self.find(Finding::Altered { place, from: checkpoint.size, signed, found });
        } else if checkpoint.size == self.signed && self.tree.size() > self.signed && self.tree_at_last(&checkpoint) {
            let entries = self.tree.size() - self.signed;
            self.find(Finding::Uncovered { place, entries });
        } else if mark.tree != self.tree {
            let (signed, found) = (checkpoint.size, self.tree.size());
            self.find(Finding::Altered { place, from: self.signed, signed, found });
        }
        // Goes on from what was signed, so that each finding is about what lies between two checkpoints.
        self.tree = mark.tree;
        self.signed = checkpoint.size;
        self.last = Some(checkpoint);
        self.compare();
    }

    /// The seal of a part: in place of its entries, or behind them.
    pub fn seal(&mut self, place: &str, bytes: &[u8]) {
        let opened = Seal::read(bytes).and_then(|seal| seal.open(self.key).map(|checkpoint| (seal, checkpoint)));
        let (seal, checkpoint) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.find(Finding::Unsealed { place: place.to_owned(), why: error.to_string() }),
        };
        if seal.end.tree == self.tree {
            return; // its entries were there
        }
        let (from, to) = (seal.before().size(), checkpoint.size);
        if seal.before() != self.tree {
            let why = "it is not of the part that belongs here".to_owned();
            self.find(Finding::Unsealed { place: place.to_owned(), why });
        } else if self.all {
            self.find(Finding::Elsewhere { place: place.to_owned(), from, to });
        } else {
            self.elsewhere += to - from;
        }
        self.checkpoints += 1;
        self.tree = seal.end.tree;
        self.signed = checkpoint.size;
        self.last = Some(checkpoint);
        self.compare();
    }

    /// Bytes that cannot be read.
    pub fn damaged(&mut self, place: &str) {
        self.find(Finding::Damaged { place: place.to_owned() });
    }

    /// Nothing follows.
    pub fn finish(mut self) -> Report {
        // What is not signed counts for nothing, here too: at the next start it would be cut off.
        if self.compared > self.signed {
            self.find(Finding::Shorter { expected: self.compared, found: self.signed });
        }
        while let Some(expected) = self.expected.pop() {
            self.find(Finding::Shorter { expected: expected.size, found: self.signed });
        }
        let Self { tree, signed, checkpoints, elsewhere, last, findings, more, .. } = self;
        let unsigned = tree.size().saturating_sub(signed);
        Report { entries: signed, elsewhere, unsigned, checkpoints, last, findings, more }
    }

    fn tree_at_last(&self, checkpoint: &Checkpoint) -> bool {
        self.last.as_ref().is_none_or(|last| last.root == checkpoint.root)
    }

    /// Looks at the checkpoints from elsewhere that are over as many entries as there are now.
    fn compare(&mut self) {
        while let Some(expected) = self.expected.pop_if(|it| it.size <= self.tree.size()) {
            let Checkpoint { size, root, .. } = expected;
            let found = self.tree.root();
            self.compared = self.compared.max(size);
            if size < self.tree.size() {
                self.find(Finding::Unproven { size });
            } else if root != found {
                self.find(Finding::Forked { size, expected: hex(&root), found: hex(&found) });
            }
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Signer;
    use bartizan_core::Secret;

    const ORIGIN: &str = "bank.example/ledger";

    #[derive(Clone, Debug)]
    enum Piece {
        Entry(Vec<u8>),
        Mark(Vec<u8>),
    }

    fn signer(seed: u8) -> Signer {
        Signer::new(ORIGIN, &Secret::new([seed; 32])).unwrap()
    }

    /// Groups of three entries with a checkpoint behind each, entries named `prefix` and their number.
    fn ledger(groups: u64, prefix: &str, signer: &Signer) -> Vec<Piece> {
        let (mut tree, mut pieces) = (Tree::default(), Vec::new());
        for n in 0..groups * 3 {
            let entry = format!("{prefix}{n}").into_bytes();
            tree.push(leaf_hash(&entry));
            pieces.push(Piece::Entry(entry));
            if n % 3 == 2 {
                pieces.push(Piece::Mark(Mark::make(&tree, ORIGIN, signer).unwrap().bytes()));
            }
        }
        pieces
    }

    fn checkpoint(pieces: &[Piece]) -> Checkpoint {
        let mark = pieces.iter().rev().find_map(|piece| match piece {
            Piece::Mark(bytes) => Mark::read(bytes),
            Piece::Entry(_) => None,
        });
        mark.unwrap().open(signer(7).verifier()).unwrap()
    }

    fn audited(pieces: &[Piece], expected: Vec<Checkpoint>) -> Report {
        let signer = signer(7);
        let mut audit = Audit::new(signer.verifier()).expect(expected);
        for piece in pieces {
            match piece {
                Piece::Entry(entry) => audit.entry(entry),
                Piece::Mark(bytes) => audit.mark("here", bytes),
            }
        }
        audit.finish()
    }

    fn caught(what: &str, pieces: &[Piece], expected: Vec<Checkpoint>) -> Report {
        let report = audited(pieces, expected);
        assert!(!report.is_good(), "{what} was not caught: {report:?}");
        report
    }

    #[test]
    fn a_good_ledger_is_good_with_and_without_checkpoints_from_elsewhere() {
        let pieces = ledger(5, "e", &signer(7));
        for groups in 0..=5 {
            let kept = if groups == 0 { Vec::new() } else { vec![checkpoint(&pieces[..groups * 4])] };
            let report = audited(&pieces, kept);
            assert!(report.is_good(), "{report:?}");
            assert_eq!((report.entries, report.unsigned, report.checkpoints), (15, 0, 5));
        }
        let between = audited(&pieces[..pieces.len() - 2], vec![]);
        assert!(between.is_good() && between.unsigned == 2 && between.entries == 12, "{between:?}");
    }

    /// Every place of a small ledger, each way of tampering.
    #[test]
    fn the_tamper_matrix_without_anything_from_elsewhere() {
        let pieces = ledger(5, "e", &signer(7));
        let entries: Vec<usize> = (0..pieces.len()).filter(|n| matches!(pieces[*n], Piece::Entry(_))).collect();
        for &at in &entries {
            let mut edited = pieces.clone();
            let Piece::Entry(entry) = &mut edited[at] else { unreachable!() };
            entry.push(b'!');
            caught("an edited entry", &edited, vec![]);

            let mut dropped = pieces.clone();
            dropped.remove(at);
            caught("a dropped entry", &dropped, vec![]);

            let mut added = pieces.clone();
            added.insert(at, Piece::Entry(b"new".to_vec()));
            caught("an added entry", &added, vec![]);

            for &with in entries.iter().filter(|with| **with != at) {
                let mut swapped = pieces.clone();
                swapped.swap(at, with);
                caught("two exchanged entries", &swapped, vec![]);
            }
        }
        for at in (0..pieces.len()).step_by(4) {
            for with in (0..pieces.len()).step_by(4).filter(|with| *with != at) {
                let mut reordered = pieces.clone();
                (0..4).for_each(|n| reordered.swap(at + n, with + n));
                caught("groups in another order", &reordered, vec![]);
            }
            let mut without: Vec<Piece> = pieces.clone();
            without.drain(at..at + 4);
            if at + 4 < pieces.len() {
                caught("a dropped group", &without, vec![]);
            }
            let mut twice = pieces.clone();
            let group = pieces[at..at + 4].to_vec();
            twice.splice(at..at, group);
            caught("a group that is there twice", &twice, vec![]);
        }
        // Written anew by somebody without the key.
        caught("a ledger of another key", &ledger(5, "e", &signer(8)), vec![]);
        let mut mixed = ledger(5, "e", &signer(8));
        mixed.splice(0..4, pieces[..4].to_vec());
        caught("a ledger that another key goes on with", &mixed, vec![]);
        let mut unsigned = pieces.clone();
        unsigned.retain(|piece| matches!(piece, Piece::Entry(_)));
        let report = audited(&unsigned, vec![]);
        assert_eq!((report.entries, report.unsigned), (0, 15), "without checkpoints, nothing is signed");
    }

    /// What is good by itself, and not beside a checkpoint that was kept elsewhere.
    #[test]
    fn the_tamper_matrix_with_a_checkpoint_from_elsewhere() {
        let pieces = ledger(5, "e", &signer(7));
        let kept = checkpoint(&pieces);
        for groups in 0..5 {
            let cut = &pieces[..groups * 4];
            assert!(audited(cut, vec![]).is_good(), "cut at a checkpoint: good by itself");
            let report = caught("a ledger that was cut or set back", cut, vec![kept.clone()]);
            assert_eq!(report.findings, [Finding::Shorter { expected: 15, found: groups as u64 * 3 }]);
        }
        // Entries are there, but the checkpoint over them is not.
        caught("the last checkpoint is gone", &pieces[..pieces.len() - 1], vec![kept.clone()]);
        // Somebody has the key.
        let fork = ledger(7, "other ", &signer(7));
        assert!(audited(&fork, vec![]).is_good());
        let report = caught("a fork", &fork, vec![kept.clone()]);
        assert!(matches!(report.findings[..], [Finding::Forked { size: 15, .. }]), "{report:?}");
        let mut late = pieces[..8].to_vec();
        late.extend(ledger(7, "other ", &signer(7)).split_off(8));
        caught("a fork in the middle", &late, vec![kept.clone()]);
        let early = checkpoint(&pieces[..4]);
        caught("one of two checkpoints", &pieces[..8], vec![kept, early]);
    }

    #[test]
    fn each_finding_names_what_lies_between_two_checkpoints() {
        let mut pieces = ledger(5, "e", &signer(7));
        let Piece::Entry(entry) = &mut pieces[5] else { unreachable!() };
        entry.push(b'!');
        pieces.remove(12);
        let report = audited(&pieces, vec![]);
        let here = || "here".to_owned();
        assert_eq!(
            report.findings,
            [
                Finding::Altered { place: here(), from: 3, signed: 6, found: 6 },
                Finding::Altered { place: here(), from: 9, signed: 12, found: 11 },
            ]
        );
        assert_eq!(report.findings[0].to_string(), "here: entries 3 to 5 are not those that were signed");
        assert_eq!(report.findings[1].to_string(), "here: from entry 9 on there are 2 entries, 3 were signed");
    }

    #[test]
    fn findings_are_bounded_and_counted() {
        let signer = signer(7);
        let mut audit = Audit::new(signer.verifier());
        (0..FINDINGS_MAX + 9).for_each(|_| audit.damaged("there"));
        let report = audit.finish();
        assert_eq!((report.findings.len(), report.more), (FINDINGS_MAX, 9));
    }
}
