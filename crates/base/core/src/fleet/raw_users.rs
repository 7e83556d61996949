//! What a fleet file says of users, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use crate::user::ISSUERS_MAX;
use schemars::JsonSchema;

/// Whose tokens say who a user is.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Users", deny_unknown_fields)]
pub(super) struct RawUsers {
    /// Whom tokens have to be for (`aud`), such as `https://api.bank.example`.
    pub(super) audience: Field<String>,
    /// Who issues them.
    #[schemars(with = "Vec<RawIssuer>", length(min = 1, max = ISSUERS_MAX))]
    pub(super) issuers: Field<Vec<Result<RawIssuer, Reported>>>,
}

/// An issuer of access tokens (RFC 9068).
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Issuer", deny_unknown_fields)]
pub(super) struct RawIssuer {
    /// Its name as tokens have it (`iss`), to the letter.
    pub(super) issuer: Field<String>,
    /// File with its public keys (a JWK Set), relative to this file. Where left out, they are fetched from the issuer, as OpenID
    /// Connect Discovery says, again and again.
    #[schemars(default)]
    pub(super) keys: Field<String>,
    /// File with the roots (PEM) by which the issuer's server is recognised where keys are fetched; the system's where left out.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// How it signs: `ES256`, `EdDSA`, `RS256`, `PS256` and their longer kin. `ES256` where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) algorithms: Field<Vec<Read<String>>>,
    /// The claim with a user's roles, such as `realm_access.roles`; `roles` where left out.
    #[schemars(default)]
    pub(super) roles: Field<String>,
    /// The claim with a user's tenant; `tenant` where left out.
    #[schemars(default)]
    pub(super) tenant: Field<String>,
    /// Further claims for policies, by the name under which they see them: `accounts: bank.accounts` becomes
    /// `context.user.claims.accounts`, a set of texts.
    #[schemars(default, with = "std::collections::BTreeMap<String, String>")]
    pub(super) claims: Field<Named<Read<String>>>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

impl RawUsers {
    pub(super) const KEYS: &[&str] = &["audience", "issuers"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            audience: fields.text("audience"),
            issuers: fields.take("issuers", |report, node, key| report.list(node, key, RawIssuer::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawIssuer {
    pub(super) const KEYS: &[&str] = &["issuer", "keys", "roots", "algorithms", "roles", "tenant", "claims"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            issuer: fields.text("issuer"),
            keys: fields.text("keys"),
            roots: fields.text("roots"),
            algorithms: fields.take("algorithms", |report, node, key| report.list(node, key, Report::text)),
            roles: fields.text("roles"),
            tenant: fields.text("tenant"),
            claims: fields.take("claims", |report, node, key| report.named(node, key, Report::text)),
            spot: fields.spot,
        })
    }
}
