//! Limits of the node, each with its unit and the reason for the number.

use bartizan_core::limits::SERVICES_MAX;
use std::time::Duration;

/// Tickets kept at once, used ones included, a count: one for each proxy of the largest fleet, and as many again for those
/// that are just being replaced.
pub const TICKETS_MAX: usize = 2 * SERVICES_MAX;
/// Longest ticket in bytes; ours have 43.
pub const TICKET_BYTES_MAX: usize = 256;
/// Largest public key taken from a proxy, in bytes of DER; a P-256 key has 91.
pub const SPKI_BYTES_MAX: usize = 256;
/// Largest proxy binary, in bytes: one built for debugging has about 300 MiB.
pub const BINARY_BYTES_MAX: usize = 1 << 30;
/// Longest trust bundle file in bytes: some dozens of roots.
pub const BUNDLE_BYTES_MAX: usize = 256 << 10;
/// Time for one call of `JoinNode`. Signing takes a millisecond; the rest is for a machine that is starting everything.
pub const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// First pause before control is tried again.
pub const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before control is tried again.
pub const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often the clock is looked at while waiting for the time to renew: a machine that slept must not oversleep.
pub const CLOCK_LOOK: Duration = Duration::from_secs(10);
