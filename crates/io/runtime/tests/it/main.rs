//! What this crate promises, over real sockets and files.
#![allow(clippy::unwrap_used, missing_docs)]

mod control_stream;
mod files;
mod local;
mod net;
mod pki; // certificates and judges for the others
mod process;
mod tls;
