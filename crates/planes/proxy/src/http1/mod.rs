//! HTTP/1.1 (RFC 9112), both ends of it: strict with what comes from callers, exact in what goes out.
//!
//! Absent on purpose: pipelining to anybody, upgrades other than WebSocket, and any attempt to mend what is ambiguous.

mod exchange; // a request sent, and its response
mod io; // a connection with its buffers
mod print; // heads and chunks as bytes
pub mod response; // the head of a response, read
mod server; // requests that come in
mod writer; // a response that goes out

pub use exchange::{Exchange, Finished};
pub use io::{Io, Stream};
pub use response::ResponseRule;
pub use server::{Ahead, RequestBody, Times, serve};
