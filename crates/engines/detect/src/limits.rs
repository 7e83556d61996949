//! Every number of this crate, with its unit.

use std::time::Duration;

/// Time within which refused sign-ins and requests for nothing belong together.
pub const BURST_WITHIN: Duration = Duration::from_secs(300);
/// Time within which the rest does: long enough for somebody who goes slowly, short enough to end with the attack.
pub const WITHIN: Duration = Duration::from_secs(600);
/// Those of whom something is counted, a count for each measure: by kind, service and name. Where there are more, those with the least of it
/// go, so that whoever floods one measure with names hides nobody in another.
pub const TRACKS_MAX: usize = 2_048;
/// How many of them go at once, a count: looking for them costs as much as all of them.
pub const TRACKS_EVICTED: usize = TRACKS_MAX / 8;
/// Different things that are remembered of one, a count: four times what any rule asks for. Some 10 KB; of three measures whoever asks makes
/// that many, so that with all of those full it is some 60 MB.
pub const DISTINCT_MAX: usize = 100;
/// Parts in which what is counted is forgotten, a count: five for the time over which it is, and the one that has just begun.
pub const SLOTS: u64 = 6;
/// Longest name that is remembered, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Longest path, query or agent that is searched for probes, in bytes; what is longer is searched so far.
pub const PROBE_BYTES_MAX: usize = 4 << 10;
/// Attributes of a record that are kept beside what is added here, a count: one less than a record may have.
pub const ATTRIBUTES_KEPT: usize = 63;
/// How often what is escaped twice is unescaped.
pub const UNESCAPE_MAX: usize = 3;
/// Subjects that have read secrets, a count.
pub const READERS_MAX: usize = 4_096;
/// For how long after the first audit record readers of secrets are learned and nobody is new.
pub const READERS_LEARNED: Duration = Duration::from_secs(900);
/// A path that only somebody who searches asks for counts as so many that are not there.
pub const SEARCHED_COUNTS: u64 = 5;
/// Sign-ins refused at one service from many addresses, a count, before their number counts as one attack.
pub const SPREAD_SOURCES_MIN: u64 = 20;
