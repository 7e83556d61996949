//! Control: the one watch over a fleet. It hands out identities, publishes what each proxy has to know, and keeps what happened.
//!
//! In: the fleet file with its policies, a plan of addresses, a data folder; the streams of proxies; events.
//! Out: identities for one hour, signed snapshots with growing epochs, OCSF records in the store, and a local API on
//! `control.sock` ([`api::ENDPOINTS`]) for the same user and root.
//! How much: see [`limits`]. Events that find no room are dropped and counted, never waited for.
//! Absent on purpose: decisions about calls (each proxy makes its own), private keys of anybody else, and the root's own key,
//! which is opened, used for one signature, and dropped.
//!
//! Control may go away at any time: proxies go on with what they hold. What must survive it is in the data folder:
//! the sealed root, the epochs, the events.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alerts; // what somebody has to be told
mod algorithms; // what each edge really uses
pub mod api; // the local side: people and the supervisor
mod app; // what all parts share
mod attest; // how nodes prove who they are, beside the join token
mod authorization; // tokens for workloads that show their certificate (OAuth 2.1)
mod balance; // what became of events
mod budget; // what guards may cost
pub mod ca; // the root, this process' issuing CA, our own identity
mod clocks; // whose clock is away from ours
mod console; // pages and the API for browsers
pub mod deny; // who is not trusted any more
mod drift; // files that say something else than what is in force
mod egress; // where services went outside
mod error;
mod events; // the way of an event into the store
mod expiry; // what runs out, and who renews it
mod explain;
mod federation; // other trust domains
mod fleet; // from the files to what each proxy has to know
mod glance; // what pages are shown again and again
mod holds; // what of the events stays
mod hops;
mod indicators; // M1 to M10
mod intake; // what others hand in
mod inventory; // which operations services have
mod issuance; // on record before it leaves
mod issuers; // whose tokens are believed, and their keys
mod jwt; // the key that signs tokens
mod keys; // keys of programs
mod ledger; // what was denied, changed and done, tamper-evident
pub mod limits;
mod login; // people, at the gateway
mod node_registry; // which node is there
mod options;
mod outputs; // events on their way out
mod overview; // the fleet at a glance
mod people; // who signs in
mod presence; // which instances are there
mod promotion; // whether something new may be put in force
mod publish; // epochs and signatures
mod rates;
mod registry; // which proxy is there, and what it says of itself
mod rotation; // another root or issuing CA, step by step
mod series; // our own metrics, over time
mod settled; // others have it too
mod start; // start here: what happens in which order, from the files to serving
mod stream; // the gRPC side: proxies and nodes
mod web_certificate; // of files, read anew where they change
mod weekly; // reports of weeks
mod workloads_until;

#[cfg(test)]
mod tests;

pub use alerts::check_prometheus_rules;
pub use authorization::RevokedError;
pub use console::check as check_console;
pub use error::ControlError;
pub use federation::{SourceError, check as check_federation};
pub use fleet::{check_apis, check_senders, check_users};
pub use jwt::JwtKeysError;
pub use keys::KeysError;
pub use ledger::LedgerKeyError;
pub use options::{Options, Psat, X509Pop};
pub use settled::{Elsewhere, Leading, Settling};
pub use start::{run, serve};
