//! What stays of a part of a ledger whose entries lie in an archive: the checkpoints between which it is, and the proof that the second
//! goes on from the first. By it the rest of the ledger is verified without the archive; what the entries say is not.

use crate::checkpoint::{Checkpoint, CheckpointError, Mark};
use crate::limits::PROOF_PARTS_MAX;
use crate::note::VerifierKey;
use crate::proof::verify_consistency;
use crate::prover::Prover;
use crate::tree::{Hash, Tree, leaf_hash};

/// As bytes: length of the first mark, u32 little endian | it | length of the second, u32 | it | hashes, 32 bytes each. The first mark of a part
/// with which the ledger begins is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The mark before its first entry; `None` where the ledger begins with it.
    pub begin: Option<Mark>,
    /// The mark behind its last entry.
    pub end: Mark,
    /// By which it is seen that the second goes on from the first.
    path: Vec<Hash>,
}

/// Why there is no seal, or none that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It does not have the form.
    #[error("a seal that has not the form of one")]
    Form,
    /// One of its checkpoints is none of the ledger.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its entries are not those between its checkpoints, or these do not go on from each other.
    #[error("a seal whose second checkpoint, over {end} entries, does not go on from its first, over {begin}")]
    Broken {
        /// Entries of the first.
        begin: u64,
        /// Entries of the second.
        end: u64,
    },
}

/// A seal that is being made: the pieces of the part are handed to it in order.
#[derive(Debug, Default)]
pub struct Sealing {
    begin: Option<Mark>,
    end: Option<Mark>,
    leaves: Vec<Hash>,
    unreadable: bool,
}

impl Sealing {
    /// The next entry.
    pub fn entry(&mut self, entry: &[u8]) {
        self.leaves.push(leaf_hash(entry));
    }

    /// The next mark, as [`Mark::bytes`].
    pub fn mark(&mut self, bytes: &[u8]) {
        let mark = Mark::read(bytes);
        self.unreadable |= mark.is_none();
        if self.leaves.is_empty() {
            self.begin.clone_from(&mark);
        }
        self.end = mark;
    }

    /// The seal.
    ///
    /// # Errors
    /// [`SealError`] where its entries are not just those between its first and its last mark.
    pub fn finish(self) -> Result<Seal, SealError> {
        let Self { begin, end: Some(end), leaves, unreadable: false } = self else { return Err(SealError::Form) };
        Seal::make(begin, end, &leaves)
    }
}

impl Seal {
    /// The seal over the leaves between two marks.
    fn make(begin: Option<Mark>, end: Mark, leaves: &[Hash]) -> Result<Self, SealError> {
        let mut tree = begin.as_ref().map_or_else(Tree::default, |mark| mark.tree.clone());
        let broken = SealError::Broken { begin: tree.size(), end: end.tree.size() };
        let mut prover = Prover::consistency(tree.size(), end.tree.size()).ok_or_else(|| broken.clone())?;
        prover.skip_to(&tree);
        for leaf in leaves {
            tree.push(*leaf);
            prover.leaf(*leaf);
        }
        if tree != end.tree {
            return Err(broken);
        }
        let path = prover.finish().map_err(|_| broken)?;
        Ok(Self { begin, end, path })
    }

    /// The tree before it.
    pub fn before(&self) -> Tree {
        self.begin.as_ref().map_or_else(Tree::default, |mark| mark.tree.clone())
    }

    /// Its second checkpoint, if `key` has signed both and the second goes on from the first.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, key: &VerifierKey) -> Result<Checkpoint, SealError> {
        let begin = self.begin.as_ref().map(|mark| mark.open(key)).transpose()?;
        let end = self.end.open(key)?;
        let (size, root) = begin.map_or_else(|| (0, Tree::default().root()), |it| (it.size, it.root));
        let holds = verify_consistency(size, &root, end.size, &end.root, &self.path);
        if holds { Ok(end) } else { Err(SealError::Broken { begin: size, end: end.size }) }
    }

    /// As bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mark in [self.begin.as_ref().map(Mark::bytes).unwrap_or_default(), self.end.bytes()] {
            // A mark is a few kilobytes.
            bytes.extend_from_slice(&u32::try_from(mark.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&mark);
        }
        self.path.iter().for_each(|hash| bytes.extend_from_slice(hash));
        bytes
    }

    /// From bytes; whether it can be believed is for [`Seal::open`] to look at.
    ///
    /// # Errors
    /// [`SealError::Form`].
    pub fn read(bytes: &[u8]) -> Result<Self, SealError> {
        let read = || {
            let (begin, rest) = mark(bytes)?;
            let (end, rest) = mark(rest)?;
            let (path, odd) = rest.as_chunks::<32>();
            let begin = if begin.is_empty() { None } else { Some(Mark::read(begin)?) };
            let good = odd.is_empty() && path.len() <= PROOF_PARTS_MAX;
            good.then_some(Self { begin, end: Mark::read(end)?, path: path.to_vec() })
        };
        read().ok_or(SealError::Form)
    }
}

