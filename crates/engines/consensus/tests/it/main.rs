//! The engine from outside.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod refusals;
mod simulation; // start here: what has to be true whatever breaks
mod steps; // single rules
mod world;
