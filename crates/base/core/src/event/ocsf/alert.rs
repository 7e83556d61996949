//! An alert: class 2004, Detection Finding.

use super::Scene;
use super::record::{DETECTION_FINDING, Record, Severity};
use crate::alerts;
use crate::event::{AlertStep, Alerted};
use serde_json::json;

impl Scene<'_> {
    pub(super) fn alert(&self, it: &Alerted) -> Record {
        let Alerted { id, rule, step, severity, urgency, incident, summary, count, by } = it;
        let activity = match step {
            AlertStep::Started => (1, "Create"),
            AlertStep::Acknowledged | AlertStep::Escalated | AlertStep::Silenced | AlertStep::Unsilenced => {
                (2, "Update")
            }
            AlertStep::Ended => (3, "Close"),
        };
        let who = by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        let message = format!("alert {id} {rule} {}{who}: {summary}", step.as_str());
        let record = Record::new(DETECTION_FINDING, activity, message)
            .with("finding_info", json!({ "uid": &**id, "title": &**rule, "desc": &**summary }))
            .with("count", *count)
            .own("alert", &**id)
            .own("rule", &**rule)
            .own("step", step.as_str())
            .own("urgency", urgency.as_str())
            .own("incident", &**incident)
            .own_some("by", by.as_deref());
        let severity = match severity {
            alerts::Severity::Low => Severity::Low,
            alerts::Severity::Medium => Severity::Medium,
            alerts::Severity::High => Severity::High,
            alerts::Severity::Critical => Severity::Critical,
        };
        let stands = match step {
            AlertStep::Started => (1, "New"),
            AlertStep::Acknowledged | AlertStep::Escalated | AlertStep::Unsilenced => (2, "In Progress"),
            AlertStep::Silenced => (3, "Suppressed"),
            AlertStep::Ended => (4, "Resolved"),
        };
        Record { severity, stands: Some(stands), ..record }
    }
}