fn mark(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Signer;
    use bartizan_core::Secret;
    use proptest::prelude::*;

    const ORIGIN: &str = "bank.example/ledger";

    fn signer(seed: u8) -> Signer {
        Signer::new(ORIGIN, &Secret::new([seed; 32])).unwrap()
    }

    fn entries(from: u64, to: u64) -> Vec<Vec<u8>> {
        (from..to).map(|n| format!("entry {n}").into_bytes()).collect()
    }

    fn mark(size: u64, signer: &Signer) -> Mark {
        let mut tree = Tree::default();
        entries(0, size).iter().for_each(|entry| tree.push(leaf_hash(entry)));
        Mark::make(&tree, ORIGIN, signer).unwrap()
    }

    fn sealed(from: u64, to: u64, entries: &[Vec<u8>], by: &Signer) -> Result<Seal, SealError> {
        let mut sealing = Sealing::default();
        if from > 0 {
            sealing.mark(&mark(from, by).bytes());
        }
        entries.iter().for_each(|entry| sealing.entry(entry));
        sealing.mark(&mark(to, by).bytes());
        sealing.finish()
    }

    fn seal(from: u64, to: u64, by: &Signer) -> Seal {
        sealed(from, to, &entries(from, to), by).unwrap()
    }

    #[test]
    fn no_seal_over_entries_that_are_others() {
        let by = signer(7);
        for (from, to, entries) in [
            (3, 9, entries(3, 8)),
            (3, 9, entries(3, 10)),
            (3, 9, entries(2, 8)),
            (0, 4, entries(1, 5)),
            (9, 3, entries(3, 9)),
        ] {
            let made = sealed(from, to, &entries, &by);
            assert!(matches!(made, Err(SealError::Broken { .. })), "{from} to {to}: {made:?}");
        }
        assert_eq!(Sealing::default().finish(), Err(SealError::Form), "nothing is there");
        let mut unmarked = Sealing::default();
        unmarked.entry(b"entry 0");
        assert_eq!(unmarked.finish(), Err(SealError::Form), "nobody signed it");
        let mut unreadable = Sealing::default();
        unreadable.entry(b"entry 0");
        unreadable.mark(b"no mark");
        unreadable.mark(&mark(1, &by).bytes());
        assert_eq!(unreadable.finish(), Err(SealError::Form));
    }

    #[test]
    fn an_altered_one_and_one_of_others_is_not_believed() {
        let by = signer(7);
        for (from, to) in [(0, 5), (3, 9), (4, 8)] {
            let good = seal(from, to, &by);
            assert_eq!(good.open(by.verifier()).unwrap().size, to);
            assert!(matches!(seal(from, to, &signer(8)).open(by.verifier()), Err(SealError::Checkpoint(_))));
            let bytes = good.bytes();
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                let read = Seal::read(&altered).and_then(|it| it.open(by.verifier()));
                assert!(read.is_err(), "byte {at} of {from} to {to}");
            }
            // A beginning from another part, and an end.
            if from > 0 {
                let other = Seal { begin: Some(mark(from - 1, &by)), ..good.clone() };
                assert!(other.open(by.verifier()).is_err(), "{from} to {to}");
            }
            let other = Seal { end: mark(to + 1, &by), ..good.clone() };
            assert!(from == 0 || other.open(by.verifier()).is_err(), "{from} to {to}");
        }
    }

    proptest! {
        #[test]
        fn a_seal_comes_back_and_holds(from in 0u64..90, more in 1u64..90) {
            let (by, it) = (signer(7), seal(from, from + more, &signer(7)));
            prop_assert_eq!(Seal::read(&it.bytes()), Ok(it.clone()));
            prop_assert_eq!(it.open(by.verifier()).unwrap().size, from + more);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Seal::read(&bytes);
        }
    }
}
