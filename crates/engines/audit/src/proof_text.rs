//! Proofs as files, for whoever has nothing but them and the key of the ledger: C2SP `tlog-proof` for an entry, and what C2SP `tlog-witness`
//! is sent (`add-checkpoint`) for a ledger that goes on from an earlier checkpoint.

use crate::checkpoint::{Checkpoint, CheckpointError, number};
use crate::limits::{PROOF_BYTES_MAX, PROOF_PARTS_MAX};
use crate::note::VerifierKey;
use crate::proof::{verify_consistency, verify_inclusion};
use crate::tree::{Hash, leaf_hash};
use bartizan_crypto::base64;
use std::fmt;

/// First line of a proof that an entry is in a ledger.
const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
/// First word of one that a ledger goes on from a checkpoint.
const OLD: &str = "old ";

/// A proof, as somebody hands it over: nothing of it is believed before it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// That an entry is in a ledger.
    Inclusion(InclusionProof),
    /// That a ledger goes on from what it was.
    Consistency(ConsistencyProof),
}

/// See [`Proof::Inclusion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry itself: the extra data of the format.
    pub entry: Vec<u8>,
    /// Its number, counted from 0.
    pub index: u64,
    /// The hashes beside it, from its own neighbour up.
    pub path: Vec<Hash>,
    /// A signed checkpoint of the ledger.
    pub checkpoint: String,
}

/// See [`Proof::Consistency`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Entries of the earlier checkpoint.
    pub old: u64,
    /// The hashes by which that is seen.
    pub path: Vec<Hash>,
    /// A later signed checkpoint of the ledger.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It does not have the form.
    #[error("not a proof: {0}")]
    Form(&'static str),
    /// Its checkpoint is not one of the ledger.
    #[error("its checkpoint cannot be believed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is one of the ledger, and the entry is not under it there.
    #[error("entry {index} of the ledger is another one: it is not under the checkpoint over {size} entries")]
    NotIn {
        /// Its number.
        index: u64,
        /// Entries of the checkpoint.
        size: u64,
    },
    /// It is about another earlier checkpoint.
    #[error("it is about a checkpoint over {found} entries, not about one over {wanted}")]
    Another {
        /// Entries of the one that it is about.
        found: u64,
        /// Entries of the one that was asked about.
        wanted: u64,
    },
    /// Both checkpoints are of the ledger, and one does not go on from the other.
    #[error(
        "the checkpoint over {size} entries does not go on from the one over {old}: one of them is of another ledger"
    )]
    Forked {
        /// Entries of the earlier checkpoint.
        old: u64,
        /// Entries of the later one.
        size: u64,
    },
}

impl Proof {
    /// Reads either.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        use ProofError::Form;
        if text.len() > PROOF_BYTES_MAX {
            return Err(Form("longer than any that is written"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Form("no empty line before the checkpoint"))?;
        let checkpoint = checkpoint.to_owned();
        let mut lines = head.split('\n').peekable();
        let first = lines.next().unwrap_or_default();
        if let Some(old) = first.strip_prefix(OLD) {
            let old = number(old).ok_or(Form("the size behind `old` is no number"))?;
            return Ok(Self::Consistency(ConsistencyProof { old, path: path(lines)?, checkpoint }));
        }
        if first != INCLUSION {
            return Err(Form("its first line is neither `c2sp.org/tlog-proof@v1` nor `old` with a number"));
        }
        let entry = lines.next_if(|line| line.starts_with("extra ")).ok_or(Form("it does not hold the entry"))?;
        let entry = base64::decode(&entry["extra ".len()..]).map_err(|_| Form("the entry is not base64"))?;
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or(Form("no `index` with a number"))?;
        Ok(Self::Inclusion(InclusionProof { entry, index, path: path(lines)?, checkpoint }))
    }
}

impl InclusionProof {
    /// The checkpoint under which the entry is, if `key` has signed it and the entry is.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check(&self, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let it = Checkpoint::open(&self.checkpoint, key)?;
        let holds = verify_inclusion(&leaf_hash(&self.entry), self.index, it.size, &it.root, &self.path);
        if holds { Ok(it) } else { Err(ProofError::NotIn { index: self.index, size: it.size }) }
    }
}

