//! The API: on `control.sock` for people at the command line and for the supervisor, and below `/api` of the console for browsers.
//!
//! Every endpoint stands in [`ENDPOINTS`], one file each; the router is built from that table and from nothing else.

mod actor; // who asks
mod alerts;
mod answer;
mod authorize;
mod balance;
mod ca;
mod clients;
mod crl;
mod deny;
mod egress;
mod events;
mod expiry;
mod explain;
mod federation;
mod group;
mod holds;
mod indicators;
mod inspect_token;
mod inventory;
mod issued;
mod keys;
mod me;
mod metrics;
mod node_tokens;
mod objectives;
mod openapi;
mod overview;
mod policies;
mod promql; // our own metrics, asked as a Prometheus is
mod record;
mod reload;
mod revoke_tokens;
mod sessions;
mod shapes; // what goes in and comes out, for `openapi`
mod status;
mod stream;
mod table; // start here: which endpoints there are, and who may call them
mod trace;
mod users;
mod versions;
mod weekly;

#[cfg(test)]
mod tests;

pub use table::{ENDPOINTS, Endpoint, Method, Who};

pub(crate) use actor::Actor;
pub(crate) use metrics::page as metrics_page;
pub(crate) use status::status;
pub(crate) use table::router;
