//! When each of many is to renew, so that they do not all come at once.

use bartizan_core::Timestamp;
use std::time::Duration;

/// A moment for each of `names`, from `now` on, at most `per_second` of them within a second.
pub fn slots(names: &[String], per_second: u32, now: Timestamp) -> Vec<(String, Timestamp)> {
    let step = Duration::from_secs(1) / per_second.max(1);
    let at = |n: usize| now.plus(step.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX)));
    names.iter().enumerate().map(|(n, name)| (name.clone(), at(n))).collect()
}
