//! What a fleet file says of people who sign in, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::raw_upstream::RawUpstream;
use super::reader::{At, Field, Named, Read, Report};
use crate::people::ROLES_MAX;
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// People who sign in at the authorization server. Who they are is kept by control, see `bartizan user`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "People", deny_unknown_fields)]
pub(super) struct RawPeople {
    /// How long a session lasts at most, such as `12h`; `12h` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) sessions: Field<String>,
    /// How long it lasts without being used; `1h` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) idle: Field<String>,
    /// Whether everybody needs a second factor; `optional` where left out.
    #[schemars(default, with = "Wanted")]
    pub(super) second_factor: Field<String>,
    /// Roles whose people need a second factor in any case.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = ROLES_MAX))]
    pub(super) second_factor_for: Field<Vec<Read<String>>>,
    /// Identity providers elsewhere at which people may sign in, by names of one's own; none where left out.
    #[schemars(default, with = "BTreeMap<String, RawUpstream>")]
    pub(super) providers: Field<Named<Read<RawUpstream>>>,
}

/// Who needs something.
#[derive(JsonSchema)]
#[schemars(rename = "SecondFactor", rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Wanted {
    /// Whoever wants one has one.
    Optional,
    /// Nobody signs in without one.
    Required,
}

impl RawPeople {
    pub(super) const KEYS: &[&str] = &["sessions", "idle", "second_factor", "second_factor_for", "providers"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            sessions: fields.text("sessions"),
            idle: fields.text("idle"),
            second_factor: fields.text("second_factor"),
            second_factor_for: fields
                .take("second_factor_for", |report, node, key| report.list(node, key, Report::text)),
            providers: fields.take("providers", |report, node, key| report.named(node, key, RawUpstream::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}
