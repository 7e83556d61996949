//! What a fleet file says of limits, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{Field, Named, Read, Report, Reported, Spot};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// One limit: `rate`, `quota` or `concurrency`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Limit", deny_unknown_fields)]
pub(super) struct RawLimit {
    /// Its name in answers, events and metrics; made of `per` and its kind where left out.
    #[schemars(default)]
    pub(super) name: Field<String>,
    /// What has a count of its own: `client`, `caller`, `user`, `tenant`, `route`, `address`, or several of them together. All
    /// requests share one where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) per: Field<Vec<Read<String>>>,
    /// Requests in time, such as `100/s`, `30/min`, `1000/h`, `5000/d`.
    #[schemars(default)]
    pub(super) rate: Field<String>,
    /// How many of a `rate` may come at once; as many as `rate` names where left out.
    #[schemars(default, with = "u32", range(min = 1))]
    pub(super) burst: Field<String>,
    /// Requests in each day (`10000/d`) or hour (`500/h`) of the UTC clock.
    #[schemars(default)]
    pub(super) quota: Field<String>,
    /// Requests under way at once.
    #[schemars(default, with = "u32", range(min = 1))]
    pub(super) concurrency: Field<String>,
    /// What a request counts for, by method, such as `{ POST: 5 }`; 1 where not named.
    #[schemars(default, with = "BTreeMap<String, u32>")]
    pub(super) cost: Field<Named<Read<String>>>,
    /// Whether all guards that have it count together, at `counts`: instances of a service, and several gateways. A `rate` or a
    /// `quota` can be.
    #[schemars(default, with = "bool")]
    pub(super) shared: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

impl RawLimit {
    pub(super) const KEYS: &[&str] = &["name", "per", "rate", "burst", "quota", "concurrency", "cost", "shared"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            name: fields.text("name"),
            per: fields.take("per", |report, node, key| report.list(node, key, Report::text)),
            rate: fields.text("rate"),
            burst: fields.take("burst", Report::scalar),
            quota: fields.text("quota"),
            concurrency: fields.take("concurrency", Report::scalar),
            cost: fields.take("cost", |report, node, key| report.named(node, key, Report::scalar)),
            shared: fields.take("shared", Report::scalar),
            spot: fields.spot,
        })
    }
}
