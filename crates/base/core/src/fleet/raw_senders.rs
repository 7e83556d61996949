//! What a fleet file says of senders of signed events, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{At, Field, Read, Report, Spot};
use crate::signed::Scheme;
use schemars::JsonSchema;

/// Somebody outside who signs what they send, such as webhooks.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Sender", deny_unknown_fields)]
pub(super) struct RawSender {
    /// How they sign.
    #[schemars(with = "Scheme")]
    pub(super) scheme: Field<String>,
    /// File with the secret that they share with us, relative to this file; several, one a line, while one takes the place of another.
    /// The gateway alone reads it, at each event where it changed. For every scheme but `http-signatures`.
    #[schemars(default)]
    pub(super) secret_file: Field<String>,
    /// File with their public keys (a JWK Set), relative to this file. For `http-signatures`.
    #[schemars(default)]
    pub(super) keys_file: Field<String>,
    /// How long an event counts after it was signed, such as `2min`; `5min` where left out, 10s to 15min.
    #[schemars(default)]
    pub(super) tolerance: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

impl RawSender {
    pub(super) const KEYS: &[&str] = &["scheme", "secret_file", "keys_file", "tolerance"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            scheme: fields.text("scheme"),
            secret_file: fields.text("secret_file"),
            keys_file: fields.text("keys_file"),
            tolerance: fields.text("tolerance"),
            spot: fields.spot.clone(),
        };
        Ok(At { value, spot: fields.spot })
    }
}
