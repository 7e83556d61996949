//! The files from outside.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod engine; // what the engine asks to be kept comes back
mod killed; // kill -9 in the middle of writes
mod refusals; // damaged, in use, too long
mod torn; // cut at any byte
