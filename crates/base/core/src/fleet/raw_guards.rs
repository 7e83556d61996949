//! What a fleet file says of who has a guard, before anything is checked. Part of [`super::raw`].

use super::node::{Node, Value};
use super::reader::{At, Read, Report};
use crate::limits::SERVICES_MAX;
use schemars::JsonSchema;

/// Which services have a guard: a word, or their names.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Guards", untagged)]
pub(super) enum RawGuards {
    /// Every service, or the gateway alone.
    Word(#[schemars(with = "Word")] At<String>),
    /// These services, and the gateway.
    Names(#[schemars(with = "Vec<String>", length(min = 1, max = SERVICES_MAX))] Names),
}

/// Names, each good or reported.
pub(super) type Names = At<Vec<Read<String>>>;

/// The words.
#[derive(JsonSchema)]
#[schemars(rename = "GuardsWord", rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Word {
    /// Every service has one.
    All,
    /// The gateway has one, and no service.
    Gateway,
}

impl RawGuards {
    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let spot = super::reader::Spot { place: node.place, key: key.clone() };
        let value = match node.value {
            Value::List(_) => Self::Names(report.list(node, key, Report::text)?),
            _ => Self::Word(report.text(node, key)?),
        };
        Ok(At { value, spot })
    }
}
