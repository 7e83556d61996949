//! Every limit of the bank's Rust programs, with its unit and its reason.

use std::time::Duration;

/// Largest request or response body in bytes; a page of 50 ledger entries is about 12 KiB.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Connections that a service serves at once, a count; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 1024;
/// How long a connection may be silent before the service closes it. Longer than [`IDLE_MAX`], so that it is
/// normally the caller who closes, and no request meets a connection that is just going away.
pub const HEADER_WITHIN: Duration = Duration::from_secs(60);
/// How long open requests get to finish after a stop is asked for. Longer than [`ANSWER_WITHIN`].
pub const DRAIN: Duration = Duration::from_secs(6);

/// Connections that a service keeps to one neighbour, a count.
pub const NEIGHBOUR_CONNECTIONS_MAX: usize = 64;
/// Time for one call to a neighbour, connecting included.
pub const CALL_WITHIN: Duration = Duration::from_secs(2);
/// Age after which an idle connection is not used again.
pub const IDLE_MAX: Duration = Duration::from_secs(20);
/// First pause before a call is repeated; it doubles up to [`PAUSE_MAX`].
pub const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest pause before a call is repeated; also how long an outage is felt after it is over.
pub const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How long payment keeps a client waiting before it says "not yet, ask again".
pub const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Payments that may be open at once, a count: what payment remembers to finish after an outage.
pub const OPEN_PAYMENTS_MAX: usize = 4096;
/// Notifications sent side by side, a count; the next ones wait until all of these are taken.
pub const NOTIFY_WINDOW: usize = 16;
/// Ledger entries in one answer, a count, newest first.
pub const PAGE_MAX: usize = 50;
/// Longest value of a tracing header that is passed on, in bytes; a `traceparent` has 55.
pub const TRACE_BYTES_MAX: usize = 128;

/// Largest amount of one transfer or opening, in cents: a billion euros, far from the end of an `i64`.
pub const CENTS_MAX: u64 = 100_000_000_000;
/// Longest account or user id in bytes.
pub const ID_BYTES_MAX: usize = 40;

/// Attempts that `bank load` makes for one payment during the run, a count.
pub const LOAD_ATTEMPTS_MAX: u32 = 20;
/// Time that `bank load` gives the bank at the end to finish what is open.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(60);
