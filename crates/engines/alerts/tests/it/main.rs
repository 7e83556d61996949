//! Alerts on a clock of their own.
#![allow(clippy::unwrap_used)]

mod book;
mod on_call;
mod rehearsed;
