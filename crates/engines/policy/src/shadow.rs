//! Policies that are tried out: `@mode("shadow")`. They are evaluated beside those in force and decide nothing.

use crate::engine::{Ask, Engine};
use crate::memo::Memo;
use bartizan_core::{Decision, Verdict};
use std::sync::Arc;

/// What would be decided if the policies in shadow were in force too, where that is not what is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// What would be decided.
    pub verdict: Verdict,
    /// The policies in shadow by which; never none.
    pub policies: Vec<Arc<str>>,
}

impl Engine {
    /// Whether a policy of that name is tried out.
    pub fn tries_out(&self, policy: &str) -> bool {
        self.shadow().is_some_and(|shadow| shadow.has(policy))
    }

    /// What the policies in shadow would make of `decision`, which is this engine's about `ask`; `None` where nothing, and at
    /// once where there are no such policies.
    pub fn predict(&self, ask: &Ask<'_>, decision: &Decision) -> Option<Prediction> {
        changed(decision, &self.shadow()?.answer(ask).decision)
    }
}

impl Memo {
    /// As [`Engine::predict`], and remembers it as it does decisions.
    pub fn predict(&mut self, engine: &Engine, ask: &Ask<'_>, decision: &Decision) -> Option<Prediction> {
        let shadow = engine.shadow()?;
        changed(decision, &self.beside().decide(shadow, ask))
    }
}

/// What the policies in shadow, which came to `beside` on their own, change of `decision`.
fn changed(decision: &Decision, beside: &Decision) -> Option<Prediction> {
    let none_permits = decision.policies.is_empty();
    match (decision.verdict, beside.verdict) {
        _ if beside.policies.is_empty() => None, // none of them is about it
        (Verdict::Allow, Verdict::Deny) => Some(Verdict::Deny),
        // A permit changes nothing where a policy forbids.
        (Verdict::Deny, Verdict::Allow) if none_permits => Some(Verdict::Allow),
        _ => None,
    }
    .map(|verdict| Prediction { verdict, policies: beside.policies.clone() })
}
