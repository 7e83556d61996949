//! The way out of the fleet.

pub mod client_hello; // the name in the first message of TLS; strict, pure
pub mod dns;
