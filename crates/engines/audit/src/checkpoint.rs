//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a tree, in a signed note; and what is kept beside one, so that the tree
//! can go on growing from it.

use crate::note::{Note, NoteError, Signer, VerifierKey};
use crate::tree::{Hash, Tree};
use bartizan_crypto::base64;
use bartizan_crypto::error::CryptoError;

/// What a ledger was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger.
    pub origin: String,
    /// Entries in it, a count.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a text is no checkpoint that can be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Its note is none, or not signed by the ledger.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is signed and says no such thing.
    #[error("not a checkpoint: {0}")]
    Form(&'static str),
    /// It is that of another ledger.
    #[error("a checkpoint of `{found}`, not of `{wanted}`")]
    Origin {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
}

impl Checkpoint {
    /// Of a tree.
    pub fn of(origin: &str, tree: &Tree) -> Self {
        Self { origin: origin.to_owned(), size: tree.size(), root: tree.root() }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`CryptoError::Library`].
    pub fn sign(&self, signer: &Signer) -> Result<Note, CryptoError> {
        signer.sign(self.text())
    }

    /// Reads a checkpoint that `key` has signed, whose name is the origin.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        let it = Self::parse(note.verify(key)?).map_err(CheckpointError::Form)?;
        if it.origin != key.name() {
            return Err(CheckpointError::Origin { found: it.origin, wanted: key.name().to_owned() });
        }
        Ok(it)
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64::encode(&self.root))
    }

    /// Lines behind the third are extensions, which say nothing to us.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.strip_suffix('\n').ok_or("no line feed at the end")?.split('\n');
        let mut line = || lines.next();
        let origin = line().filter(|origin| !origin.is_empty()).ok_or("no origin")?;
        let size = line().and_then(number).ok_or("the size is no number")?;
        let root = line().and_then(|text| base64::decode(text).ok()).and_then(|root| root.try_into().ok());
        let root = root.ok_or("the root is no hash in base64")?;
        if lines.any(str::is_empty) {
            return Err("an empty line");
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// Digits without a zero in front.
pub(crate) fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// A signed checkpoint as it is kept in the files of a ledger: with what the tree needs to grow on.
///
/// As bytes: size, u64 | peaks, 32 bytes each, as many as the size has ones | the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The tree.
    pub tree: Tree,
    /// Its checkpoint, signed.
    pub note: String,
}

impl Mark {
    /// The mark of a tree.
    ///
    /// # Errors
    /// [`CryptoError::Library`].
    pub fn make(tree: &Tree, origin: &str, signer: &Signer) -> Result<Self, CryptoError> {
        let note = Checkpoint::of(origin, tree).sign(signer)?.to_string();
        Ok(Self { tree: tree.clone(), note })
    }

    /// As bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.tree.size().to_le_bytes().to_vec();
        self.tree.peaks().iter().for_each(|peak| bytes.extend_from_slice(peak));
        bytes.extend_from_slice(self.note.as_bytes());
        bytes
    }

    /// From bytes; whether the note says the same as the tree is for [`Mark::open`] to look at.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let size = u64::from_le_bytes(*size);
        let (peaks, note) = rest.split_at_checked(size.count_ones() as usize * 32)?;
        let (peaks, _) = peaks.as_chunks::<32>();
        let tree = Tree::from_peaks(size, peaks.to_vec())?;
        Some(Self { tree, note: String::from_utf8(note.to_vec()).ok()? })
    }

    /// The tree, if `key` has signed that this is it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(&self, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::open(&self.note, key)?;
        if (checkpoint.size, checkpoint.root) != (self.tree.size(), self.tree.root()) {
            return Err(CheckpointError::Form("it is of another tree than the one beside it"));
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::leaves;
    use bartizan_core::Secret;
    use proptest::prelude::*;

    const ORIGIN: &str = "bank.example/ledger";

    fn signer() -> Signer {
        Signer::new(ORIGIN, &Secret::new([7; 32])).unwrap()
    }

    fn tree(count: u64) -> Tree {
        let mut tree = Tree::default();
        leaves(count).into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    #[test]
    fn refuses_what_is_signed_and_no_checkpoint() {
        for text in
            ["\n", "o\n", "o\n1\n", "o\n01\nAAAA\n", "o\n+1\nAAAA\n", "o\n1\nAAAA\n", "\n1\nAAAA\n", "o\n-1\nAAAA\n"]
        {
            let note = signer().sign(text.to_owned()).unwrap().to_string();
            assert!(matches!(Checkpoint::open(&note, signer().verifier()), Err(CheckpointError::Form(_))), "{text:?}");
        }
        let other = Checkpoint { origin: "other".to_owned(), ..Checkpoint::of(ORIGIN, &tree(3)) };
        let note = other.sign(&signer()).unwrap().to_string();
        assert!(matches!(Checkpoint::open(&note, signer().verifier()), Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn extensions_are_let_through() {
        let it = Checkpoint::of(ORIGIN, &tree(3));
        let note = signer().sign(format!("{}more\n", it.text())).unwrap().to_string();
        assert_eq!(Checkpoint::open(&note, signer().verifier()), Ok(it));
    }

    #[test]
    fn a_mark_of_another_tree_is_refused() {
        let mark = Mark::make(&tree(5), ORIGIN, &signer()).unwrap();
        assert!(mark.open(signer().verifier()).is_ok());
        let swapped = Mark { tree: tree(6), ..mark.clone() };
        assert!(matches!(swapped.open(signer().verifier()), Err(CheckpointError::Form(_))));
        let bytes = mark.bytes();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let read = Mark::read(&altered).map(|mark| mark.open(signer().verifier()));
            assert!(!matches!(read, Some(Ok(_))), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_comes_back(count in 0u64..300) {
            let mark = Mark::make(&tree(count), ORIGIN, &signer()).unwrap();
            let back = Mark::read(&mark.bytes()).unwrap();
            prop_assert_eq!(&back, &mark);
            prop_assert_eq!(back.open(signer().verifier()).unwrap(), Checkpoint::of(ORIGIN, &tree(count)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Mark::read(&bytes);
            let _ = Checkpoint::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
