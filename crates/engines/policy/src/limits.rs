//! Limits of this crate. Those on file size and policy count are shared: [`bartizan_core::limits`].

/// Longest single policy in bytes: one that lists 1,000 services is half as long.
pub const POLICY_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of brackets in a policy, a count: Cedar turns text into a tree by recursion.
pub const NESTING_MAX: usize = 32;
/// Most operators, conditions and brackets in a policy, a count. A chain of `||` becomes a tree as deep as it is long,
/// which is walked by recursion; so many fit twice into the 2 MiB stack of a thread.
pub const OPERATORS_MAX: usize = 250;
/// Longest `@id` in bytes: that of a compiled call with two longest service names.
pub const ID_BYTES_MAX: usize = 160;
/// Longest `@reason` in bytes: it travels in every event of a denied call.
pub const REASON_BYTES_MAX: usize = 512;
/// Most errors reported at once, a count: a person corrects a page, then asks again.
pub const ERRORS_MAX: usize = 100;
/// Longest path of a record, in bytes, that is whole for certain: records keep 1,024 and cut before the character that does not fit.
pub const PATH_KEPT_WHOLE_MAX: usize = 1020;
/// Calls (principal, action, resource, route) that an engine holds prepared, a count: what a sidecar with 100 callers
/// and two routes sees, at a few KiB each. Beyond it, a shard of them is forgotten and prepared anew.
pub const SLOTS_MAX: usize = 1024;
/// Locks that the prepared calls are spread over, a count: a worker that adds one stops few others.
pub const SLOT_SHARDS: usize = 8;
/// Decisions that a connection remembers, a count; then it forgets them all.
pub const MEMO_ENTRIES_MAX: usize = 128;
/// Longest method, route and path together that a connection remembers, in bytes: bounds it to about 64 KiB.
pub const MEMO_KEY_BYTES_MAX: usize = 256;
