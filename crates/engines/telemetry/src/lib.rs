//! Other people's formats: what programs, collectors and machines hand in becomes records of ours, and events of ours what receivers want.
//!
//! In: OTLP (protobuf and JSON), syslog (RFC 5424 and 3164), lines of JSON, audit records of a Kubernetes API server, as bytes.
//! Out: [`Handed`] records, bounded in every part, and how many there were of which nothing was made.
//! How much: see [`limits`]. What is too long is cut off, what is too much left out, and both are counted in the record.
//! Absent on purpose: sockets and clocks; whether somebody may hand something in; and redaction, which every event passes on its way
//! into the store.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod handed; // start here: what comes of a message

mod access; // of gateways, meshes, web servers
mod any; // values as OpenTelemetry has them
pub mod audit; // Kubernetes
mod draft; // a record under way
pub mod frames; // messages on a stream of bytes
pub mod limits;
mod moment; // times as texts
pub mod ndjson; // lines of JSON
pub mod otlp; // OpenTelemetry
pub mod out; // what goes out
pub mod syslog; // RFC 5424 and 3164
pub mod unpack; // gzip
mod wire; // protobuf

pub use handed::{Handed, Malformed, Scene, Taken};
