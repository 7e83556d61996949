//! Alerts: what is wrong, who has to know, and who has been told.
//!
//! In: rules, what control measures, counts of events, changes, the graph of calls, and the time. Out: [`Notice`]s, which somebody has to
//! send, and the state, which somebody has to keep.
//! How much: see [`limits`]. What finds no room is counted.
//! Absent on purpose: clocks, sockets, files; sending is for `crates/planes/control/src/alerts`.
//!
//! Reading order: [`rules`] are those that come with the product, [`window`] counts events, [`evaluate`] holds rules against what is
//! measured, [`book`] keeps what is there, [`silence`] says of what nobody is told, [`on_call`] who is told, [`changes`] what happened before, [`causes`] what failed, [`outflow`] what went out and [`baseline`] what is usual, [`rehearse`] lets a rule's fault happen, and
//! [`rehearsals`] remembers when that was.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod baseline;
pub mod book;
pub mod causes;
pub mod changes;
pub mod counters;
pub mod evaluate;
pub mod foreign;
pub mod limits;
pub mod notice;
pub mod on_call;
pub mod outflow;
pub mod rehearsals;
pub mod rehearse;
pub mod rules;
mod samples;
pub mod silence;
pub mod state;
pub mod window;

pub use book::{Book, Context};
pub use causes::Causes;
pub use changes::Changes;
pub use counters::Counters;
pub use evaluate::{Facts, Reading, readings};
pub use foreign::Foreign;
pub use notice::{Notice, NoticeKind};
pub use outflow::Outflow;
pub use rehearsals::Rehearsals;
pub use rules::{built_in, in_force};
pub use silence::Silences;
