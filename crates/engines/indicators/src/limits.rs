//! Every number of this crate, with its unit.

use std::time::Duration;

/// Length of a slot of each ring, and how many slots it has: 15 s for 90 minutes, 5 minutes for 30 hours, an hour for 31 days.
pub const RINGS: [(Duration, usize); 3] =
    [(Duration::from_secs(15), 360), (Duration::from_secs(300), 360), (Duration::from_secs(3600), 744)];
/// Share of the chance that a page is false which is put up with; see [`crate::burn`].
pub const DOUBT_MAX: f64 = 0.05;
/// Failures that every window is allowed beside its budget: a lone one pages nobody.
pub const FAILURES_AT_HAND: f64 = 1.0;
/// z of the two-sided interval of 95 % around a ratio.
pub const INTERVAL_Z: f64 = 1.959_963_984_540_054;
/// Series of a fleet, a count, some 30 KB each at most: services first come, first kept.
pub const SERIES_MAX: usize = 4_096;
/// Snapshots that are remembered, a count: those of a day in which somebody publishes every five minutes.
pub const ROLLOUTS_MAX: usize = 1_024;
/// Series beside those of indicators, a count: expected denials, attacks and synthetic calls are not everywhere.
pub const PARTS_MAX: usize = 2_048;
/// Window in which a budget that burns too fast locks promotion: as the shortest one that pages.
pub const LOCK_WINDOW: Duration = Duration::from_secs(300);
/// A multiple of the rate that uses up a budget in time: faster, and promotion is locked.
pub const BURN_LOCKS_ABOVE: f64 = 3.0;
/// Such a lock ends once as much was good, on the whole of this time, as the objective asks for.
pub const LOCK_RECOVERED_OVER: Duration = Duration::from_secs(3600);
/// States of a fleet that can be gone back to, a count.
pub const VERSIONS_MAX: usize = 16;
