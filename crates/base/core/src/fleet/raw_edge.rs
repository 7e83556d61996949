//! What a fleet file says of instances and edges, before anything is checked. Part of [`super::raw`].

use super::node::{Node, Value};
use super::reader::{At, Field, Read, Report, Reported, Spot};
use crate::limits::{RETRIES_MAX, WEIGHT_MAX};
use crate::narrow::SCOPES_MAX;
use schemars::JsonSchema;

/// One address, or one for each instance.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum RawAt {
    One(String),
    Many(Vec<RawAtItem>),
}

/// An address, alone or with more about the instance there.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum RawAtItem {
    Address(String),
    Instance(Box<RawInstance>),
}

/// One instance of a program that runs already.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Instance", deny_unknown_fields)]
pub(super) struct RawInstance {
    /// Where it listens.
    pub(super) at: Field<String>,
    /// Its zone: callers in the same zone prefer it.
    #[schemars(default)]
    pub(super) zone: Field<String>,
    /// Its part of the load in relation to the others'; 1 where left out.
    #[schemars(default, with = "u16", range(min = 1, max = WEIGHT_MAX))]
    pub(super) weight: Field<String>,
    /// Where its guard accepts mutual TLS; on loopback and chosen at start where left out.
    #[schemars(default)]
    pub(super) mesh: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// Who gets copies of calls.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Mirror", deny_unknown_fields)]
pub(super) struct RawMirror {
    /// Name of the service.
    pub(super) to: Field<String>,
    /// Of which share of the calls, such as `10%`; of all where left out.
    #[schemars(default)]
    pub(super) share: Field<String>,
}

/// What is left of a user's token.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Narrow", deny_unknown_fields)]
pub(super) struct RawNarrow {
    /// Of the token's scopes those that are named here; all of them where left out.
    #[schemars(default, with = "Vec<String>", length(max = SCOPES_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// How long it lives on at most, such as `5s`; as long as it would where left out.
    #[schemars(default)]
    pub(super) life: Field<String>,
}

impl RawNarrow {
    pub(super) const KEYS: &[&str] = &["scopes", "life"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            scopes: fields.take("scopes", |report, node, key| report.list(node, key, Report::text)),
            life: fields.text("life"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

/// What is tried again.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Retry", deny_unknown_fields)]
pub(super) struct RawRetry {
    /// Tries after the first one; 2 where left out, 0 for none.
    #[schemars(default, with = "u8", range(max = RETRIES_MAX))]
    pub(super) attempts: Field<String>,
    /// After what: `connect`, `reset`, `5xx`, `timeout`. All but `connect` hold for GET, HEAD, OPTIONS, PUT and DELETE alone.
    #[schemars(default, with = "Vec<String>")]
    pub(super) on: Field<Vec<Read<String>>>,
    /// Retries in relation to requests, such as `20%`, which holds where left out.
    #[schemars(default)]
    pub(super) budget: Field<String>,
}

/// When nothing is sent for a while.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Breaker", deny_unknown_fields)]
pub(super) struct RawBreaker {
    /// Share of the last second's calls that has to fail, such as `50%`, which holds where left out; `off` for no breaker.
    #[schemars(default)]
    pub(super) failures: Field<String>,
    /// Fewest calls in that second; 20 where left out.
    #[schemars(default, with = "u32", range(min = 1))]
    pub(super) calls: Field<String>,
    /// For how long nothing is sent, such as `1s`, which holds where left out.
    #[schemars(default)]
    pub(super) open: Field<String>,
}

/// When an instance gets nothing for a while.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Outlier", deny_unknown_fields)]
pub(super) struct RawOutlier {
    /// Failures in a row; 5 where left out, `off` for never.
    #[schemars(default, with = "String")]
    pub(super) failures: Field<String>,
    /// For how long, such as `5s`, which holds where left out; each further time longer.
    #[schemars(default)]
    pub(super) eject: Field<String>,
    /// At most which share of the instances at once, such as `50%`, which holds where left out.
    #[schemars(default)]
    pub(super) most: Field<String>,
}

impl RawInstance {
    pub(super) const KEYS: &[&str] = &["at", "zone", "weight", "mesh"];

    /// One text, or a list of texts and maps.
    pub(super) fn read_all(report: &mut Report<'_>, node: Node, key: String) -> Read<Vec<Result<Self, Reported>>> {
        if matches!(node.value, Value::List(_)) {
            return report.list(node, key, Self::read);
        }
        let at = report.text(node, key)?;
        let spot = at.spot.clone();
        Ok(At { value: vec![Ok(Self::alone(at))], spot })
    }

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        if !matches!(node.value, Value::Map(_)) {
            return report.text(node, key).map(Self::alone);
        }
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            at: fields.text("at"),
            zone: fields.text("zone"),
            weight: fields.take("weight", Report::scalar),
            mesh: fields.text("mesh"),
            spot: fields.spot,
        })
    }

    fn alone(at: At<String>) -> Self {
        Self { spot: at.spot.clone(), at: Field::Is(at), ..Self::default() }
    }
}

impl RawMirror {
    pub(super) const KEYS: &[&str] = &["to", "share"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { to: fields.text("to"), share: fields.text("share") };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawRetry {
    pub(super) const KEYS: &[&str] = &["attempts", "on", "budget"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            attempts: fields.take("attempts", Report::scalar),
            on: fields.take("on", |report, node, key| report.list(node, key, Report::text)),
            budget: fields.text("budget"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawBreaker {
    pub(super) const KEYS: &[&str] = &["failures", "calls", "open"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            failures: fields.take("failures", Report::scalar),
            calls: fields.take("calls", Report::scalar),
            open: fields.text("open"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawOutlier {
    pub(super) const KEYS: &[&str] = &["failures", "eject", "most"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            failures: fields.take("failures", Report::scalar),
            eject: fields.text("eject"),
            most: fields.text("most"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
