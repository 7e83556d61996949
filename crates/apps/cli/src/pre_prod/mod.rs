//! Whether the services of a running fleet can be watched and held to account: asked of each by a call of its own, and looked up in
//! the store and the ledger. What could not be seen does not pass.

mod ask; // what is asked of a service
mod call; // the call itself, from wherever its caller stands
mod denied; // the one that must be refused, and its place in the ledger
mod judge; // start here: one service after the other
mod seen; // what the store has of it
mod ways; // by whom a service can be called

#[cfg(test)]
mod tests;

pub(crate) use ask::Ask;
pub(crate) use call::answer_inside;
pub(crate) use judge::Look;

use bartizan_core::ServiceName;
use serde::Serialize;

/// What a fleet came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) fleet: ServiceName,
    /// Whether every service did.
    pub(crate) passed: bool,
    pub(crate) services: Vec<Judged>,
}

/// What one service came to.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    pub(crate) service: ServiceName,
    pub(crate) owner: String,
    /// Whether each check passed or does not concern it.
    pub(crate) passed: bool,
    /// The call that it was asked by; `bartizan trace` shows it.
    pub(crate) request: Option<String>,
    pub(crate) checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) standing: Standing,
    /// What was found, in words.
    pub(crate) detail: String,
    /// Ids of events, or the number of an entry in the ledger.
    pub(crate) evidence: Vec<String>,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    Pass,
    Fail,
    /// Nobody can say: what would show it did not happen. It does not pass.
    Unseen,
    /// It does not concern this service.
    None,
}

impl Standing {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Unseen => "UNSEEN",
            Self::None => "-",
        }
    }
}

impl Check {
    fn new(check: &'static str, standing: Standing, detail: impl Into<String>) -> Self {
        Self { check, standing, detail: detail.into(), evidence: Vec::new() }
    }

    fn by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}
