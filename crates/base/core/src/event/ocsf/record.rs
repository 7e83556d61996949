//! The parts of a record that all classes share, and the words of the profile `security_control`.

use crate::decision::Verdict;
use crate::event::Judged;
use serde_json::{Map, Value, json};

/// What the classes have in common, filled in by each.
pub(super) struct Record {
    pub(super) class: Class,
    pub(super) activity: (u32, String),
    pub(super) severity: Severity,
    /// Whether what was tried came about.
    pub(super) success: bool,
    /// How a finding stands, which is told instead: nothing was tried.
    pub(super) stands: Option<(u32, &'static str)>,
    /// The word for a failure, and more on it.
    pub(super) status: Option<(String, Option<String>)>,
    pub(super) message: String,
    /// Attributes of the class.
    pub(super) body: Map<String, Value>,
    /// Further keys of `unmapped.bartizan`.
    pub(super) own: Map<String, Value>,
    pub(super) profiles: Vec<&'static str>,
}

/// `(category_uid, class_uid, class_name)`.
pub(super) type Class = (u32, u32, &'static str);
pub(super) const PROCESS_ACTIVITY: Class = (1, 1007, "Process Activity");
pub(super) const DETECTION_FINDING: Class = (2, 2004, "Detection Finding");
pub(super) const ACCOUNT_CHANGE: Class = (3, 3001, "Account Change");
pub(super) const AUTHENTICATION: Class = (3, 3002, "Authentication");
pub(super) const ENTITY_MANAGEMENT: Class = (3, 3004, "Entity Management");
pub(super) const NETWORK_ACTIVITY: Class = (4, 4001, "Network Activity");
pub(super) const HTTP_ACTIVITY: Class = (4, 4002, "HTTP Activity");
/// What the schema has no class for.
pub(super) const BASE_EVENT: Class = (0, 0, "Base Event");
pub(super) const API_ACTIVITY: Class = (6, 6003, "API Activity");
pub(super) const APPLICATION_ERROR: Class = (6, 6008, "Application Error");

#[derive(Clone, Copy)]
pub(super) enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

impl Severity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

impl Record {
    pub(super) fn new(class: Class, activity: (u32, &str), message: String) -> Self {
        Self {
            class,
            activity: (activity.0, activity.1.to_owned()),
            severity: Severity::Informational,
            success: true,
            stands: None,
            status: None,
            message,
            body: Map::new(),
            own: Map::new(),
            profiles: Vec::new(),
        }
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.body.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn own(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.own.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn own_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.own(key, value),
            None => self,
        }
    }

    pub(super) fn failed(mut self, severity: Severity, code: impl Into<String>, detail: Option<String>) -> Self {
        self.success = false;
        self.severity = severity;
        self.status = Some((code.into(), detail));
        self
    }

    /// The outcome of a control: profile `security_control`.
    pub(super) fn judged(mut self, allowed: bool) -> Self {
        self.profiles.push("security_control");
        let (action, disposition) =
            if allowed { ((1, "Allowed"), (1, "Allowed")) } else { ((2, "Denied"), (2, "Blocked")) };
        self.with("action_id", action.0)
            .with("action", action.1)
            .with("disposition_id", disposition.0)
            .with("disposition", disposition.1)
    }

    pub(super) fn decision(self, decision: Option<&Judged>) -> Self {
        let Some(Judged { verdict, policies, reason, epoch }) = decision else { return self };
        let (allowed, word) = match verdict {
            Verdict::Allow => (true, "allow"),
            Verdict::Deny => (false, "deny"),
        };
        let authorizations: Vec<Value> = match policies.as_slice() {
            [] => vec![json!({ "decision": word })],
            some => some
                .iter()
                .map(|policy| json!({ "decision": word, "policy": { "uid": &**policy, "version": epoch.0.to_string() } }))
                .collect(),
        };
        let record = self
            .judged(allowed)
            .with("authorizations", authorizations)
            .own("decision", word)
            .own("policies", policies.iter().map(|policy| Value::from(&**policy)).collect::<Vec<_>>())
            .own("epoch", epoch.0)
            .own_some("reason", reason.as_deref());
        let Some(first) = policies.first() else { return record };
        let mut policy = json!({ "uid": &**first, "version": epoch.0.to_string(), "is_applied": true });
        if let Some(reason) = reason {
            policy["desc"] = Value::from(&**reason);
        }
        record.with("policy", policy)
    }
}
