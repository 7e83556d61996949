//! Documents, requests and responses as people write and send them, and the test suite of JSON Schema.

#![allow(clippy::unwrap_used)]

mod discriminators;
mod documents;
mod fields;
mod parameters;
mod properties;
mod responses;
mod suite;
mod support;
