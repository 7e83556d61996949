//! Every number that bounds the ledger's engine.

/// Longest signed note that is read, in bytes: a checkpoint with [`SIGNATURES_MAX`] signatures is far shorter.
pub const NOTE_BYTES_MAX: usize = 16 << 10;
/// Most signatures of a note, a count: that of the ledger and those of some witnesses (the specification asks for 16 at least).
pub const SIGNATURES_MAX: usize = 32;
/// Longest name of a key, or origin of a ledger, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// Findings that an audit lists; further ones are counted.
pub(crate) const FINDINGS_MAX: usize = 100;
