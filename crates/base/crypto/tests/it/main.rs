//! What this crate refuses, against certificates that are wrong on purpose.
#![allow(clippy::unwrap_used, missing_docs)]

mod hsm;
mod issued; // what we issue says what it should, and no more
mod jose; // signed tokens and keys
mod path; // chains that lead nowhere
mod pem; // bundles as text
mod read; // certificates that do not read
mod requests; // certificate requests
mod wycheproof; // vectors from outside, where they are at hand

use bartizan_core::Timestamp;

/// 2026-09-10, a moment in the life of every certificate here.
const NOW: Timestamp = Timestamp::from_secs(1_789_000_000);
