//! What a fleet file says of what makes guards fast, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use schemars::JsonSchema;

/// What makes guards fast, to be switched off by whoever wants to see what it is worth.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Tuning", deny_unknown_fields)]
pub(super) struct RawTuning {
    /// Whether connections between guards carry more than one request; true where left out.
    #[schemars(default, with = "bool")]
    pub(super) reuse: Field<String>,
    /// Whether what policies decided is remembered for the rest of a connection; true where left out.
    #[schemars(default, with = "bool")]
    pub(super) remember: Field<String>,
}

impl RawTuning {
    pub(super) const KEYS: &[&str] = &["reuse", "remember"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let (reuse, remember) = (fields.take("reuse", Report::scalar), fields.take("remember", Report::scalar));
        Ok(At { value: Self { reuse, remember }, spot: fields.spot })
    }
}
