//! Workload API and SDS from outside: a real control, a real node, and callers that are real processes.

mod changes; // what is pushed, and how soon
mod judges; // clients that other people wrote
mod program; // a process that calls, and can become another
mod refusals;
mod rust_client;
mod sds;
mod tokens;
mod world; // control and node in a folder
mod x509;
