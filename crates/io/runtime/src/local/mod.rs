//! JSON over HTTP/1.1 on a Unix socket: the local APIs of control and node, and the command line's way to them.
//!
//! The kernel says who calls ([`Caller`]); no password, no TLS. A server bounds heads, bodies, connections and idle
//! time; a client bounds answers, lines and waiting.

mod client;
mod server;

pub use client::{Lines, LocalError, get, get_text, lines, lines_with, post};
pub use server::{Caller, bind, bind_for_all, serve};

/// Largest request body that a server takes, in bytes; more is answered with 413.
pub const BODY_BYTES_MAX: usize = crate::limits::LOCAL_BODY_BYTES_MAX;
