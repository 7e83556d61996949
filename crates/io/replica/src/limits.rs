//! Limits of what lies on disk, each with its unit and the reason for the number.

use std::time::Duration;

/// Longest change in bytes: as many entries as fit into a message, and the longest of them behind.
pub const CHANGE_BYTES_MAX: usize = 16 << 20;
/// Longest state in bytes: it is held in memory while it is sent and taken over.
pub const STATE_BYTES_MAX: usize = 256 << 20;
/// How long a folder may be in use by another before that counts: a process that is just being started by this one has a copy of
/// the lock for a moment.
pub const LOCK_WITHIN: Duration = Duration::from_secs(1);
/// Longest log in bytes that is read at a start: whoever writes the state down now and then has a far shorter one.
pub const LOG_BYTES_MAX: u64 = 4 << 30;
