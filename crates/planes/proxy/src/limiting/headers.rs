//! What callers are told of limits, by draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy`, how much there is, and
//! `RateLimit`, how much of it is left.

use super::Outcome;
use crate::message::Fields;
use bartizan_core::limit::{Limit, Measure};
use std::fmt::Write as _;
use std::sync::Arc;

/// Bytes of one limit in `RateLimit`: name, and two numbers.
const ITEM_BYTES: usize = 48;

/// Both headers of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    policy: Arc<str>,
    left: String,
}

impl Told {
    /// Under `policy`, before anything is said.
    pub fn new(policy: &Arc<str>) -> Self {
        Self { policy: Arc::clone(policy), left: String::new() }
    }

    /// What is said of something that is no limit of the fleet file: how much there is in how many seconds, and how it stands.
    pub fn apart(name: &str, (count, window_s): (u64, u64), outcome: Outcome) -> Self {
        let mut told = Self::new(&format!("\"{name}\";q={count};w={window_s}").into());
        told.say(name, outcome);
        told
    }

    /// How one limit stands.
    pub fn say(&mut self, name: &str, outcome: Outcome) {
        if self.left.is_empty() {
            self.left.reserve(ITEM_BYTES);
        } else {
            self.left.push_str(", ");
        }
        let _ = write!(self.left, "\"{name}\";r={};t={}", outcome.left, outcome.wait_s);
    }

    /// Adds both; a program's own stay beside them, since they are lists.
    pub fn write(&self, fields: &mut Fields) {
        if !self.left.is_empty() {
            fields.append("ratelimit-policy", self.policy.as_bytes());
            fields.append("ratelimit", self.left.as_bytes());
        }
    }
}

/// The policies of `limits`. What is under way at once is no quota in time, and is not among them.
pub(super) fn policy<'a>(limits: impl Iterator<Item = &'a Limit>) -> Arc<str> {
    let items = limits.filter_map(|limit| match limit.measure {
        // A burst and the time in which it comes back are the rate in other words.
        Measure::Rate { count, period_s, burst } => {
            let window_s = (u64::from(burst) * u64::from(period_s)).div_ceil(u64::from(count.max(1)));
            Some(format!("\"{}\";q={burst};w={window_s}", limit.name))
        }
        Measure::Quota { count, window_s } => Some(format!("\"{}\";q={count};w={window_s}", limit.name)),
        Measure::Concurrency { .. } => None,
    });
    items.collect::<Vec<_>>().join(", ").into()
}
