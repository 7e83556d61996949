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
    /// The same for one sort of events, longer or shorter than `keep`.
    #[schemars(default, with = "RawKeepEach")]
    pub(super) keep_each: Field<RawKeepEach>,
    /// What they may take on disk, such as `10G` or `500M`; 4 GiB under `bartizan up` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[MGT]$"))]
    pub(super) bytes: Field<String>,
    /// When they have taken it: `refuse` further ones (also where left out), or `drop` the oldest. Both are counted and shown.
    #[schemars(default)]
    pub(super) when_full: Field<String>,
}

/// Ages at which events of one sort go, such as `30d` or `12h`; as `keep` says where left out.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "KeepEach", deny_unknown_fields)]
pub(super) struct RawKeepEach {
    /// Requests, connections, handshakes and ways out that were let through.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) calls: Field<String>,
    /// What others handed in.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) telemetry: Field<String>,
    /// Whatever was denied or refused.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) denied: Field<String>,
    /// What people and administrators did.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) people: Field<String>,
    /// What changed: policies, identities, roots, processes.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) changes: Field<String>,
    /// Alerts, losses, clocks, budgets, ended trust.
    #[schemars(default, regex(pattern = "^[0-9]+[hd]$"))]
    pub(super) findings: Field<String>,
}

impl RawKeepEach {
    const KEYS: &[&str] = &["calls", "telemetry", "denied", "people", "changes", "findings"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            calls: fields.take("calls", Report::scalar),
            telemetry: fields.take("telemetry", Report::scalar),
            denied: fields.take("denied", Report::scalar),
            people: fields.take("people", Report::scalar),
            changes: fields.take("changes", Report::scalar),
            findings: fields.take("findings", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawEvents {
    const KEYS: &[&str] = &["keep", "keep_each", "bytes", "when_full"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            keep: fields.take("keep", Report::scalar),
            keep_each: fields.take("keep_each", RawKeepEach::read),
            bytes: fields.take("bytes", Report::scalar),
            when_full: fields.text("when_full"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
