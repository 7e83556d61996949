//! What a fleet file says of its authorization server, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::raw_apps::{RawApp, RawRegistration, texts};
use super::raw_people::RawPeople;
use super::reader::{At, Field, Named, Read, Report};
use crate::authorization::{AUDIENCES_MAX, SCOPES_MAX};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// An OAuth 2.1 authorization server: for workloads of this fleet, which show their certificate instead of a secret, and for apps that
/// people use.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Authorization", deny_unknown_fields)]
pub(super) struct RawAuthorization {
    /// Where it listens, such as `127.0.0.1:8445`.
    pub(super) listen: Field<String>,
    /// Its name in tokens (`iss`) and where clients find it, such as `https://auth.bank.example`; `https://LISTEN` where left out.
    #[schemars(default, regex(pattern = "^https://"))]
    pub(super) issuer: Field<String>,
    /// Whom its tokens are for (`aud`); that of `users` where left out, and the name of the fleet where there is none.
    #[schemars(default)]
    pub(super) audience: Field<String>,
    /// Who gets tokens on its own behalf: workloads of this fleet, by name.
    #[schemars(default, with = "BTreeMap<String, RawClient>")]
    pub(super) clients: Field<Named<Read<RawClient>>>,
    /// Who gets tokens on behalf of people: apps, by the name that they are called in requests.
    #[schemars(default, with = "BTreeMap<String, RawApp>")]
    pub(super) apps: Field<Named<Read<RawApp>>>,
    /// Apps that register themselves; none may where left out.
    #[schemars(default)]
    pub(super) registration: Field<RawRegistration>,
    /// Whether requests of all apps have to be pushed to `/par` before a browser comes.
    #[schemars(default, with = "bool")]
    pub(super) require_pushed: Field<String>,
    /// People who sign in here, with password, passkey and one-time codes; nobody where left out.
    #[schemars(default, with = "RawPeople")]
    pub(super) people: Field<RawPeople>,
}

/// A client of the authorization server.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AuthorizationClient", deny_unknown_fields)]
pub(super) struct RawClient {
    /// The scopes that it may have; none where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = SCOPES_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// Whom its tokens may be for, the first where it does not say; that of the server where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = AUDIENCES_MAX))]
    pub(super) audiences: Field<Vec<Read<String>>>,
    /// How it may come to a token; `client_credentials` where left out.
    #[schemars(default, with = "Vec<Grants>", length(min = 1, max = 2))]
    pub(super) grants: Field<Vec<Read<String>>>,
}

/// A way to a token.
#[derive(JsonSchema)]
#[schemars(rename = "AuthorizationGrant", rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Grants {
    /// On its own behalf.
    ClientCredentials,
    /// On behalf of whoever gave it a token.
    TokenExchange,
}

impl RawAuthorization {
    pub(super) const KEYS: &[&str] =
        &["listen", "issuer", "audience", "clients", "apps", "registration", "require_pushed", "people"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            listen: fields.text("listen"),
            issuer: fields.text("issuer"),
            audience: fields.text("audience"),
            clients: fields.take("clients", |report, node, key| report.named(node, key, RawClient::read)),
            apps: fields.take("apps", |report, node, key| report.named(node, key, RawApp::read)),
            registration: fields.take("registration", RawRegistration::read),
            require_pushed: fields.take("require_pushed", Report::scalar),
            people: fields.take("people", RawPeople::read),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawClient {
    pub(super) const KEYS: &[&str] = &["scopes", "audiences", "grants"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            scopes: texts(&mut fields, "scopes"),
            audiences: texts(&mut fields, "audiences"),
            grants: texts(&mut fields, "grants"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
