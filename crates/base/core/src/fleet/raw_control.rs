//! `control` of the fleet file as it is written.

use super::node::Node;
use super::reader::{At, Field, Named, Read, Report, Spot};
use crate::group::MEMBERS_MAX;
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// Several controls that keep one state and go on without one of them.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Control", deny_unknown_fields)]
pub(super) struct RawControl {
    /// 1, 3, 5 or 7 of them, by their number from 1 to 255. A number is never given to another one, and members change only while none
    /// runs.
    #[schemars(with = "BTreeMap<String, RawControlMember>", length(min = 1, max = MEMBERS_MAX))]
    pub(super) members: Field<Named<Read<RawControlMember>>>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// Where one of them is.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ControlMember", deny_unknown_fields)]
pub(super) struct RawControlMember {
    /// Where guards and nodes find it, such as `10.0.0.5:7000`.
    #[schemars(with = "String")]
    pub(super) listen: Field<String>,
    /// Where the other members find it, such as `10.0.0.5:7001`.
    #[schemars(with = "String")]
    pub(super) group: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

impl RawControl {
    const KEYS: &[&str] = &["members"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let members = fields.take("members", |report, node, key| report.named(node, key, RawControlMember::read));
        let value = Self { members, spot: fields.spot.clone() };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawControlMember {
    const KEYS: &[&str] = &["listen", "group"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { listen: fields.text("listen"), group: fields.text("group"), spot: fields.spot.clone() };
        Ok(At { value, spot: fields.spot })
    }
}
