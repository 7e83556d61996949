//! Every number that bounds what is handed in.

use std::time::Duration;

/// Longest message in bytes, unpacked: as OpenTelemetry's own collector takes by default.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Records of one message, a count: the largest batch that a collector sends by default. Further ones are refused.
pub const RECORDS_MAX: usize = 8_192;
/// Attributes of one record, a count: half as many as SDKs allow by default; few records have more than twenty.
pub const ATTRIBUTES_MAX: usize = 64;
/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest value in bytes: a stack of some forty calls.
pub const VALUE_BYTES_MAX: usize = 4 << 10;
/// Keys and values of one record together, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 12 << 10;
/// Longest text of a record in bytes.
pub const BODY_BYTES_MAX: usize = 8 << 10;
/// Longest name in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Values inside values, levels.
pub const DEPTH_MAX: usize = 8;
/// Values of one record, those in lists and maps among them, a count.
pub const VALUES_MAX: usize = 512;
/// Events of one span that are kept, a count: exceptions stand there.
pub const SPAN_EVENTS_MAX: usize = 4;
/// Attributes of a resource that are kept with each record, a count.
pub const RESOURCE_ATTRIBUTES_MAX: usize = 16;
/// Longest message of syslog in bytes (RFC 5425 asks for 8 KiB at least).
pub const SYSLOG_BYTES_MAX: usize = 64 << 10;
/// Longest line of an access log in bytes: the longest head of a request that servers take.
pub const ACCESS_LINE_BYTES_MAX: usize = 64 << 10;
/// Words of such a line, a count: twice as many as Istio writes.
pub const ACCESS_WORDS_MAX: usize = 48;
/// Longest line of JSON in bytes.
pub const LINE_BYTES_MAX: usize = 256 << 10;
/// Before the end of a text that is cut off, this many bytes at most go with it, so that no half of a key is left that nobody would
/// recognise as one.
pub const CUT_BYTES_MAX: usize = 512;
/// How far the time that a record states may lie in the past before it is filed under the time at which it came.
pub const SAID_AGO_MAX: Duration = Duration::from_secs(3_600);
