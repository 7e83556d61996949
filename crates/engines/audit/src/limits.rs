//! Every number that bounds the ledger's engine.

/// Longest signed note that is read, in bytes: a checkpoint with [`SIGNATURES_MAX`] signatures is far shorter.
pub const NOTE_BYTES_MAX: usize = 16 << 10;
/// Most signatures of a note, a count: that of the ledger and those of some witnesses (the specification asks for 16 at least).
pub const SIGNATURES_MAX: usize = 32;
/// Longest name of a key, or origin of a ledger, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Findings that an audit lists; further ones are counted.
pub(crate) const FINDINGS_MAX: usize = 100;
/// Most hashes of a proof, a count: a tree of 2^63 leaves needs no more (C2SP tlog-witness allows no more).
pub(crate) const PROOF_PARTS_MAX: usize = 63;
/// Longest proof that is read, in bytes: the longest entry in base64, the hashes, the note.
pub const PROOF_BYTES_MAX: usize = 128 << 10;
