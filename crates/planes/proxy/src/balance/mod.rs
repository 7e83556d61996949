//! Which instance of a callee gets the next try, whether there may be another try, and whether to try at all.
//!
//! In: what the directory says of each edge, `now` (time since the worker began) and a random number. Out: a [`Pick`], or
//! why there is none; and what an outcome changed. Each worker has its own state, so nothing is locked and nothing is shared.
//! How much: picking and telling an outcome allocate nothing; each walks the instances of one callee.
//! Absent on purpose: sockets, clocks, randomness, tasks. [`guard::Balance`] is the thin layer that has those.

mod breaker; // when nothing is sent at all
mod budget; // how many retries there may be
mod choose; // two choices, the less loaded one
pub mod guard; // for the tasks of one worker
mod outlier; // when one instance gets nothing
mod picker; // start here: the one verb
mod retry; // what may be sent twice
mod split; // versions and copies
#[cfg(test)]
mod tests;
mod window; // calls and failures of the last second

pub use breaker::State as BreakerState;
pub use picker::{EdgeId, Effects, Pick, Picker, Refused, Tried};
pub use retry::{Outcome, is_repeatable};
pub use split::{is_copied, version};
