//! Finds attacks in what others log: access logs of gateways, meshes and web servers, sign-ins, audit records of Kubernetes.
//!
//! In: events of the class `telemetry` on their way to the store, in the attributes into which `bartizan-telemetry` puts them, and which
//! calls are declared. Out: [`Suspicion`]s, each a measure of an alert rule with who did it and the last event that shows it.
//! How much: see [`limits`]. What finds no room is counted.
//! Absent on purpose: clocks, sockets, decisions. Nothing is stopped by what is found here; somebody is told.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod suspects; // start here: what is counted of whom

mod audited; // Kubernetes
mod declared; // which calls are
mod distinct; // how many different ones there were of late
pub mod limits;
mod probe; // requests that look like attacks by themselves
mod seen; // what a record says

pub use declared::Declared;
pub use probe::{Probe, mark, probe};
pub use suspects::{Suspects, Suspicion};
