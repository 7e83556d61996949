//! `ledger` of the fleet file as it is written.

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use schemars::JsonSchema;

/// How much of the ledger lies in the data folder, and where the rest goes. All of it stays there where left out.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Ledger", deny_unknown_fields)]
pub(super) struct RawLedger {
    /// What it may take in the data folder, such as `1G` or `500M`. What is beyond goes into the archive, the oldest files first.
    #[schemars(regex(pattern = "^[0-9]+[MGT]$"))]
    pub(super) bytes: Field<String>,
    /// Folder for these files, relative to this file, on another disk if can be. Nothing in it is ever deleted or written over.
    #[schemars(with = "String")]
    pub(super) archive: Field<String>,
}

impl RawLedger {
    const KEYS: &[&str] = &["bytes", "archive"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { bytes: fields.take("bytes", Report::scalar), archive: fields.text("archive") };
        Ok(At { value, spot: fields.spot })
    }
}
