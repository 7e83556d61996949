//! Every number that bounds the store.

use std::time::Duration;

/// Size of a database page in bytes: SQLite's default, stated because room is counted in pages.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Pages that only epochs and names may use, once records of certificates have filled theirs: 32 MiB, a year of hourly policy
/// changes.
pub(crate) const RESERVED_PAGES: u64 = 8192;
/// Pages that records of certificates may use, a count: 256 MiB, 600,000 certificates. Where these are full, certificates that
/// ran out longest ago make room.
pub(crate) const ISSUED_PAGES: u64 = 65_536;
/// The same where a group of controls keeps the database: 48 MiB, 110,000 certificates. Each member has it in memory.
pub(crate) const ISSUED_PAGES_IN_GROUP: u64 = 12_288;
/// Requests that wait for the writer, a count. Each is a whole batch; callers wait beyond that.
pub(crate) const WRITER_QUEUE_MAX: usize = 16;
/// Rows of one INSERT, a count: 8 values a row, far below SQLite's 32,766 variables a statement.
pub(crate) const ROWS_PER_INSERT: usize = 128;
/// Readers at once, a count: people at a terminal, so few.
pub(crate) const READERS_MAX: u32 = 4;
/// How long a statement waits for another process that holds the file (an `sqlite3` shell, a backup).
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits for a free connection.
pub(crate) const READER_WAIT: Duration = Duration::from_secs(5);
/// Epochs of each kind whose content is kept for `explain`, a count; older ones keep number and hash.
pub(crate) const CONTENTS_KEPT: i64 = 32;
/// Size in bytes to which the write-ahead log is cut after a checkpoint.
pub(crate) const WAL_BYTES_KEPT: u64 = 16 << 20;
/// How long a certificate that has run out stays in the database: past any investigation that begins within a quarter.
pub(crate) const ISSUED_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Records of certificates that ran out long ago which one transaction removes, a count: it is not to take long.
pub(crate) const ISSUED_REMOVED_AT_ONCE: i64 = 4_096;
/// Most records of certificates that one query returns, a count.
pub const QUERY_ISSUED_MAX: u32 = 10_000;

/// Pages of the database of grants, a count: 4 GiB, five million families of tokens.
pub(crate) const GRANTS_PAGES: u64 = 1_048_576;
/// Changes of grants that wait for the writer, a count; callers wait beyond that.
pub(crate) const GRANTS_QUEUE_MAX: usize = 1_024;
/// Changes of grants that share one flush of the disk, a count.
pub(crate) const GRANTS_GROUP_MAX: usize = 256;
/// Families that ended which one transaction removes, a count: more than it can add.
pub(crate) const FAMILIES_REMOVED_AT_ONCE: i64 = 512;
/// Log-ins that nobody has to be told of any more which one change removes, a count: more than it can add.
pub(crate) const LOGINS_REMOVED_AT_ONCE: i64 = 16;
/// Apps that are told at once that a session is over, a count: each may take its time.
pub(crate) const LOGINS_DUE_AT_ONCE: i64 = 32;
/// Of these, as many of one app: one that does not answer is not to hold up others.
pub(crate) const LOGINS_DUE_EACH: i64 = 4;
/// Families of somebody that are read at once, a count.
pub const FAMILIES_AT_ONCE: u32 = 256;
/// Pages of the database of people, a count: 4 GiB, two million people.
pub(crate) const PEOPLE_PAGES: u64 = 1_048_576;
/// Most people that one query returns, a count.
pub const QUERY_PEOPLE_MAX: u32 = 1_000;

/// Longest record of a certificate in the journal, in bytes: the longest SPIFFE ID is 2,048.
pub(crate) const ISSUED_BYTES_MAX: usize = 4 << 10;
/// Records that share one flush of the disk, a count: a megabyte at most.
pub(crate) const JOURNAL_GROUP_MAX: usize = 256;
/// Records that wait for the disk, a count; callers wait beyond that.
pub(crate) const JOURNAL_QUEUE_MAX: usize = 4_096;
/// Size in bytes from which on a segment of the journal is closed and another one begun.
pub(crate) const SEGMENT_BYTES: u64 = 4 << 20;
/// Bytes of all segments together: four million certificates, a month of 10,000 guards. Nothing is issued beyond that, since
/// it could not be recorded.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 1 << 30;
/// Bytes that are read of a segment at once.
pub(crate) const JOURNAL_READ_BYTES: usize = 256 << 10;
