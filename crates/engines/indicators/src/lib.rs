//! What shows whether security works: the indicators M1 to M10, how much of each error budget is left, and how fast it burns.
//!
//! Pure: whoever calls brings counters and the time. Reading order: [`indicator`] says what is measured, [`tally`] is one
//! measurement, [`count`] reads it off the counters of a guard, [`totals`] sees what is new in those, [`series`] keeps it for a
//! month, [`board`] for every place of a fleet, [`objective`] says what is asked for, [`burn`] whether that is in danger.

pub mod board;
pub mod burn;
pub mod count;
pub mod indicator;
pub mod limits;
pub mod objective;
pub mod place;
pub mod rollouts;
pub mod series;
pub mod tally;
pub mod totals;

pub use board::Board;
pub use burn::{Burn, Pace, Urgency};
pub use indicator::{Goal, Indicator};
pub use objective::{Budget, Objective};
pub use place::Place;
pub use rollouts::Rollouts;
pub use series::Series;
pub use tally::Tally;
pub use totals::Totals;
