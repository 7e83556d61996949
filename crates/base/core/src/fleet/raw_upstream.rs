//! What a fleet file says of identity providers elsewhere, before anything is checked. Part of [`super::raw_people`].

use super::node::Node;
use super::raw_apps::texts;
use super::reader::{At, Field, Named, Read, Report};
use crate::upstream::NAMED_MAX;
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// An identity provider elsewhere at which people may sign in (OpenID Connect).
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Provider", deny_unknown_fields)]
pub(super) struct RawUpstream {
    /// What people are told that it is called; its name where left out.
    #[schemars(default)]
    pub(super) title: Field<String>,
    /// Its name as its tokens have it (`iss`), to the letter, such as `https://login.example/realms/staff`.
    #[schemars(regex(pattern = "^https://"))]
    pub(super) issuer: Field<String>,
    /// Our name there.
    pub(super) client_id: Field<String>,
    /// File with our secret there, relative to this file; left out where it gave none.
    #[schemars(default)]
    pub(super) secret: Field<String>,
    /// File with the roots (PEM) by which its server is recognised; the system's where left out.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// How it signs; `ES256` and `RS256` where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) algorithms: Field<Vec<Read<String>>>,
    /// What is asked for; `openid`, `profile` and `email` where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = NAMED_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// Whether whoever comes from there for the first time gets an account; `no` where left out.
    #[schemars(default, with = "Create")]
    pub(super) create: Field<String>,
    /// Domains of e-mail addresses, of which one has to be verified by it.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = NAMED_MAX))]
    pub(super) domains: Field<Vec<Read<String>>>,
    /// Tenants, of which one has to stand in the claim for it.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = NAMED_MAX))]
    pub(super) tenants: Field<Vec<Read<String>>>,
    /// Words of its `amr` or `acr` that stand for two factors, such as `mfa`; none where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = NAMED_MAX))]
    pub(super) two_factors: Field<Vec<Read<String>>>,
    /// Which of its claims is what.
    #[schemars(default)]
    pub(super) claims: Field<RawClaims>,
    /// Its roles, each with ours; others of its roles are nothing here.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub(super) roles: Field<Named<Read<String>>>,
}

/// Whether a stranger from a provider gets an account.
#[derive(JsonSchema)]
#[schemars(rename = "ProviderCreate", rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Create {
    /// Only who has connected an account.
    No,
    /// Whoever is of `domains` or `tenants`.
    Yes,
    /// Whoever the provider knows.
    Anybody,
}

/// Names of claims.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ProviderClaims", deny_unknown_fields)]
pub(super) struct RawClaims {
    /// Of which the name of a new account is made; `preferred_username` where left out.
    #[schemars(default)]
    pub(super) name: Field<String>,
    /// What others see; `name` where left out.
    #[schemars(default)]
    pub(super) display_name: Field<String>,
    /// Roles, such as `realm_access.roles`; none where left out.
    #[schemars(default)]
    pub(super) roles: Field<String>,
    /// The tenant, such as `tid`; none where left out.
    #[schemars(default)]
    pub(super) tenant: Field<String>,
}

impl RawUpstream {
    pub(super) const KEYS: &[&str] = &[
        "title",
        "issuer",
        "client_id",
        "secret",
        "roots",
        "algorithms",
        "scopes",
        "create",
        "domains",
        "tenants",
        "two_factors",
        "claims",
        "roles",
    ];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            title: fields.text("title"),
            issuer: fields.text("issuer"),
            client_id: fields.take("client_id", Report::scalar),
            secret: fields.text("secret"),
            roots: fields.text("roots"),
            algorithms: texts(&mut fields, "algorithms"),
            scopes: texts(&mut fields, "scopes"),
            create: fields.take("create", Report::scalar),
            domains: texts(&mut fields, "domains"),
            tenants: texts(&mut fields, "tenants"),
            two_factors: texts(&mut fields, "two_factors"),
            claims: fields.take("claims", RawClaims::read),
            roles: fields.take("roles", |report, node, key| report.named(node, key, Report::text)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawClaims {
    pub(super) const KEYS: &[&str] = &["name", "display_name", "roles", "tenant"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            name: fields.text("name"),
            display_name: fields.text("display_name"),
            roles: fields.text("roles"),
            tenant: fields.text("tenant"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
