//! The fleet at a glance: who calls whom, what changed, who may reach whom.

mod changes;
mod map;
mod reach;

pub(crate) use changes::{Asked, changes};
pub(crate) use map::map;
pub(crate) use reach::reach;
