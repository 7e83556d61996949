//! Limits of the engine, each with its unit and the reason for the number.

/// Most members, a count: three of seven may fail, and each further one makes every entry slower.
pub const MEMBERS_MAX: usize = 7;
/// Longest entry in bytes: the largest snapshot of a fleet is 64 MiB and has no place in a log; what changes it has.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Largest number of a term or an entry: none will ever be reached, and sums of them are numbers still.
pub const NUMBER_MAX: u64 = 1 << 60;
/// Entries that a leader takes while none of them counts yet, a count. Beyond that whoever asks has to wait.
pub const OPEN_ENTRIES_MAX: u64 = 4_096;
/// Entries in one message, a count.
pub const MESSAGE_ENTRIES_MAX: usize = 256;
/// Bytes of entries in one message from which on no further one is added: the longest one fits alone.
pub const MESSAGE_BYTES: usize = 1 << 20;
