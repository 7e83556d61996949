//! Files of the ledger and its checkpoints: whatever lies there, nothing that was not signed is taken for signed.
#![no_main]

use bartizan_audit::{Checkpoint, Mark, Note, Proof, Seal, Signer, VerifierKey};
use bartizan_core::Secret;
use bartizan_ledger::frames::{Kind, decode, encode, next_mark};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::new("fuzz.example/ledger", &Secret::new([7; 32])).expect("a good name and seed"));

fuzz_target!(|bytes: &[u8]| {
    let key = SIGNER.verifier();
    if let Some(frame) = decode(bytes) {
        let mut again = Vec::new();
        encode(frame.kind, frame.data, &mut again);
        assert_eq!(again, bytes[..frame.bytes]);
    }
    if let Some(at) = next_mark(bytes) {
        assert!(decode(&bytes[at..]).is_some_and(|frame| frame.kind == Kind::Mark));
    }
    if let Some(mark) = Mark::read(bytes) {
        assert_eq!(mark.bytes(), bytes);
        assert!(mark.open(key).is_err(), "nobody signed it");
    }
    if let Ok(seal) = Seal::read(bytes) {
        assert_eq!(seal.bytes(), bytes);
        assert!(seal.open(key).is_err(), "nobody signed it");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Proof::parse(text) {
        Ok(Proof::Inclusion(it)) => assert!(it.check(key).is_err(), "nobody signed it"),
        Ok(Proof::Consistency(it)) => {
            let old = Checkpoint { origin: String::new(), size: it.old, root: [0; 32] };
            assert!(it.check(&old, key).is_err(), "nobody signed it");
        }
        Err(_) => {}
    }
    assert!(Checkpoint::open(text, key).is_err(), "nobody signed it");
    if let Ok(note) = Note::parse(text) {
        assert_eq!(Note::parse(&note.to_string()).as_ref(), Ok(&note));
    }
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()).as_ref(), Ok(&key));
    }
});
