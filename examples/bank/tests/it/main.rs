//! The bank as it runs: five processes, real sockets, no Bartizan.

#![allow(clippy::unwrap_used, missing_docs)]

mod fleet; // start here: the processes

mod others; // users in Python, notifications in Node.js
mod payments; // what a client sees
mod survival; // kill -9, at any moment
