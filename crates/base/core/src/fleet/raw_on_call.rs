//! `alerts.rotations` and `alerts.escalations` of the fleet file as they are written.

use super::node::Node;
use super::raw_gateway::text_or_texts;
use super::reader::{At, Field, Named, Read, Report};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// People who take turns at being on call.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Rotation", deny_unknown_fields)]
pub(super) struct RawRotation {
    /// Each member with the route by which they are told, or several; in the order in which they take turns.
    #[schemars(with = "BTreeMap<String, TextOrTexts>")]
    pub(super) members: Field<Named<Read<Vec<Read<String>>>>>,
    /// Time between two hand-overs, such as `7d` or `1d`.
    #[schemars(regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) every: Field<String>,
    /// A hand-over, to the first member, with its offset: `2026-11-30T09:00:00+01:00`.
    pub(super) starts: Field<String>,
    /// Times in which another member has the turn.
    #[schemars(default, with = "Vec<RawOverride>")]
    pub(super) overrides: Field<Vec<Read<RawOverride>>>,
}

/// A time in which another member has the turn.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "RotationOverride", deny_unknown_fields)]
pub(super) struct RawOverride {
    /// Its beginning, such as `2026-12-24T09:00:00+01:00`.
    pub(super) from: Field<String>,
    /// Its end.
    pub(super) until: Field<String>,
    /// Which member.
    pub(super) who: Field<String>,
}

/// Who is told of some alerts, one level after the other until somebody takes notice. The first that takes an alert has it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Escalation", deny_unknown_fields)]
pub(super) struct RawEscalation {
    /// Only alerts of rules of these owners.
    #[schemars(default, with = "TextOrTexts")]
    pub(super) owners: Field<Vec<Read<String>>>,
    /// Only alerts as bad as one of these: `critical`, `high`, `medium`, `low`.
    #[schemars(default, with = "TextOrTexts")]
    pub(super) severities: Field<Vec<Read<String>>>,
    /// Only `page` or `ticket`; both where left out. Tickets are for the first level alone.
    #[schemars(default, regex(pattern = "^(page|ticket)$"))]
    pub(super) urgency: Field<String>,
    /// Only alerts of these services.
    #[schemars(default, with = "TextOrTexts")]
    pub(super) services: Field<Vec<Read<String>>>,
    /// Only alerts of services of these owners.
    #[schemars(default, with = "TextOrTexts")]
    pub(super) service_owners: Field<Vec<Read<String>>>,
    /// Only alerts with these labels.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub(super) labels: Field<Named<Read<String>>>,
    /// Who is told first, and then.
    #[schemars(with = "Vec<RawLevel>", length(min = 1))]
    pub(super) levels: Field<Vec<Read<RawLevel>>>,
}

/// A level: a `rotation` or a `route`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "EscalationLevel", deny_unknown_fields)]
pub(super) struct RawLevel {
    /// Whoever of this rotation is on call.
    #[schemars(default)]
    pub(super) rotation: Field<String>,
    /// This route.
    #[schemars(default)]
    pub(super) route: Field<String>,
    /// So long after the level before where nobody took notice, such as `5m`; `escalate_after` where left out. Not of the first.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) after: Field<String>,
}

/// One text or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum TextOrTexts {
    One(String),
    Several(Vec<String>),
}

impl RawRotation {
    pub(super) const KEYS: &[&str] = &["members", "every", "starts", "overrides"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            members: fields.take("members", |report, node, key| report.named(node, key, text_or_texts)),
            every: fields.take("every", Report::scalar),
            starts: fields.take("starts", Report::scalar),
            overrides: fields.take("overrides", |report, node, key| report.list(node, key, RawOverride::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawOverride {
    pub(super) const KEYS: &[&str] = &["from", "until", "who"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            from: fields.take("from", Report::scalar),
            until: fields.take("until", Report::scalar),
            who: fields.text("who"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawEscalation {
    pub(super) const KEYS: &[&str] =
        &["owners", "severities", "urgency", "services", "service_owners", "labels", "levels"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            owners: fields.take("owners", text_or_texts),
            severities: fields.take("severities", text_or_texts),
            urgency: fields.text("urgency"),
            services: fields.take("services", text_or_texts),
            service_owners: fields.take("service_owners", text_or_texts),
            labels: fields.take("labels", |report, node, key| report.named(node, key, Report::scalar)),
            levels: fields.take("levels", |report, node, key| report.list(node, key, RawLevel::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawLevel {
    pub(super) const KEYS: &[&str] = &["rotation", "route", "after"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            rotation: fields.text("rotation"),
            route: fields.text("route"),
            after: fields.take("after", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}
