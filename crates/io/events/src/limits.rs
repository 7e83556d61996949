//! Every number that bounds the store of events.

use std::time::Duration;

/// Most events that one query returns, a count: about 15 MiB of records.
pub const QUERY_EVENTS_MAX: u32 = 10_000;
/// Bytes of keys and records, as they are in memory, that one query looks at: a second or two. What it did not come to is told by a
/// cursor.
pub(crate) const QUERY_BYTES_MAX: u64 = 1 << 30;
/// Longest text that is searched for, in bytes.
pub const QUERY_TEXT_BYTES_MAX: usize = 256;

/// Longest block, in bytes: twice the largest batch of the longest events.
pub(crate) const BLOCK_BYTES_MAX: u64 = 64 << 20;
/// Names of services, identities and users in one block, a count: three for each event of the largest batch fit.
pub(crate) const BLOCK_NAMES_MAX: usize = 16_384;
/// Shortest part of a block that is compressed, in bytes: less is not worth it.
pub(crate) const COMPRESS_BYTES_MIN: usize = 256;
/// Events of one block of a packed partition, a count: enough for compression to find what repeats, few enough that reading one of
/// them for a single event takes a fraction of a millisecond.
pub(crate) const PACKED_EVENTS: usize = 1_024;

/// Size in bytes from which on a partition is closed and another one begun.
pub(crate) const PARTITION_BYTES: u64 = 64 << 20;
/// The same where events may take little: so many partitions at least share what they may take, so that little goes at once.
pub(crate) const PARTITIONS_MIN: u64 = 16;
/// Smallest size of that, in bytes.
pub(crate) const PARTITION_BYTES_MIN: u64 = 64 << 10;
/// Time from its first event after which a partition is closed: whoever needs room takes whole days away.
pub(crate) const PARTITION_SPAN: Duration = Duration::from_secs(86_400);
/// The same where events are kept for a short time: an eighth of it, so that what goes late is that late at most.
pub(crate) const PARTITION_SPANS_KEPT: u32 = 8;
/// Most partitions of the longest age: with one that is much shorter, partitions span more than an eighth of that.
pub(crate) const PARTITIONS_KEPT: u32 = 2_000;
/// What counts there as the age of a sort that never goes.
pub(crate) const STAYS: Duration = Duration::from_secs(400 * 86_400);
/// Partitions that are written anew while whoever stores events waits for room, a count: a second of work each at most.
pub(crate) const REWRITTEN_UNDER_LOCK_MAX: usize = 2;
/// Longest index of a partition that is read, in bytes.
pub(crate) const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Bits for each request in what is kept in memory of a block, and how many of them a request sets: about one block in a thousand
/// is read for nothing.
pub(crate) const REQUEST_BITS: usize = 14;
/// The same for all requests of a packed partition: about one in a hundred is looked at block by block for nothing.
pub(crate) const PARTITION_REQUEST_BITS: usize = 10;
/// Bits that one request or name sets, a count.
pub(crate) const PROBES: u64 = 6;
/// Bits for each name, as above.
pub(crate) const NAME_BITS: usize = 14;
/// Fewest and most bits that tell which texts are in a packed block, powers of two.
pub(crate) const TEXT_BITS: std::ops::RangeInclusive<usize> = 512..=65_536;

/// Processes whose latest events are known one by one, a count; twice as many at most, a few megabytes.
pub(crate) const KNOWN_PROCESSES: usize = 16_384;
/// Gaps in the numbers of one process that are remembered, a count: each comes from events that were lost on the way.
pub(crate) const KNOWN_RANGES: usize = 64;

/// Partitions that a reader may be behind while they still wait for it to be packed, a count: 512 MiB, which a receiver that is away for
/// hours does not use up.
pub(crate) const READERS_HOLD: u64 = 8;

/// How long whoever opens a folder waits for whoever had it before to end: longer than a partition takes to be packed on a busy machine.
pub(crate) const OPEN_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked whether that has ended.
pub(crate) const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// How often what was written is put on the disk, and it is looked which events are to go and which partition is to be packed: what a
/// power cut may cost. A kill costs nothing.
pub(crate) const KEEP_EVERY: Duration = Duration::from_secs(1);