impl ConsistencyProof {
    /// The later checkpoint, if `key` has signed it and it goes on from `old`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check(&self, old: &Checkpoint, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let it = Checkpoint::open(&self.checkpoint, key)?;
        if old.size != self.old {
            return Err(ProofError::Another { found: self.old, wanted: old.size });
        }
        let holds = verify_consistency(old.size, &old.root, it.size, &it.root, &self.path);
        if holds { Ok(it) } else { Err(ProofError::Forked { old: old.size, size: it.size }) }
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{INCLUSION}\nextra {}\nindex {}", base64::encode(&self.entry), self.index)?;
        write(f, &self.path, &self.checkpoint)
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD}{}", self.old)?;
        write(f, &self.path, &self.checkpoint)
    }
}

fn write(f: &mut fmt::Formatter<'_>, path: &[Hash], checkpoint: &str) -> fmt::Result {
    path.iter().try_for_each(|hash| writeln!(f, "{}", base64::encode(hash)))?;
    write!(f, "\n{checkpoint}")
}

fn path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, ProofError> {
    let hash = |line: &str| base64::decode(line).ok().and_then(|bytes| bytes.try_into().ok());
    let hashes = lines.map(|line| hash(line).ok_or(ProofError::Form("a line of it is no hash in base64")));
    let path: Vec<Hash> = hashes.take(PROOF_PARTS_MAX + 1).collect::<Result<_, _>>()?;
    if path.len() > PROOF_PARTS_MAX { Err(ProofError::Form("more than 63 hashes")) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Signer;
    use crate::proof::{consistency, inclusion};
    use crate::tree::Tree;
    use bartizan_core::Secret;
    use proptest::prelude::*;

    const ORIGIN: &str = "bank.example/ledger";

    fn signer(seed: u8) -> Signer {
        Signer::new(ORIGIN, &Secret::new([seed; 32])).unwrap()
    }

    fn entry(n: u64) -> Vec<u8> {
        format!("entry {n}").into_bytes()
    }

    fn leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&entry(n))).collect()
    }

    fn checkpoint(leaves: &[Hash], signer: &Signer) -> (Checkpoint, String) {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        let it = Checkpoint::of(ORIGIN, &tree);
        let note = it.sign(signer).unwrap().to_string();
        (it, note)
    }

    fn inclusion_proof(index: u64, size: u64) -> InclusionProof {
        let all = leaves(size);
        let path = inclusion(&all, index as usize).unwrap();
        InclusionProof { entry: entry(index), index, path, checkpoint: checkpoint(&all, &signer(7)).1 }
    }

    #[test]
    fn refuses_what_has_not_the_form() {
        let good = inclusion_proof(3, 11).to_string();
        assert!(Proof::parse(&good).is_ok());
        let long = format!("{INCLUSION}\nextra {}\nindex 0\n\nx", "A".repeat(PROOF_BYTES_MAX));
        let parts = format!("old 3\n{}\nx", format!("{}\n", base64::encode(&[7; 32])).repeat(PROOF_PARTS_MAX + 1));
        for (text, why) in [
            (String::new(), "nothing"),
            (good.replace("\n\n", "\n"), "no empty line"),
            (good.replace("tlog-proof@v1", "tlog-proof@v2"), "another version"),
            (good.replace("extra ", "other "), "no entry"),
            (good.replace("extra ", "extra *"), "no base64"),
            (good.replace("index 3", "index 03"), "a zero in front"),
            (good.replace("index 3", "index +3"), "a sign"),
            (good.replace("index 3\n", "index 3\nAAAA\n"), "three bytes are no hash"),
            (good.replace("index 3\n", ""), "no index"),
            (long, "too long"),
            (parts, "too many hashes"),
            ("old 03\n\nx".to_owned(), "a zero in front"),
            ("old\n\nx".to_owned(), "no number"),
        ] {
            assert!(matches!(Proof::parse(&text), Err(ProofError::Form(_))), "{why}: {:?}", Proof::parse(&text));
        }
    }

    #[test]
    fn an_entry_that_is_another_one_or_elsewhere_is_not_proven() {
        let key = signer(7);
        let key = key.verifier();
        for size in [1, 2, 7, 8, 11] {
            for index in 0..size {
                let good = inclusion_proof(index, size);
                assert_eq!(good.check(key).unwrap().size, size);
                let not_in = |it: InclusionProof| matches!(it.check(key), Err(ProofError::NotIn { .. }));
                assert!(not_in(InclusionProof { entry: b"nothing happened".to_vec(), ..good.clone() }));
                assert!(not_in(InclusionProof { index: index + 1, ..good.clone() }));
                assert!(not_in(InclusionProof { index: u64::MAX, ..good.clone() }));
                for n in 0..good.path.len() {
                    let mut altered = good.clone();
                    altered.path[n][0] ^= 1;
                    assert!(not_in(altered), "hash {n} of {index} of {size}");
                    let mut short = good.clone();
                    short.path.remove(n);
                    assert!(not_in(short), "hash {n} of {index} of {size} left out");
                }
                let mut long = good.clone();
                long.path.push([1; 32]);
                assert!(not_in(long));
                // Under a checkpoint of the ledger over other entries, and under one that nobody has signed.
                let other = checkpoint(&leaves(size + 1), &signer(7)).1;
                let moved = InclusionProof { checkpoint: other, ..good.clone() };
                assert!(not_in(moved), "{index} of {size} under a later checkpoint");
                let forged = checkpoint(&leaves(size), &signer(8)).1;
                let forged = InclusionProof { checkpoint: forged, ..good.clone() };
                assert!(matches!(forged.check(key), Err(ProofError::Checkpoint(_))));
            }
        }
    }

    #[test]
    fn a_ledger_that_does_not_go_on_is_not_proven() {
        let key = signer(7);
        let key = key.verifier();
        for (first, second) in [(0, 5), (1, 2), (3, 7), (4, 8), (6, 6), (7, 20)] {
            let all = leaves(second);
            let (old, _) = checkpoint(&all[..first as usize], &signer(7));
            let path = consistency(&all, first as usize).unwrap();
            let good = ConsistencyProof { old: first, path, checkpoint: checkpoint(&all, &signer(7)).1 };
            assert_eq!(good.check(&old, key).unwrap().size, second);
            let fork = Checkpoint { root: [9; 32], ..old.clone() };
            assert!(matches!(good.check(&fork, key), Err(ProofError::Forked { .. })), "{first} of {second}");
            let other = Checkpoint { size: first + 1, ..old.clone() };
            assert!(matches!(good.check(&other, key), Err(ProofError::Another { .. })));
            let forged = ConsistencyProof { checkpoint: checkpoint(&all, &signer(8)).1, ..good.clone() };
            assert!(matches!(forged.check(&old, key), Err(ProofError::Checkpoint(_))));
            let mut long = good.clone();
            long.path.push([1; 32]);
            assert!(matches!(long.check(&old, key), Err(ProofError::Forked { .. })));
        }
    }

    #[test]
    fn no_altered_byte_of_a_proof_leaves_it_proving() {
        let key = signer(7);
        let good = inclusion_proof(5, 13);
        let text = good.to_string();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            match Proof::parse(&altered) {
                Ok(Proof::Inclusion(it)) => assert!(it == good || it.check(key.verifier()).is_err(), "byte {at}"),
                Ok(Proof::Consistency(_)) => panic!("byte {at} made another proof of it"),
                Err(_) => {}
            }
        }
    }

    proptest! {
        #[test]
        fn a_proof_comes_back(size in 1u64..60, index in 0u64..60, old in 0u64..60) {
            let it = inclusion_proof(index % size, size);
            prop_assert_eq!(Proof::parse(&it.to_string()), Ok(Proof::Inclusion(it)));
            let (all, old) = (leaves(size), old % (size + 1));
            let path = consistency(&all, old as usize).unwrap();
            let it = ConsistencyProof { old, path, checkpoint: checkpoint(&all, &signer(7)).1 };
            prop_assert_eq!(Proof::parse(&it.to_string()), Ok(Proof::Consistency(it)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(c2sp.org/tlog-proof@v1\n|old [0-9]{0,22}\n)?(extra [A-Za-z=]{0,9}\n)?(index [0-9]{0,22}\n)?.{0,90}(\n\n)?.{0,40}") {
            let _ = Proof::parse(&text);
        }
    }
}
