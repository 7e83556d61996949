//! What a fleet file says of destinations outside the fleet, before anything is checked. Part of [`super::raw`].

use super::node::{Node, Value};
use super::reader::{At, Field, Read, Report, Reported, Spot};
use crate::egress::Outside;
use crate::limits::{EGRESS_DESTINATIONS_MAX, EGRESS_ITEMS_MAX};
use schemars::JsonSchema;

/// What a service may reach outside the fleet: a list, `learn`, or both with fixed places.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Egress", untagged)]
pub(super) enum RawEgress {
    /// `learn`: everything but inner addresses is let through and recorded; nothing is refused for not being listed.
    Learn(#[schemars(with = "Learn")] At<String>),
    /// The only destinations; none at all where empty.
    List(#[schemars(with = "Vec<RawDestination>", length(max = EGRESS_DESTINATIONS_MAX))] Destinations),
    /// The list with more about it.
    Full(RawEgressFull),
}

/// Items of the list, each good or reported.
pub(super) type Destinations = At<Vec<Result<RawDestination, Reported>>>;

/// The word.
#[derive(JsonSchema)]
#[schemars(rename = "EgressLearn", rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Learn {
    /// Record instead of refuse.
    Learn,
}

/// The list of destinations with more about it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "EgressFull", deny_unknown_fields)]
pub(super) struct RawEgressFull {
    /// The destinations.
    #[schemars(default, with = "Vec<RawDestination>", length(max = EGRESS_DESTINATIONS_MAX))]
    pub(super) to: Field<Vec<Result<RawDestination, Reported>>>,
    /// True: destinations beside the list are let through and recorded, inner addresses excepted.
    #[schemars(default, with = "bool")]
    pub(super) learn: Field<String>,
    /// Loopback address of the guard's forward proxy, for a program that is not told at start; chosen where left out.
    #[schemars(default)]
    pub(super) proxy: Field<String>,
    /// Loopback address of the guard's DNS, for a program that is not told at start; chosen where left out.
    #[schemars(default)]
    pub(super) dns: Field<String>,
}

/// One destination: a host name, which means HTTPS on port 443, or a map.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Destination", untagged)]
pub(super) enum RawDestination {
    /// Host name; `*.` at the front stands for exactly one label.
    Name(#[schemars(with = "String")] At<String>),
    /// Everything about it.
    Full(Box<RawDestinationFull>),
}

/// One destination outside the fleet.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "DestinationFull", deny_unknown_fields)]
pub(super) struct RawDestinationFull {
    /// Host name; `*.` at the front stands for exactly one label. Left out for addresses alone, with `protocol: tcp`.
    #[schemars(default)]
    pub(super) host: Field<String>,
    /// `https` is passed on as it is after a look at its server name, `http` is read by the guard, `tcp` needs `addresses`.
    /// `https` where left out, `http` with `https_originate`.
    #[schemars(default, with = "Outside")]
    pub(super) protocol: Field<String>,
    /// The ports: 443 for `https`, 80 for `http` where left out.
    #[schemars(default, with = "Vec<u16>", length(min = 1, max = EGRESS_ITEMS_MAX))]
    pub(super) ports: Field<Vec<Read<String>>>,
    /// The only addresses that it may have, each alone or as a range (`10.1.0.0/16`). Inner ones have to be named here.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = EGRESS_ITEMS_MAX))]
    pub(super) addresses: Field<Vec<Read<String>>>,
    /// The only methods; `http` alone.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = EGRESS_ITEMS_MAX))]
    pub(super) methods: Field<Vec<Read<String>>>,
    /// The only paths, such as `/v1/**`; `http` alone.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = EGRESS_ITEMS_MAX))]
    pub(super) paths: Field<Vec<Read<String>>>,
    /// True: the program speaks plain HTTP with its guard, and the guard speaks verified TLS outside.
    #[schemars(default, with = "bool")]
    pub(super) https_originate: Field<String>,
    /// PEM file of the roots that the server is judged by, relative to this file; the system's where left out.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// A header that the guard adds, so that the program never holds the credential in it; with `https_originate` alone.
    #[schemars(default)]
    pub(super) header: Field<RawHeader>,
    /// A token of the service's own identity that the guard shows to that destination; with `https_originate` alone.
    #[schemars(default)]
    pub(super) token: Field<RawToken>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// A short-lived token of the service, for one audience: the audience, or a map.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "EgressToken", untagged)]
pub(super) enum RawToken {
    /// Who is to believe it, as the other side calls itself.
    Audience(#[schemars(with = "String")] At<String>),
    /// More about it.
    Full(RawTokenFull),
}

/// A short-lived token of the service.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "EgressTokenFull", deny_unknown_fields)]
pub(super) struct RawTokenFull {
    /// Who is to believe it, as the other side calls itself.
    pub(super) audience: Field<String>,
    /// The header that it stands in; `authorization` where left out, with `Bearer ` before it there.
    #[schemars(default)]
    pub(super) header: Field<String>,
    /// How long it counts, from 1m to 1h; 5m where left out.
    #[schemars(default)]
    pub(super) life: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// A header whose value is in a file.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "EgressHeader", deny_unknown_fields)]
pub(super) struct RawHeader {
    /// Its name, such as `authorization`.
    pub(super) name: Field<String>,
    /// File with the value, relative to this file; read anew for every request.
    pub(super) file: Field<String>,
    /// What stands before the value, such as `Bearer `.
    #[schemars(default)]
    pub(super) prefix: Field<String>,
}

impl RawEgress {
    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let spot = Spot { place: node.place, key: key.clone() };
        let value = match node.value {
            Value::Text(_) => Self::Learn(report.text(node, key)?),
            Value::Map(_) => Self::Full(RawEgressFull::read(report, node, key)?),
            _ => Self::List(report.list(node, key, RawDestination::read)?),
        };
        Ok(At { value, spot })
    }
}

impl RawEgressFull {
    pub(super) const KEYS: &[&str] = &["to", "learn", "proxy", "dns"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            to: fields.take("to", |report, node, key| report.list(node, key, RawDestination::read)),
            learn: fields.take("learn", Report::scalar),
            proxy: fields.text("proxy"),
            dns: fields.text("dns"),
        })
    }
}

impl RawDestination {
    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        if matches!(node.value, Value::Map(_)) {
            RawDestinationFull::read(report, node, key).map(|it| Self::Full(Box::new(it)))
        } else {
            report.text(node, key).map(Self::Name)
        }
    }
}

impl RawDestinationFull {
    pub(super) const KEYS: &[&str] =
        &["host", "protocol", "ports", "addresses", "methods", "paths", "https_originate", "roots", "header", "token"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            host: fields.text("host"),
            protocol: fields.text("protocol"),
            ports: fields.take("ports", |report, node, key| report.list(node, key, Report::scalar)),
            addresses: fields.take("addresses", |report, node, key| report.list(node, key, Report::text)),
            methods: fields.take("methods", |report, node, key| report.list(node, key, Report::text)),
            paths: fields.take("paths", |report, node, key| report.list(node, key, Report::text)),
            https_originate: fields.take("https_originate", Report::scalar),
            roots: fields.text("roots"),
            header: fields.take("header", RawHeader::read),
            token: fields.take("token", RawToken::read),
            spot: fields.spot,
        })
    }
}

impl RawHeader {
    pub(super) const KEYS: &[&str] = &["name", "file", "prefix"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { name: fields.text("name"), file: fields.text("file"), prefix: fields.text("prefix") };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawToken {
    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let spot = Spot { place: node.place, key: key.clone() };
        let value = match node.value {
            Value::Map(_) => Self::Full(RawTokenFull::read(report, node, key)?),
            _ => Self::Audience(report.text(node, key)?),
        };
        Ok(At { value, spot })
    }
}

impl RawTokenFull {
    pub(super) const KEYS: &[&str] = &["audience", "header", "life"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let (audience, header, life) = (fields.text("audience"), fields.text("header"), fields.text("life"));
        Ok(Self { audience, header, life, spot: fields.spot })
    }
}
