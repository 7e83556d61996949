//! What a fleet file says of the console, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::raw_gateway::{Off, WordOr, texts};
use super::reader::{At, Field, Named, Read, Report, Spot};
use crate::console::{ConsoleRole, HOSTS_MAX};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// `off` for none, or where it is and who may use it.
#[derive(JsonSchema)]
#[schemars(rename = "Console", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum ConsoleSchema {
    Word(Off),
    Map(Box<RawConsole>),
}

/// Where the console is, and who may use it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ConsoleFull", deny_unknown_fields)]
pub(super) struct RawConsole {
    /// Where it listens, such as `127.0.0.1:8444`; on loopback and chosen at start where left out. Another address than loopback needs
    /// `certificate` and `key`.
    #[schemars(default)]
    pub(super) listen: Field<String>,
    /// PEM file with its certificate chain, relative to this file; plain HTTP where left out.
    #[schemars(default)]
    pub(super) certificate: Field<String>,
    /// PEM file with the key of `certificate`.
    #[schemars(default)]
    pub(super) key: Field<String>,
    /// Names under which browsers find it, such as `console.bank.example`, beside the address that it listens on and `localhost`.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = HOSTS_MAX))]
    pub(super) hosts: Field<Vec<Read<String>>>,
    /// What people with which roles may do, such as `{ admins: administrator }`. Those with the role `bartizan:viewer`,
    /// `bartizan:operator` or `bartizan:administrator` need no line.
    #[schemars(default, with = "BTreeMap<String, ConsoleRole>")]
    pub(super) roles: Field<Named<Read<String>>>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

impl RawConsole {
    pub(super) const KEYS: &[&str] = &["listen", "certificate", "key", "hosts", "roles"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<WordOr<Self>> {
        WordOr::read(report, node, key, Self::read_map)
    }

    fn read_map(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            listen: fields.text("listen"),
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            hosts: fields.take("hosts", texts),
            roles: fields.take("roles", |report, node, key| report.named(node, key, Report::text)),
            spot: fields.spot.clone(),
        };
        Ok(At { value, spot: fields.spot })
    }
}
