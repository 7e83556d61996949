//! How traffic is held against an API's own document, and what a query of GraphQL may be.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How requests and responses of a route or a service are held against an OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiCheck {
    /// The document's file, relative to the fleet file.
    pub document: String,
    /// What that file says. Whoever loads the fleet file reads it.
    #[serde(default)]
    pub text: Arc<str>,
    /// What stands before every path, in place of what the document says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What becomes of requests that differ.
    #[serde(default)]
    pub requests: OnRequest,
    /// What becomes of responses that differ.
    #[serde(default)]
    pub responses: OnResponse,
    /// What becomes of members and parameters of requests that the document does not name.
    #[serde(default)]
    pub unknown: OnUnknown,
}

impl ApiCheck {
    /// The same without the document's text.
    #[must_use]
    pub fn without_text(&self) -> Self {
        let Self { document, text: _, base, requests, responses, unknown } = self.clone();
        Self { document, text: "".into(), base, requests, responses, unknown }
    }
}

/// What becomes of requests that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnRequest {
    /// They are answered 400, and the service sees nothing of them.
    #[default]
    Refuse,
    /// They go on, and are reported.
    Report,
}

/// What becomes of responses that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnResponse {
    /// 502 comes in their place.
    Stop,
    /// What the document does not name is taken out; what differs otherwise is stopped.
    Mask,
    /// They go on, and are reported.
    Report,
    /// They are not looked at.
    #[default]
    Off,
}

/// What becomes of members and parameters that the document does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// The request counts as different.
    #[default]
    Refuse,
    /// They are taken out.
    Strip,
    /// They go on.
    Allow,
}

/// What a query of GraphQL may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphqlLimits {
    /// Fields within fields, a count.
    pub depth: u32,
    /// Fields under another name, a count.
    pub aliases: u32,
    /// Fields, each times the sizes of the lists around it.
    pub cost: u32,
    /// Whether it may ask what the service can do.
    pub introspection: bool,
    /// Queries in one request, a count.
    pub batch: u32,
}

impl Default for GraphqlLimits {
    fn default() -> Self {
        Self { depth: 10, aliases: 20, cost: 1_000, introspection: false, batch: 1 }
    }
}

/// Largest numbers that a route may set for GraphQL, a count each: beyond them nothing is bounded.
pub const GRAPHQL_DEPTH_MAX: u32 = 64;
/// See [`GRAPHQL_DEPTH_MAX`].
pub const GRAPHQL_COUNT_MAX: u32 = 1_000_000;
/// Queries in one request that a route may let through, a count.
pub const GRAPHQL_BATCH_MAX: u32 = 100;
