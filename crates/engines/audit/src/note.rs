//! Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature. Ed25519 alone.

use crate::limits::{NAME_BYTES_MAX, NOTE_BYTES_MAX, SIGNATURES_MAX};
use bartizan_core::Secret;
use bartizan_crypto::base64;
use bartizan_crypto::error::CryptoError;
use bartizan_crypto::hash::{hex, sha256, unhex};
use bartizan_crypto::jws::{SIGNATURE_BYTES, TokenKey};
use bartizan_crypto::raw_key::RawKey;
use std::fmt;

/// Signature type of Ed25519 in the specification.
const ED25519: u8 = 1;
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 4;
/// Before each signature: an em dash and a blank.
const DASH: &str = "\u{2014} ";

/// Why a text is no signed note, or no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It does not have the form. Whoever wrote it made a mistake, or somebody altered it.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// Not a key of the form `name+id+key`.
    #[error("`{0}` is not the key of a ledger: expected `name+8 hex digits+base64`, as `bartizan audit key` prints it")]
    Key(String),
    /// Nobody who is believed has signed it.
    #[error("no signature by `{0}`")]
    NotSigned(String),
    /// The signature by that key does not fit: the text was altered, or somebody claims to be that signer.
    #[error("the signature by `{0}` does not fit")]
    Signature(String),
}

/// A text with its signatures. Holding one says nothing about who signed it: see [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    id: [u8; ID_BYTES],
    signature: Vec<u8>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        use NoteError::Form;
        if note.len() > NOTE_BYTES_MAX {
            return Err(Form("longer than 16 KiB"));
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Form("a control character"));
        }
        // The last empty line parts text and signatures: a text may hold empty lines itself.
        let at = note.rfind("\n\n").ok_or(Form("no empty line before the signatures"))?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(Form("no line feed at the end"))?;
        let signatures = lines.split('\n').map(Line::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(Form("more than 32 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, if `key` has signed it. Signatures of others are left aside.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`], [`NoteError::Signature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<&str, NoteError> {
        let mut by_it = self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id());
        let Some(line) = by_it.next() else { return Err(NoteError::NotSigned(key.name.clone())) };
        let fits = RawKey::ed25519(&key.key).and_then(|key| key.verify(self.text.as_bytes(), &line.signature));
        match fits {
            Ok(()) => Ok(&self.text),
            Err(_) => Err(NoteError::Signature(key.name.clone())),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, NoteError> {
        use NoteError::Form;
        let rest = line.strip_prefix(DASH).ok_or(Form("a signature does not begin with a dash"))?;
        let (name, signature) = rest.split_once(' ').ok_or(Form("a signature without a name"))?;
        if !is_name(name) {
            return Err(Form("the name of a signer is empty, too long, or has a blank or `+` in it"));
        }
        let bytes = base64::decode(signature).map_err(|_| Form("a signature is not base64"))?;
        let (id, signature) = bytes.split_first_chunk().ok_or(Form("a signature is too short"))?;
        if signature.is_empty() {
            return Err(Form("a signature is too short"));
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DASH}{} {}", self.name, base64::encode(&[self.id.as_slice(), &self.signature].concat()))
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// By which signatures of one signer are recognised: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: [u8; KEY_BYTES],
}

impl VerifierKey {
    /// Reads `name+8 hex digits+base64`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let mut parts = text.splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let bytes = base64::decode(key).ok()?;
            let (&[kind], key) = bytes.split_first_chunk::<1>()?;
            let it = Self { name: name.to_owned(), key: key.try_into().ok()? };
            let good = is_name(name) && kind == ED25519 && id.len() == 2 * ID_BYTES && unhex(id)? == it.id();
            good.then_some(it)
        };
        read().ok_or_else(|| NoteError::Key(text.chars().take(80).collect()))
    }

    /// Whose.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; ID_BYTES] {
        let of = [self.name.as_bytes(), b"\n", &[ED25519], &self.key].concat();
        let hash = sha256(&of);
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = base64::encode(&[&[ED25519][..], &self.key].concat());
        write!(f, "{}+{}+{key}", self.name, hex(&self.id()))
    }
}

/// A key that signs notes.
#[derive(Debug)]
pub struct Signer {
    key: TokenKey,
    verifier: VerifierKey,
}

impl Signer {
    /// The one of a seed, which has to be as unpredictable as a key.
    ///
    /// # Errors
    /// [`CryptoError::Library`] where the library refuses it, or the name cannot be one.
    pub fn new(name: &str, seed: &Secret<[u8; KEY_BYTES]>) -> Result<Self, CryptoError> {
        let library = |why: &str| CryptoError::Library { what: "making the key of a ledger", why: why.to_owned() };
        if !is_name(name) {
            return Err(library("its name is empty, too long, or has a blank or `+` in it"));
        }
        let key = TokenKey::ed25519_from_seed(seed)?;
        let public = key.public_spki().last_chunk().ok_or_else(|| library("a short key"))?;
        let verifier = VerifierKey { name: name.to_owned(), key: *public };
        Ok(Self { key, verifier })
    }

