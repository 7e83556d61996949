//! A ledger in which nothing can be changed, left out or put elsewhere without its being seen: a Merkle tree (RFC 6962) over entries,
//! with signed checkpoints (C2SP tlog-checkpoint, signed-note).
//!
//! In: entries as bytes, one after the other; keys. Out: roots, proofs that an entry is in a tree and that one tree is the beginning of
//! another, signed checkpoints, what stays of a part that lies in an archive ([`Seal`]), and what is wrong with a ledger that somebody else
//! has kept ([`Audit`]).
//! How much: a tree that grows is 64 hashes at most, a proof ([`Prover`]) as well; a note at most [`NOTE_BYTES_MAX`] bytes.
//! Absent on purpose: files, clocks, and what an entry means.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod tree; // start here: hashes, and the tree that grows

mod audit; // reads a whole ledger and says what is wrong
mod checkpoint;
mod limits;
mod note;
mod proof;
mod proof_text;
mod prover;
mod seal;

pub use audit::{Audit, Finding, Report};
pub use checkpoint::{Checkpoint, CheckpointError, Mark};
pub use limits::{NOTE_BYTES_MAX, PROOF_BYTES_MAX, SIGNATURES_MAX};
pub use note::{Note, NoteError, Signer, VerifierKey};
pub use proof::{consistency, inclusion, verify_consistency, verify_inclusion};
pub use proof_text::{ConsistencyProof, InclusionProof, Proof, ProofError};
pub use prover::{Missing, Prover};
pub use seal::{Seal, SealError, Sealing};
pub use tree::{Hash, Tree, leaf_hash, root_of};
