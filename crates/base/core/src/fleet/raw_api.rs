//! What a fleet file says of API documents and of GraphQL, before anything is checked. Part of [`super::raw`].

use super::node::{Node, Value};
use super::reader::{At, Field, Read, Report};
use crate::api::{OnRequest, OnResponse, OnUnknown};
use schemars::JsonSchema;

/// An OpenAPI document (3.0 or 3.1, YAML or JSON) that requests and responses are held against: its file, alone or with what becomes
/// of those that differ.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Api", untagged)]
pub(super) enum RawApi {
    /// The document's file, relative to this file.
    File(#[schemars(with = "String")] At<String>),
    /// The same, with more.
    Full(Box<RawApiFull>),
}

/// An OpenAPI document, and what becomes of requests and responses that differ.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ApiFull", deny_unknown_fields)]
pub(super) struct RawApiFull {
    /// The document's file, relative to this file.
    pub(super) document: Field<String>,
    /// What stands before every path of it, such as `/v1`; the paths of its `servers` where left out.
    #[schemars(default)]
    pub(super) base: Field<String>,
    /// What becomes of requests that differ: `refuse` (where left out) or `report`.
    #[schemars(default, with = "OnRequest")]
    pub(super) requests: Field<String>,
    /// What becomes of responses that differ: `off` (not looked at; where left out), `report`, `mask` (what the document does not
    /// name is taken out) or `stop`.
    #[schemars(default, with = "OnResponse")]
    pub(super) responses: Field<String>,
    /// What becomes of members and query parameters of requests that the document does not name: `refuse` (where left out), `strip` or
    /// `allow`.
    #[schemars(default, with = "OnUnknown")]
    pub(super) unknown: Field<String>,
}

/// What a query of GraphQL may be.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Graphql", deny_unknown_fields)]
pub(super) struct RawGraphql {
    /// Fields within fields; 10 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = 64))]
    pub(super) depth: Field<String>,
    /// Fields under another name; 20 where left out.
    #[schemars(default, with = "u32", range(min = 0, max = 1000000))]
    pub(super) aliases: Field<String>,
    /// Fields, each times the sizes (`first`, `last`, `limit`) of the lists around it; 1000 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = 1000000))]
    pub(super) cost: Field<String>,
    /// Whether it may ask what the service can do; not where left out.
    #[schemars(default, with = "bool")]
    pub(super) introspection: Field<String>,
    /// Queries in one request; 1 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = 100))]
    pub(super) batch: Field<String>,
}

impl RawApi {
    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        if matches!(node.value, Value::Map(_)) {
            let At { value, spot } = RawApiFull::read(report, node, key)?;
            return Ok(At { value: Self::Full(Box::new(value)), spot });
        }
        let at = report.text(node, key)?;
        let spot = at.spot.clone();
        Ok(At { value: Self::File(at), spot })
    }
}

impl RawApiFull {
    pub(super) const KEYS: &[&str] = &["document", "base", "requests", "responses", "unknown"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            document: fields.text("document"),
            base: fields.text("base"),
            requests: fields.text("requests"),
            responses: fields.take("responses", Report::scalar),
            unknown: fields.text("unknown"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawGraphql {
    pub(super) const KEYS: &[&str] = &["depth", "aliases", "cost", "introspection", "batch"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            depth: fields.take("depth", Report::scalar),
            aliases: fields.take("aliases", Report::scalar),
            cost: fields.take("cost", Report::scalar),
            introspection: fields.take("introspection", Report::scalar),
            batch: fields.take("batch", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}
