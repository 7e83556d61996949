//! The engine beside a real Prometheus, and by itself.
#![allow(clippy::unwrap_used, missing_docs)]

mod corpus; // the series and the queries
mod golden; // start here: our answers beside those of Prometheus
mod judge; // Prometheus itself
mod properties;
mod refusals;
mod rules; // those that we ship for a Prometheus
