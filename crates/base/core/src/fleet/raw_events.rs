//! `events` of the fleet file as it is written.

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use schemars::JsonSchema;

/// How long events are kept, and how many.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Events", deny_unknown_fields)]
pub(super) struct RawEvents {
    /// Age at which events go, such as `30d` or `12h`; they stay where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) keep: Field<String>,
    /// What they may take on disk, such as `10G` or `500M`; 4 GiB under `bartizan up` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[MGT]$"))]
    pub(super) bytes: Field<String>,
    /// When they have taken it: `refuse` further ones (also where left out), or `drop` the oldest. Both are counted and shown.
    #[schemars(default)]
    pub(super) when_full: Field<String>,
}

impl RawEvents {
    const KEYS: &[&str] = &["keep", "bytes", "when_full"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            keep: fields.take("keep", Report::scalar),
            bytes: fields.take("bytes", Report::scalar),
            when_full: fields.text("when_full"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
