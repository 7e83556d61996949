//! The way of an event: in, redacted, turned into OCSF, stored, shown to whoever follows.
//!
//! offered = stored + known + lost + waiting, at every moment; all of it is in `status`.

mod counters;
mod own;
mod pipeline;
mod record;

pub(crate) use own::OwnEvents;
pub(crate) use pipeline::{Live, Pipeline, Sources};
#[cfg(test)]
pub(crate) use record::stored;
pub(crate) use record::{Record, decode, line, read};
