//! Alerts that others made, such as a Prometheus with rules of its own.

use crate::limits::{FOREIGN_FOR, LABEL_BYTES_MAX, LABELS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::alerts::{Severity, Urgency};
use std::collections::BTreeMap;

/// One of them, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its labels, without its name and what stands below.
    pub labels: BTreeMap<String, String>,
    /// `alertname`.
    pub name: String,
    /// Its service, where a label says so.
    pub service: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// How bad.
    pub severity: Severity,
    /// Who has to know.
    pub urgency: Urgency,
    /// What is wrong.
    pub summary: String,
    /// Where it stands what to do.
    pub runbook: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends if nobody repeats it.
    pub until: Timestamp,
}

impl Foreign {
    /// One with these labels and annotations.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        mut labels: BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
        (since, until): (Option<Timestamp>, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        let long = |(name, value): (&String, &String)| {
            name.is_empty() || name.len() > LABEL_BYTES_MAX || value.len() > LABEL_BYTES_MAX
        };
        if labels.len() > LABELS_MAX || annotations.len() > LABELS_MAX {
            return Err("more than 64 labels or annotations");
        }
        if labels.iter().any(long) {
            return Err("a label without a name, or longer than 1,024 bytes");
        }
        labels.retain(|_, value| !value.is_empty());
        let name = labels.remove("alertname").ok_or("no label `alertname`")?;
        let (severity, said) = (labels.remove("severity"), labels.remove("urgency"));
        let urgency = said.as_deref().and_then(Urgency::parse).or_else(|| severity.as_deref().and_then(Urgency::parse));
        let severity = match severity.as_deref() {
            Some("critical" | "page" | "emergency") => Severity::Critical,
            Some("high" | "error") => Severity::High,
            Some("low" | "info" | "none") => Severity::Low,
            _ => Severity::Medium,
        };
        let note = |name: &str| annotations.get(name).map(|text| cut(text));
        Ok(Self {
            service: labels.remove("service"),
            owner: labels.remove("owner").unwrap_or_default(),
            severity,
            urgency: urgency.unwrap_or(if severity == Severity::Critical { Urgency::Page } else { Urgency::Ticket }),
            summary: note("summary").or_else(|| note("description")).unwrap_or_else(|| name.clone()),
            runbook: note("runbook_url").or_else(|| note("runbook")).unwrap_or_default(),
            since: since.unwrap_or(now).min(now),
            until: until.unwrap_or_else(|| now.plus(FOREIGN_FOR)),
            labels,
            name,
        })
    }
}

/// At most as long as a label, on one line.
fn cut(text: &str) -> String {
    let mut end = text.len().min(LABEL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(char::is_control, " ")
}
