//! The DNS that a service is given: it knows the names on the allow-list and no others.

pub mod message; // strict, pure
