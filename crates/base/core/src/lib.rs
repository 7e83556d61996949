//! The words everybody here uses: names, time, limits, events, decisions, the fleet model, snapshots.
//!
//! In: text and bytes from outside. Out: types that are always right, or an error that says what to do.
//! Absent on purpose: sockets, files, clocks, tasks and randomness; `now` is always an argument.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alerts; // rules, and what is told of them
pub mod api; // what an API says of itself
pub mod api_key; // keys of programs
pub mod authorization;
pub mod balance; // what became of events, arrow by arrow
pub mod capture; // calls by name
pub mod client; // clients of the authorization server
pub mod console; // pages for whoever watches the fleet
pub mod counts; // shared between guards
pub mod decision;
pub mod deny;
pub mod document; // YAML and what looks like it, as a tree with places
pub mod edge;
pub mod egress;
pub mod event;
pub mod federation;
pub mod fleet;
pub mod gateway;
pub mod group; // several controls that keep one state
pub mod host; // names and addresses, and how they are told from ports
pub mod indicator; // what is measured, and where
pub mod indicators;
pub mod intake; // where others hand in what they have to say
pub mod issued;
pub mod limit;
pub mod limits;
pub mod login; // browsers, at the gateway
pub mod moment; // as people write it
pub mod name; // start here: SpiffeId, TrustDomain, ServiceName
pub mod narrow; // of a user's token, on one edge
pub mod objectives; // what is asked of indicators
pub mod on_call; // who is told of alerts, and who after that
pub mod outputs; // where events go
pub mod overview; // the fleet at a glance
pub mod path;
pub mod people;
mod personal; // what a text says of people
pub mod plan;
pub mod profile;
pub mod prometheus_rules; // rules in the form of Prometheus
pub mod promotion;
pub mod redact;
mod redact_cards; // numbers of payment cards
pub mod redirect; // where a browser may be sent back to
pub mod retention;
pub mod rotation;
pub mod secret;
pub mod signed; // events that their senders signed
pub mod slow_down; // before anybody is refused
pub mod snapshot;
pub mod software; // versions and images
pub mod stats;
pub mod status;
pub mod synthetic;
pub mod time;
pub mod tls;
pub mod trace;
pub mod tuning; // what guards do to be fast
pub mod upstream; // identity providers elsewhere
pub mod user;
pub mod versions;
pub mod weekly; // what a week brought
pub mod workload;

pub use decision::{Action, Decision, Denial, Verdict};
pub use name::{Member, Role, ServiceName, SpiffeId, TrustDomain};
pub use secret::Secret;
pub use time::Timestamp;
pub use trace::{RequestId, TraceContext};
