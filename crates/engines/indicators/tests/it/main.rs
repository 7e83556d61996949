//! What the engine makes of many roll-outs, from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod many_rollouts;
