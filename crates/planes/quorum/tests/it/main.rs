//! Groups of real processes.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod apart; // the network parts
mod folder;
mod lives; // killed, stopped, emptied
mod member; // what each process does
mod processes; // how a test starts, asks and ends them
mod strangers; // who is not heard
