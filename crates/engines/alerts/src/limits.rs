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
/// For how long a place outside is new to a service.
pub const DESTINATION_NEW_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Time within which what goes there goes at once.
pub const OUTFLOW_AT_ONCE: Duration = Duration::from_secs(600);
/// Time within which it goes little by little, in hours.
pub const OUTFLOW_HOURS: u64 = 24;
/// In so many different hours something has to go there before that is little by little, a count.
pub const OUTFLOW_SLOW_HOURS_MIN: usize = 6;
/// Less than this is not worth a word, in bytes.
pub const OUTFLOW_BYTES_MIN: u64 = 1_000_000;
/// Places outside that are remembered, a count: services times destinations.
pub const OUTFLOW_MAX: usize = 8_192;
/// Hours before and after that count as the same time of the week, a count.
pub const BASELINE_NEAR_HOURS: usize = 1;
/// Weeks that have to be known before anything is unusual, a count.
pub const BASELINE_WEEKS_MIN: usize = 2;
/// Calls within an hour below which nothing is unusual.
pub const BASELINE_CALLS_MIN: f64 = 100.0;
/// Share of what is usual that nobody minds, as a standard deviation.
pub const BASELINE_SPREAD_MIN: f64 = 0.15;
/// So many spreads above what is usual is unusual, where no rule says another number.
pub const UNUSUAL_ABOVE: f64 = 8.0;
/// Rules whose rehearsal is remembered, a count: as many as a fleet may have, and those that come with the product.
pub const REHEARSALS_MAX: usize = 2_048;
