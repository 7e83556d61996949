//! From Cedar's answer to ours: who decided, and why.

use crate::engine::Ask;
use crate::read::Written;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Decision, Denial, Verdict};
use cedar_policy::{AuthorizationError, Response};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Identifiers and reasons of all policies, so that a decision shares their text instead of copying it.
pub(crate) struct Judge {
    reasons: HashMap<Arc<str>, Option<Arc<str>>>,
    /// Those whose denials are expected.
    expected: HashSet<Arc<str>>,
    epoch: Epoch,
}

/// What became of some policies. Outcomes of parts of a policy set add up to the outcome of the whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Permits that apply; left out by Cedar where a forbid of the same part applies.
    permits: Vec<Arc<str>>,
    /// Forbids that apply.
    forbids: Vec<Arc<str>>,
    /// Policies that could not be evaluated, with the error.
    failed: Vec<(Arc<str>, String)>,
}

impl Outcome {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let Self { permits, forbids, failed } = other;
        self.permits.extend(permits);
        self.forbids.extend(forbids);
        self.failed.extend(failed);
        self
    }
}

impl Judge {
    pub(crate) fn of(policies: &[Written], epoch: Epoch) -> Self {
        let reasons = policies.iter().map(|written| (Arc::clone(&written.id), written.reason.clone()));
        let expected = policies.iter().filter(|written| written.expected).map(|written| Arc::clone(&written.id));
        Self { reasons: reasons.collect(), expected: expected.collect(), epoch }
    }

    pub(crate) fn outcome(&self, response: &Response) -> Outcome {
        let deciding = response.diagnostics().reason().map(|id| self.shared(id.as_ref())).collect();
        let failed = response.diagnostics().errors().map(|error| {
            let AuthorizationError::PolicyEvaluationError(error) = error;
            (self.shared(error.policy_id().as_ref()), error.inner().to_string())
        });
        let (permits, forbids) = match response.decision() {
            cedar_policy::Decision::Allow => (deciding, Vec::new()),
            cedar_policy::Decision::Deny => (Vec::new(), deciding),
        };
        Outcome { permits, forbids, failed: failed.collect() }
    }

    /// Cedar leaves out a policy that it cannot evaluate, which would turn a broken forbid into nothing. Here any
    /// such error denies.
    pub(crate) fn judge(&self, outcome: Outcome, ask: &Ask<'_>) -> Decision {
        let Outcome { permits, forbids, mut failed } = outcome;
        failed.sort_unstable();
        let allowed = !permits.is_empty() && forbids.is_empty() && failed.is_empty();
        let mut policies = if allowed { permits } else { forbids };
        policies.extend(failed.iter().map(|(id, _)| Arc::clone(id)));
        policies.sort_unstable();
        let reason = match failed.first() {
            Some((id, error)) => Some(cannot_evaluate(id, error)),
            None if policies.is_empty() => Some(nothing_permits(ask)),
            None => self.reason(&policies),
        };
        let public = failed.is_empty() && !policies.is_empty();
        let verdict = if allowed { Verdict::Allow } else { Verdict::Deny };
        // Where one that decides does not expect it, or nothing permits it at all, somebody has to look.
        let expected = public && policies.iter().all(|id| self.expected.contains(id));
        let denial = if expected { Denial::Expected } else { Denial::Unexpected };
        Decision { verdict, policies, reason, public, denial, epoch: self.epoch }
    }

    /// The answer where there was no question that Cedar could take.
    pub(crate) fn fail(&self, error: &str) -> Decision {
        let reason = Some(format!("the request cannot be put to the policies: {error}").into());
        let denial = Denial::Unexpected;
        Decision { verdict: Verdict::Deny, policies: Vec::new(), reason, public: false, denial, epoch: self.epoch }
    }

    /// The reasons that the policies give, each once.
    fn reason(&self, ids: &[Arc<str>]) -> Option<Arc<str>> {
        let mut reasons: Vec<&Arc<str>> = Vec::new();
        for reason in ids.iter().filter_map(|id| self.reasons.get(id)?.as_ref()) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        match reasons.as_slice() {
            [] => None,
            [reason] => Some(Arc::clone(reason)),
            several => Some(several.iter().map(|reason| &***reason).collect::<Vec<_>>().join("; ").into()),
        }
    }

    fn shared(&self, id: &str) -> Arc<str> {
        self.reasons.get_key_value(id).map_or_else(|| id.into(), |(id, _)| Arc::clone(id))
    }
}

fn cannot_evaluate(id: &str, error: &str) -> Arc<str> {
    format!("policy `{id}` cannot be evaluated: {error}").into()
}

fn nothing_permits(ask: &Ask<'_>) -> Arc<str> {
    let Ask { principal, action, resource, route, .. } = ask;
    let action = action.as_str();
    match route {
        Some(route) => format!("no policy permits `{principal}` to `{action}` on `{resource}/{route}`").into(),
        None => format!("no policy permits `{principal}` to `{action}` on `{resource}`").into(),
    }
}
