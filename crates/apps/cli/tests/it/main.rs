//! The command line from outside: what it prints and which exit code it ends with. Whole fleets are in `testkit`.
#![allow(clippy::unwrap_used, missing_docs)]

mod alerts;
mod bartizan; // runs the binary
mod ca;
mod check;
mod exec_program;
mod failures;
mod node_machine;
mod node_restart;
mod off;
