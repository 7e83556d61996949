//! Rules in the form of Prometheus, as files have them: the form was checked, and what they ask was not.
//!
//! `bartizan-promql` compiles them, control evaluates them over its own metrics.

use serde::{Deserialize, Serialize};

/// Rules that are asked one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The file.
    pub file: String,
    /// How often it wants to be asked, where it says so.
    pub interval: Option<Said>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A text of the file, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The text.
    pub text: String,
    /// Dotted path of its key.
    pub key: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Of the series that it records, or of its alerts.
    pub name: String,
    /// Line of the file.
    pub line: u64,
    /// What it asks, in PromQL.
    pub expr: Said,
    /// What it is for.
    pub does: Does,
    /// Labels besides those of the answer.
    pub labels: Vec<(String, Said)>,
}

/// What a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Does {
    /// Its answer becomes a series.
    Record,
    /// Each element of its answer is an alert.
    Alert {
        /// For how long it has to be there.
        hold: Option<Said>,
        /// For how long it stays after it is gone.
        keep: Option<Said>,
        /// Texts for people.
        annotations: Vec<(String, Said)>,
    },
}

impl Rule {
    /// What a label says; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        said(&self.labels, name)
    }

    /// Where it stands what to do; empty for what records.
    pub fn runbook(&self) -> &str {
        let Does::Alert { annotations, .. } = &self.does else { return "" };
        let at = said(annotations, "runbook_url");
        if at.is_empty() { said(annotations, "runbook") } else { at }
    }
}

fn said<'a>(all: &'a [(String, Said)], name: &str) -> &'a str {
    all.iter().find(|(it, _)| it == name).map_or("", |(_, said)| said.text.as_str())
}
