//! What was asked and what was answered.

use crate::snapshot::Epoch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a caller wants to do to a service, in the words that policies use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A safe HTTP method: GET, HEAD, OPTIONS (RFC 9110 section 9.2.1).
    Read,
    /// POST, PUT, PATCH or DELETE.
    Write,
    /// Any other HTTP method that the proxy lets through.
    Other,
    /// Opening a TCP connection to a service that does not speak HTTP.
    Connect,
}

impl Action {
    /// Every action, in the order of the manual.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Other, Self::Connect];

    /// The class of an HTTP method.
    pub fn of_method(method: &str) -> Self {
        match method {
            "GET" | "HEAD" | "OPTIONS" => Self::Read,
            "POST" | "PUT" | "PATCH" | "DELETE" => Self::Write,
            _ => Self::Other,
        }
    }

    /// The word used in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Other => "other",
            Self::Connect => "connect",
        }
    }
}

/// The answer of the policy engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// At least one permit applies and no forbid does.
    Allow,
    /// Everything else, also when the evaluation failed.
    Deny,
}

/// What a denial has to be counted as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Denial {
    /// Nobody said that it would happen: somebody has to look.
    #[default]
    Unexpected,
    /// Whoever wrote what denies said that it would happen: policies with `@expected`, limits of the fleet file.
    Expected,
    /// No program of good will does that: a check that knows attacks said no.
    Attack,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// The word for what was done to a call.
    pub const fn past(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Deny => "denied",
        }
    }
}

/// A verdict with what led to it; enough to explain it later without the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// Identifiers of the policies that decided, sorted. Empty: nothing permitted it.
    pub policies: Vec<Arc<str>>,
    /// Text of the deciding policies' `@reason` annotations, or why there was nothing to decide by.
    pub reason: Option<Arc<str>>,
    /// True where `reason` was written by policy authors for the caller; else it is for those who run the fleet.
    pub public: bool,
    /// What it is counted as, where it is a denial.
    pub denial: Denial,
    /// The policy snapshot that was in force.
    pub epoch: Epoch,
}

impl Decision {
    /// True where the call may go on.
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}
