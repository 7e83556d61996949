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
/// Length of a slot in which calls of a version are counted; with [`VERSION_SLOTS`] an hour.
pub const VERSION_SLOT: Duration = Duration::from_secs(300);
/// Such slots, a count, of 2 KB each.
pub const VERSION_SLOTS: usize = 12;
/// Services whose versions are counted, a count, the versions among them: 24 KB each.
pub const VERSIONS_COUNTED_MAX: usize = 256;
/// Calls of each before anything is said of a version, a count.
pub const VERSION_CALLS_MIN: u64 = 100;
/// z of the two-sided interval of 99.9 %: one that is looked at all day must not be wrong by chance.
pub const VERSION_Z: f64 = 3.290_526_731_491_895;
/// The chance, 0 to 1, that a version is found bad at one look though both do alike: what such an interval leaves on one side.
pub const VERSION_CHANCE_MAX: f64 = 0.000_5;
/// By how much more of a version's calls may fail, as a share of its calls: less is not told from chance within a day's canary.
pub const VERSION_FAILS_MORE_MAX: f64 = 0.005;
/// By how much more of a version's calls policy may deny.
pub const VERSION_DENIED_MORE_MAX: f64 = 0.005;
/// The largest part of a service's calls that a version gets before there is a verdict, 0 to 1: what may be lost to find out.
pub const CANARY_PART_MAX: f64 = 0.1;
/// Windows of a version's own budget, the shorter first: the one says that it burns now, the other is sure where few call.
pub const VERSION_BURN_OVER: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(3600)];
/// How many times as often as they may a version's calls may fail since it has its part, before it gets no more.
pub const VERSION_BURN_MAX: f64 = 3.0;
/// The share of the old version's calls that counts as slow.
pub const VERSION_SLOW_SHARE: f64 = 0.05;
/// By how much more of a version's calls may be slow: twice as many as of the old one's.
pub const VERSION_SLOWER_MAX: f64 = 0.05;
