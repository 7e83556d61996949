//! What outsiders see of the vocabulary: the fleet file with its messages, its schema, records.
#![allow(clippy::unwrap_used, missing_docs)]

mod alert_rules;
mod apis;
mod authorization;
mod console;
mod egress;
mod federation;
mod fleet;
mod guards;
mod limits;
mod login;
mod narrow;
mod objectives;
mod ocsf;
mod ocsf_schema;
mod pii;
mod profile;
mod prometheus_rules;
mod redact;
mod resilience;
mod samples;
mod schema;
mod senders;
mod slow_down;
mod synthetic;
mod workloads;
