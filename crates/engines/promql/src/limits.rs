//! Every number of this crate, with its unit.

/// Longest query, in bytes: some ten times what boards ask for.
pub const QUERY_BYTES_MAX: usize = 16 << 10;
/// How deep a query may be nested, a count: the parser and the evaluator recurse so deep.
pub const DEPTH_MAX: usize = 64;
/// Operators of one query, a count: each may be a level of the tree.
pub const OPERATORS_MAX: usize = 256;
/// Selectors of one query, a count.
pub const SELECTORS_MAX: usize = 64;
/// Conditions of one selector, a count.
pub const MATCHERS_MAX: usize = 64;
/// Largest compiled expression of a condition or of `label_replace`, in bytes.
pub const REGEX_BYTES_MAX: usize = 256 << 10;
/// Series that the selectors of one query may find, a count.
pub const SERIES_MAX: usize = 50_000;
/// Moments of one query over a range, a count: that of Prometheus.
pub const STEPS_MAX: i64 = 11_000;
/// Samples that one query may load, a count: 16 bytes each.
pub const SAMPLES_MAX: usize = 8_000_000;
/// Samples that one query may touch and elements that it may make, a count: a few seconds of work.
pub const WORK_MAX: u64 = 50_000_000;
/// Points of the answer to one query, a count.
pub const POINTS_MAX: usize = 4_000_000;
/// Bytes of labels that one query may make, so that `label_join` of itself does not grow without end.
pub const LABEL_BYTES_MAX: usize = 64 << 10;
/// For how long a series counts after its last sample, in milliseconds.
pub const LOOK_BACK_MS: i64 = 5 * 60_000;
/// Series that are kept, a count: further ones are counted and left out.
pub const KEPT_SERIES_MAX: usize = 20_000;
/// Values that are kept, a count, as far as they differ from the one before: 16 bytes each, 64 MiB together. Beyond that less time is kept.
pub const KEPT_CHANGES_MAX: usize = 4 << 20;
/// Time from one measurement to the next by which rules are asked, in milliseconds.
pub const RULES_EVERY_MS: i64 = 15_000;
/// Samples that one line of the notation may stand for, a count.
pub const NOTATION_SAMPLES_MAX: usize = 100_000;
/// Longest span of time in a query, in milliseconds: a hundred years, so that sums of a few do not overflow.
pub const SPAN_MS_MAX: i64 = 100 * 366 * 86_400_000;
/// Furthest moment that a query may be about, in milliseconds since 1970 and before: ten thousand years.
pub const MOMENT_MS_MAX: i64 = 10_000 * 366 * 86_400_000;
