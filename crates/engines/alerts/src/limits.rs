//! Every number of this crate, with its unit.

use std::time::Duration;

/// Alerts that are remembered, a count, those that are over among them; further ones are counted and left out.
pub const ALERTS_MAX: usize = 4_096;
/// For how long one that is over is shown.
pub const RESOLVED_FOR: Duration = Duration::from_secs(3600);
/// Slots of a window of events, a count: its edge is exact to a sixtieth of it.
pub const WINDOW_SLOTS: u64 = 60;
/// Windows of events, a count: rules times services.
pub const WINDOWS_MAX: usize = 65_536;
/// Changes that are remembered, a count.
pub const CHANGES_MAX: usize = 256;
/// For how long a change is remembered.
pub const CHANGES_FOR: Duration = Duration::from_secs(24 * 3600);
/// Changes that an alert carries, a count.
pub const CHANGES_SHOWN: usize = 5;
/// An alert that begins so shortly after a change of its service carries it.
pub const AFTER_CHANGE: Duration = Duration::from_secs(10 * 60);
/// Alerts of services that call each other belong together where they begin within this time.
pub const TOGETHER_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Time between two pages of one incident.
pub const PAGE_EVERY: Duration = Duration::from_secs(10 * 60);
/// Silences, a count.
pub const SILENCES_MAX: usize = 1_024;
/// Conditions of a silence, a count.
pub const MATCHERS_MAX: usize = 16;
/// Longest silence.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Largest compiled expression of a silence, in bytes.
pub const REGEX_BYTES_MAX: usize = 256 << 10;
/// Longest name or value of a label that comes from outside, in bytes.
pub const LABEL_BYTES_MAX: usize = 1_024;
/// Labels of an alert that comes from outside, a count.
pub const LABELS_MAX: usize = 64;
/// For how long an alert from outside counts that says no end.
pub const FOREIGN_FOR: Duration = Duration::from_secs(5 * 60);
/// Largest file with the state, in bytes.
pub const STATE_BYTES_MAX: usize = 32 << 20;
/// Reasons of failures that are counted, a count: services times edges times policies.
pub const CAUSES_MAX: usize = 4_096;
/// Time over which they count.
pub const CAUSES_OVER: Duration = Duration::from_secs(3600);
/// How many of them a notice names.
pub const CAUSES_SHOWN: usize = 5;
/// Longest reason that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 160;
