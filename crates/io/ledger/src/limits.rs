//! Every number that bounds the files of a ledger.

/// Longest entry, in bytes: four times the longest event.
pub const ENTRY_BYTES_MAX: usize = 64 << 10;
/// Longest mark, in bytes: 64 hashes and a note of 16 KiB.
pub const MARK_BYTES_MAX: usize = 20 << 10;
/// Longest seal, in bytes: it is framed as a mark is, and a third as long.
pub(crate) const SEAL_BYTES_MAX: usize = MARK_BYTES_MAX;
/// Size in bytes from which on a file is closed and another one begun, where nobody says less: what a start has to read.
pub const FILE_BYTES: u64 = 64 << 20;
/// Smallest size that anybody may say, in bytes.
pub const FILE_BYTES_MIN: u64 = 1 << 20;
/// Largest file that is read, in bytes: one group may go over the size above.
pub(crate) const FILE_BYTES_READ_MAX: u64 = 512 << 20;
