//! The node from outside: who gets a voucher, and how the node comes by its identity and keeps it.
#![allow(clippy::unwrap_used, missing_docs)]

mod authority; // a CA and a control that only lets nodes join
mod joins;
mod restarts; // from the cache, with and without control
mod vouches;
mod workloads; // Workload API and SDS, with a real control and real processes
