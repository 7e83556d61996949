//! Our own leg between two guards: many requests at once on one mutual-TLS connection, in frames of a few bytes (ALPN
//! `bartizan-leg/1`). What is ready at one moment shares records and calls to the kernel, and nothing that is alone waits.
//!
//! Whoever dialled asks, whoever accepted answers. Each direction of each stream may be [`crate::limits::LEG_WINDOW_BYTES`]
//! ahead of its reader, so that one who does not read stops nobody else; the number of streams bounds the sum.
//! Absent on purpose: priorities, compression, and what belongs to other protocols (upgrades have a connection of their own).

mod answering; // requests that come over it
mod asking; // a request sent over it
mod connection; // both ends of it
pub mod frame; // in bytes
mod lanes; // tasks that answer
mod meter; // what the other end has left to do without use
mod silence; // of the other end
mod stream; // one request on it

pub use answering::{Ahead, Asked, serve};
pub use asking::Exchange;
pub use connection::Leg;
pub(crate) use connection::drive;
pub use lanes::Lanes;
pub use stream::Inflow;
