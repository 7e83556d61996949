//! What a fleet file says of apps that people use, before anything is checked. Part of [`super::raw_authorization`].

use super::node::Node;
use super::reader::{At, Field, Fields, Read, Report};
use crate::authorization::{AUDIENCES_MAX, REDIRECTS_MAX, REGISTERED_MAX, SCOPES_MAX};
use schemars::JsonSchema;

/// An app that people use: a client of the authorization server that gets tokens on their behalf.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AuthorizationApp", deny_unknown_fields)]
pub(super) struct RawApp {
    /// What people are told that it is called; its name where left out.
    #[schemars(default)]
    pub(super) title: Field<String>,
    /// Where a browser may be sent back to, to the letter; at a loopback address, any port.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = REDIRECTS_MAX))]
    pub(super) redirect: Field<Vec<Read<String>>>,
    /// Where a browser may be sent to once somebody signed out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = REDIRECTS_MAX))]
    pub(super) signed_out: Field<Vec<Read<String>>>,
    /// The scopes that it may ask for; `openid` where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = SCOPES_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// Whom its tokens may be for, the first where it does not say; that of the server where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = AUDIENCES_MAX))]
    pub(super) audiences: Field<Vec<Read<String>>>,
    /// Whether people are asked what it may have; `ask` where left out.
    #[schemars(default, with = "Consent")]
    pub(super) consent: Field<String>,
    /// How it may come to tokens; `authorization_code` and `refresh_token` where left out.
    #[schemars(default, with = "Vec<AppGrants>", length(min = 1, max = 3))]
    pub(super) grants: Field<Vec<Read<String>>>,
    /// Whether it may have tokens that are bound to nothing; whoever steals one can use it.
    #[schemars(default, with = "bool")]
    pub(super) bearer: Field<String>,
    /// The workload whose certificate its requests have to come with; none where left out, for apps that run in a browser or on a desktop.
    #[schemars(default)]
    pub(super) workload: Field<String>,
    /// Whether its requests have to be pushed to `/par` before a browser comes.
    #[schemars(default, with = "bool")]
    pub(super) require_pushed: Field<String>,
    /// Where it is told, with a signed token, that somebody signed out (OpenID Connect Back-Channel Logout); nowhere where left out.
    #[schemars(default)]
    pub(super) backchannel_logout: Field<String>,
    /// PEM file with the roots by which the server of `backchannel_logout` is recognised; the system's where left out.
    #[schemars(default)]
    pub(super) backchannel_roots: Field<String>,
}

/// Whether people are asked what an app may have.
#[derive(JsonSchema)]
#[schemars(rename = "AuthorizationConsent", rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Consent {
    /// Once for each set of scopes.
    Ask,
    /// Never: the app is of the house.
    Trusted,
}

/// A way of an app to a token.
#[derive(JsonSchema)]
#[schemars(rename = "AuthorizationAppGrant", rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum AppGrants {
    /// By a code that a browser brings, with PKCE.
    AuthorizationCode,
    /// Again, without asking anybody.
    RefreshToken,
    /// By a code that somebody types elsewhere.
    DeviceCode,
}

/// Apps that register themselves (RFC 7591).
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AuthorizationRegistration", deny_unknown_fields)]
pub(super) struct RawRegistration {
    /// SHA-256, in hex, of the token that whoever registers an app has to show: `printf %s "$TOKEN" | sha256sum`.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub(super) token_sha256: Field<String>,
    /// The scopes that such an app may ask for; `openid` where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = SCOPES_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// Whom its tokens may be for, the first where it does not say; that of the server where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = AUDIENCES_MAX))]
    pub(super) audiences: Field<Vec<Read<String>>>,
    /// How many there may be; 100 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = REGISTERED_MAX))]
    pub(super) most: Field<String>,
    /// Whether they may have tokens that are bound to nothing.
    #[schemars(default, with = "bool")]
    pub(super) bearer: Field<String>,
}

/// The list of texts at `name`.
pub(super) fn texts(fields: &mut Fields<'_, '_>, name: &'static str) -> Field<Vec<Read<String>>> {
    fields.take(name, |report, node, key| report.list(node, key, Report::text))
}

impl RawApp {
    pub(super) const KEYS: &[&str] = &[
        "title",
        "redirect",
        "signed_out",
        "scopes",
        "audiences",
        "consent",
        "grants",
        "bearer",
        "workload",
        "require_pushed",
        "backchannel_logout",
        "backchannel_roots",
    ];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            title: fields.text("title"),
            redirect: texts(&mut fields, "redirect"),
            signed_out: texts(&mut fields, "signed_out"),
            scopes: texts(&mut fields, "scopes"),
            audiences: texts(&mut fields, "audiences"),
            consent: fields.text("consent"),
            grants: texts(&mut fields, "grants"),
            bearer: fields.take("bearer", Report::scalar),
            workload: fields.text("workload"),
            require_pushed: fields.take("require_pushed", Report::scalar),
            backchannel_logout: fields.text("backchannel_logout"),
            backchannel_roots: fields.text("backchannel_roots"),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawRegistration {
    pub(super) const KEYS: &[&str] = &["token_sha256", "scopes", "audiences", "most", "bearer"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            token_sha256: fields.text("token_sha256"),
            scopes: texts(&mut fields, "scopes"),
            audiences: texts(&mut fields, "audiences"),
            most: fields.take("most", Report::scalar),
            bearer: fields.take("bearer", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}
