//! What a fleet file says of people who log in at the gateway, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::raw_gateway::{text_or_texts, texts};
use super::reader::{At, Field, Read, Report, Spot};
use crate::authorization::SCOPES_MAX;
use crate::login::ORIGINS_MAX;
use schemars::JsonSchema;

/// How people log in at the gateway with a browser: it sends them to an OpenID provider, and the browser gets a cookie.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Login", deny_unknown_fields)]
pub(super) struct RawLogin {
    /// The provider: an issuer under `users`, or the own authorization server, which it is where left out.
    #[schemars(default)]
    pub(super) issuer: Field<String>,
    /// The gateway's name at the provider (`client_id`). The own authorization server knows it without, as `gateway`.
    #[schemars(default)]
    pub(super) client: Field<String>,
    /// File with its secret at the provider, relative to this file; a public client where left out.
    #[schemars(default)]
    pub(super) secret: Field<String>,
    /// What is asked for; `openid` alone where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = SCOPES_MAX))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// Where browsers find the gateway, such as `https://bank.example`; `https://LISTEN` where left out.
    #[schemars(default, with = "OriginSchema")]
    pub(super) origin: Field<Vec<Read<String>>>,
    /// How long a session lasts at most, such as `12h`, which holds where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) life: Field<String>,
    /// How long it lasts without being used; `1h` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    pub(super) idle: Field<String>,
    /// The path that a browser goes to once somebody logged out; a page of the gateway where left out.
    #[schemars(default, regex(pattern = "^/"))]
    pub(super) after_logout: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// An origin, or several.
#[derive(JsonSchema)]
#[schemars(rename = "LoginOrigin", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum OriginSchema {
    One(String),
    Several(#[schemars(length(min = 1, max = ORIGINS_MAX))] Vec<String>),
}

impl RawLogin {
    pub(super) const KEYS: &[&str] =
        &["issuer", "client", "secret", "scopes", "origin", "life", "idle", "after_logout"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            issuer: fields.text("issuer"),
            client: fields.text("client"),
            secret: fields.text("secret"),
            scopes: fields.take("scopes", texts),
            origin: fields.take("origin", text_or_texts),
            life: fields.text("life"),
            idle: fields.text("idle"),
            after_logout: fields.text("after_logout"),
            spot: fields.spot.clone(),
        };
        Ok(At { value, spot: fields.spot })
    }
}
