//! What policies that are tried out would have decided.

use crate::decision::{Action, Verdict};
use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See [`super::What::Predicted`]. The event's request is the first one that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicted {
    /// The policy, in mode `shadow`.
    pub policy: Arc<str>,
    /// Who called.
    pub from: ServiceName,
    /// Who was called.
    pub to: ServiceName,
    /// What was asked by the first one.
    pub action: Action,
    /// What would have been decided; the opposite was.
    pub verdict: Verdict,
    /// How many calls it is about: all since the policy was told of for this edge before.
    pub calls: u64,
}

impl Predicted {
    /// For people: `policy tight in shadow would have denied 3 calls of web to api`.
    pub fn text(&self) -> String {
        let Self { policy, from, to, action: _, verdict, calls } = self;
        let (what, calls_word) = (verdict.past(), if *calls == 1 { "call" } else { "calls" });
        format!("policy {policy} in shadow would have {what} {calls} {calls_word} of {from} to {to}")
    }
}
