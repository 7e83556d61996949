//! Limits of routes and services: how often, how many at once, how much a day.
//!
//! The arithmetic ([`Gcra`], [`Quota`]) is pure: a number goes in with the time and what a request costs, a number comes out. Where
//! those numbers lie is [`Table`]'s affair: bounded, cut into pieces that have a lock each, and never in favour of whoever fills it.

mod gcra; // start here: units in time
mod headers; // what callers are told
mod holds; // how many at once
mod quota; // units in a day
mod rule; // one limit with its numbers
mod rules; // all of them, by route
mod shared; // with other guards
mod table; // whose number it is
#[cfg(test)]
mod tests;

pub use gcra::Gcra;
pub use headers::Told;
pub use holds::{Hold, Holds};
pub use quota::Quota;
pub use rule::{Asked, Rule, Share, key_of};
pub use rules::{Limits, Now, Passed, Refused, Rules};
pub use shared::{Id, Shared};
pub use table::Table;

/// What became of one request at one count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// It may go on.
    pub passed: bool,
    /// Units that are left.
    pub left: u64,
    /// Seconds until all of them are back; with `passed` false, until the request may come again.
    pub wait_s: u64,
}
