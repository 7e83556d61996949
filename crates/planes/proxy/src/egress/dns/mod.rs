//! The DNS that a service is given: it knows the names on the allow-list and no others, looks them up with the host's resolver,
//! and remembers what it said.
//!
//! Aliases (CNAME) are followed by the host's resolver and never told: what counts is the name that was asked for and where it
//! leads in the end.

pub mod message; // strict, pure
pub(super) mod serve;
