//! The way of an event: in, redacted, turned into OCSF, stored, shown to whoever follows.
//!
//! offered = stored + known + lost + waiting, at every moment; all of it is in `status`.

mod counters;
mod decode;
mod gaps;
mod ingest;
mod own;
mod pipeline;

pub(crate) use bartizan_events::record::{Record, line, read};
pub(crate) use decode::decode;
pub(crate) use ingest::{Ingest, keep as keep_ingest, keep_rest as keep_rest_of_ingest};
pub(crate) use own::OwnEvents;
pub(crate) use pipeline::{Fate, Live, Pipeline, Sources};
