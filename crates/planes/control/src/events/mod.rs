//! The way of an event: in, redacted, turned into OCSF, stored, shown to whoever follows.
//!
//! offered = stored + known + lost + waiting, at every moment; all of it is in `status`.

mod counters;
mod decode;
mod own;
mod pipeline;

pub(crate) use bartizan_events::record::{Record, line, read};
pub(crate) use decode::decode;
pub(crate) use own::OwnEvents;
pub(crate) use pipeline::{Fate, Live, Pipeline, Sources};
