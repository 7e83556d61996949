//! Where shared counts lie, as a fleet file says it, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use schemars::JsonSchema;

/// Where counts of limits with `shared: true` lie.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Counts", deny_unknown_fields)]
pub(super) struct RawCounts {
    /// Host and port of a Redis, or what speaks its protocol, such as `127.0.0.1:6379`.
    pub(super) redis: Field<String>,
    /// File with the roots that its certificate has to chain to (PEM), relative to this file. Without, it is spoken to in plain,
    /// which loopback alone allows.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// File with its password, relative to this file.
    #[schemars(default)]
    pub(super) password_file: Field<String>,
    /// What holds while it does not answer: `local` (each guard goes on with its own counts; where left out) or `refuse`.
    #[schemars(default)]
    pub(super) away: Field<String>,
}

impl RawCounts {
    pub(super) const KEYS: &[&str] = &["redis", "roots", "password_file", "away"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            redis: fields.text("redis"),
            roots: fields.text("roots"),
            password_file: fields.text("password_file"),
            away: fields.text("away"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
