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
/// Requests that wait for the writer, a count. Each is a whole batch; callers wait beyond that.
pub(crate) const WRITER_QUEUE_MAX: usize = 16;
/// Rows of one INSERT, a count: 8 values a row, far below SQLite's 32,766 variables a statement.
pub(crate) const ROWS_PER_INSERT: usize = 128;
/// Most events that one query returns, a count: about 15 MiB of records.
pub const QUERY_EVENTS_MAX: u32 = 10_000;
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

/// Longest block of the log of events, in bytes: twice the largest batch of the longest events.
pub(crate) const BLOCK_BYTES_MAX: u64 = 64 << 20;
/// Services in one block, a count: a batch is of a few guards.
pub(crate) const BLOCK_NAMES_MAX: usize = 16_384;
/// Size in bytes from which on a file of events is closed and another one begun.
pub(crate) const LOG_SEGMENT_BYTES: u64 = 64 << 20;
/// Time from its first event after which a file of events is closed: whoever needs room takes whole days away.
pub(crate) const LOG_SEGMENT_SPAN: Duration = Duration::from_secs(86_400);
/// Longest index of a file of events that is read, in bytes: a block for each event would take less.
pub(crate) const SUMMARIES_BYTES_MAX: u64 = 64 << 20;
/// Bits for each request in what is kept in memory of a block: about one block in eighty is read for nothing.
pub(crate) const REQUEST_BITS: usize = 10;
/// Processes whose latest events are known one by one, a count; twice as many at most, a few megabytes.
pub(crate) const KNOWN_PROCESSES: usize = 16_384;
/// Gaps in the numbers of one process that are remembered, a count: each comes from events that were lost on the way.
pub(crate) const KNOWN_RANGES: usize = 64;
