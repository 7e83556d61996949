//! Other trust domains: their roots are fetched and kept, ours are published for them.
//!
//! What is fetched goes into the snapshot of all trust anchors, so that it reaches guards and nodes like a root of our own:
//! signed, numbered, acknowledged. A domain that is no longer in the fleet file is forgotten, and with it every connection ends
//! that rests on it.

mod book; // start here: what is held of each domain, in memory and on disk
mod fetch; // one look at a bundle endpoint
mod keep; // the task that looks again and again
mod publish; // our own bundle endpoint
mod sources; // how each endpoint is recognised, from the fleet file

pub(crate) use book::Book;
pub(crate) use keep::keep;
pub(crate) use publish::{document, publish};
pub use sources::{SourceError, check};
pub(crate) use sources::{Sources, own_web, web_roots};
