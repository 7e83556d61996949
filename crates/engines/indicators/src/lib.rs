//! What shows whether security works: the indicators M1 to M10, how much of each error budget is left, and how fast it burns.
//!
//! Pure: whoever calls brings counters and the time. Reading order: [`indicator`] (of the core) says what is measured, [`tally`] is one
//! measurement, [`count`] reads it off the counters of a guard, [`totals`] sees what is new in those, [`series`] keeps it for a
//! month, [`board`] for every place of a fleet, [`objective`] says what is asked for, [`burn`] whether that is in danger,
//! [`promotion`] whether something new may be put in force meanwhile. Beside them, [`versions`] holds a new version of a service against the old,
//! and says whether it may get more of the calls, [`shares`] who is to get more.

pub mod advice;
pub mod board;
pub mod burn;
pub mod count;
mod exact;
pub mod limits;
pub mod objective;
pub mod promotion;
pub mod rollouts;
pub mod series;
pub mod shares;
pub mod tally;
pub mod totals;
pub mod versions;

pub use bartizan_core::indicator::{self, Goal, Indicator, Part, Place};
pub use board::Board;
pub use burn::{Burn, Pace, Urgency};
pub use objective::{Budget, Objective};
pub use promotion::Promotion;
pub use rollouts::Rollouts;
pub use series::Series;
pub use shares::Raise;
pub use tally::Tally;
pub use totals::Totals;
pub use versions::Versions;