    /// By which others recognise it.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text, which ends with a line feed.
    ///
    /// # Errors
    /// [`CryptoError::Library`].
    pub fn sign(&self, text: String) -> Result<Note, CryptoError> {
        let signature = self.key.sign(text.as_bytes())?;
        debug_assert_eq!(signature.len(), SIGNATURE_BYTES);
        let line = Line { name: self.verifier.name.clone(), id: self.verifier.id(), signature: signature.to_vec() };
        Ok(Note { text, signatures: vec![line] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the specification (C2SP signed-note, from golang.org/x/mod/sumdb/note).
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn signer() -> Signer {
        Signer::new("bank.example/ledger", &Secret::new([7; 32])).unwrap()
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        let (key, note) = (VerifierKey::parse(KEY).unwrap(), Note::parse(NOTE).unwrap());
        assert!(note.verify(&key).unwrap().ends_with("what your problem is.\n"));
        assert_eq!((key.to_string(), note.to_string()), (KEY.to_owned(), NOTE.to_owned()));
        let altered = NOTE.replace("answer", "Answer");
        assert_eq!(Note::parse(&altered).unwrap().verify(&key), Err(NoteError::Signature("PeterNeumann".to_owned())));
    }

    #[test]
    fn a_signature_by_somebody_else_counts_for_nothing() {
        let note = signer().sign("a\n1\n".to_owned()).unwrap();
        let other = Signer::new("bank.example/ledger", &Secret::new([8; 32])).unwrap();
        assert!(note.verify(signer().verifier()).is_ok());
        assert!(matches!(note.verify(other.verifier()), Err(NoteError::NotSigned(_))));
        let renamed = Signer::new("bank.example/other", &Secret::new([7; 32])).unwrap();
        assert!(
            matches!(note.verify(renamed.verifier()), Err(NoteError::NotSigned(_))),
            "the name is a part of the key"
        );
    }

    #[test]
    fn refuses_what_has_not_the_form() {
        let good = signer().sign("a\n1\n".to_owned()).unwrap().to_string();
        assert!(Note::parse(&good).is_ok());
        let long = format!("{}\n\n{}", "x".repeat(NOTE_BYTES_MAX), good);
        let many = format!("a\n\n{}", format!("{}\n", good.lines().last().unwrap()).repeat(SIGNATURES_MAX + 1));
        for (note, why) in [
            (String::new(), "empty"),
            ("a\n".to_owned(), "no signature"),
            ("a\n\n".to_owned(), "no signature line"),
            (good.trim_end().to_owned(), "no line feed at the end"),
            (good.replace('\u{2014}', "-"), "a hyphen"),
            (good.replace("\u{2014} ", "\u{2014}"), "no blank"),
            (good.replace("bank.example", "bank+example"), "a plus in the name"),
            (good.replace("\n\n", "\n\u{7}\n\n"), "a control character"),
            ("a\n\n\u{2014} n AAAA\n".to_owned(), "no signature behind the id"),
            ("a\n\n\u{2014} n ?\n".to_owned(), "no base64"),
            (long, "too long"),
            (many, "too many signatures"),
        ] {
            assert!(matches!(Note::parse(&note), Err(NoteError::Form(_))), "{why}: {note:?}");
        }
        for key in [
            "",
            "a",
            "a+b",
            "a+c74f20a3+",
            &KEY.replace("c74f20a3", "c74f20a4"),
            &KEY.replace("Peter", "Pieter"),
            &KEY.replace("+AR", "+BR"),
        ] {
            assert!(VerifierKey::parse(key).is_err(), "{key}");
        }
        assert!(Signer::new("two words", &Secret::new([7; 32])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_signed_comes_back(text in "[ -~é\n]{0,200}") {
            let text = format!("{text}\n");
            let note = signer().sign(text.clone()).unwrap();
            let read = Note::parse(&note.to_string()).unwrap();
            prop_assert_eq!(read.verify(signer().verifier()).unwrap(), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", lines in "(\u{2014} [a-z+ ]{0,8} [A-Za-z0-9+/=]{0,20}\n){0,4}") {
            let _ = Note::parse(&text);
            let _ = VerifierKey::parse(&text);
            if let Ok(note) = Note::parse(&format!("{text}\n\n{lines}")) {
                prop_assert_eq!(Note::parse(&note.to_string()), Ok(note.clone()));
                prop_assert!(note.verify(signer().verifier()).is_err());
            }
        }
    }
}
