//! gRPC on a Unix socket: the SPIFFE Workload API and Envoy's SDS, both ends of them.
//!
//! Who calls is looked at once for each connection, by a closure of the caller's ([`Admit`]); what it makes of the caller
//! comes to each call as an extension of the request.

mod authority; // what gRPC libraries write where no host is
mod client;
mod conn;
mod pack;
mod server;

pub use client::{channel, connect};
pub use pack::{SECRET_TYPE, pack, to_struct, unpack};
pub use server::{Admit, serve};

/// The metadata that every call of the Workload API carries, with the value `true`: it keeps a server-side request forgery
/// out, which can make somebody connect but not add headers (SPIFFE Workload Endpoint, section 3).
pub const SECURITY_HEADER: &str = "workload.spiffe.io";
