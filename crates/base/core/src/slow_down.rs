//! Who comes much more often than is usual for it is made to wait before it is refused: what the fleet file says of that.

use crate::limit::Per;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest window, and longest time over which something becomes usual, in milliseconds: a day.
pub const TIME_MS_MAX: u32 = 24 * 3600 * 1000;
/// Longest that a request may be made to wait, in milliseconds: half of what callers commonly wait for.
pub const DELAY_MS_MAX: u32 = 15_000;
/// Most requests of one caller that may wait at once, a count.
pub const WAITING_MAX: u32 = 1_024;
/// Most times its usual rate that a caller may be let come, a count.
pub const TIMES_MAX: u32 = 1_000;

/// How a route or a service slows callers down, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowDown {
    /// What has a usual rate of its own; never empty.
    pub per: Vec<Per>,
    /// Requests are counted in windows of so many milliseconds.
    pub window_ms: u32,
    /// Milliseconds over which what lasts becomes usual; at least one window.
    pub over_ms: u32,
    /// How many times its usual count a caller may have in a window, at least 1.
    pub times: u32,
    /// Requests in a second that nobody is slowed down for, at least 1.
    pub least: u32,
    /// Milliseconds that a request waits at most; what would have to wait longer is refused.
    pub delay_ms: u32,
    /// Requests of one caller that wait at once; further ones are refused.
    pub waiting: u32,
}

impl SlowDown {
    /// What holds where the fleet file says nothing else.
    pub fn per(per: Per) -> Self {
        let (window_ms, over_ms, delay_ms) = (10_000, 3_600_000, 2_000);
        Self { per: vec![per], window_ms, over_ms, times: 2, least: 10, delay_ms, waiting: 32 }
    }
}

impl fmt::Display for SlowDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per, times, least, .. } = self;
        let per: Vec<_> = per.iter().map(|per| per.as_str()).collect();
        write!(f, "{times} times what is usual, {least}/s at least, for each {}", per.join(" and "))
    }
}
