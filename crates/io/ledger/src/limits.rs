//! Every number that bounds the files of a ledger.

/// Longest entry, in bytes: four times the longest event.
pub const ENTRY_BYTES_MAX: usize = 64 << 10;
/// Longest mark, in bytes: 64 hashes and a note of 16 KiB.
pub const MARK_BYTES_MAX: usize = 20 << 10;
/// Size in bytes from which on a file is closed and another one begun: what a start has to read.
pub(crate) const FILE_BYTES: u64 = 64 << 20;
/// Largest file that is read, in bytes: one group may go over the size above.
pub(crate) const FILE_BYTES_READ_MAX: u64 = 512 << 20;
