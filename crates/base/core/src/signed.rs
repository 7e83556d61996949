//! Who may send signed events to the gateway, as the fleet file says it. The secrets stay in files that the gateway alone reads.

use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Oldest event that counts where a sender's `tolerance` is left out, in seconds: what senders of webhooks advise.
pub const TOLERANCE_S: u32 = 300;
/// Shortest tolerance, in seconds: a slow network.
pub const TOLERANCE_S_MIN: u32 = 10;
/// Longest tolerance, in seconds: everything that comes within it is remembered.
pub const TOLERANCE_S_MAX: u32 = 900;
/// Most senders of a fleet, a count: each has a memory of its own.
pub const SENDERS_MAX: usize = 64;
/// Most senders of one route, a count: the keys of each are tried.
pub const ROUTE_SENDERS_MAX: usize = 8;
/// Largest event where a route says nothing, in bytes.
pub const EVENT_BYTES: u32 = 1 << 20;
/// Largest event that a route can take, in bytes: it is held whole until it is judged.
pub const EVENT_BYTES_MAX: u32 = 8 << 20;
/// Longest file with the secrets or public keys of a sender, in bytes: a dozen long RSA keys.
pub const SENDER_FILE_BYTES_MAX: usize = 64 << 10;
/// Who vouches for senders, where users have an issuer.
pub const SENDER_ISSUER: &str = "bartizan:events";

/// How a sender signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Standard Webhooks (standardwebhooks.com): `webhook-signature`.
    Standard,
    /// GitHub, Gitea and others: `x-hub-signature-256`. It says no time.
    Github,
    /// Stripe: `stripe-signature`.
    Stripe,
    /// Slack: `x-slack-signature`.
    Slack,
    /// HTTP message signatures (RFC 9421), by public keys.
    HttpSignatures,
}

impl Scheme {
    /// Every one, in the order of the manual.
    pub const ALL: [Self; 5] = [Self::Standard, Self::Github, Self::Stripe, Self::Slack, Self::HttpSignatures];

    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::HttpSignatures => "http-signatures",
        }
    }

    /// The inverse of [`Scheme::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == word)
    }

    /// Whether sender and gateway share a secret; else the gateway knows public keys.
    pub const fn is_shared(self) -> bool {
        !matches!(self, Self::HttpSignatures)
    }

    /// Whether its events say when they were signed.
    pub const fn is_timed(self) -> bool {
        !matches!(self, Self::Github)
    }
}

/// A sender of signed events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSender {
    /// How it signs.
    pub scheme: Scheme,
    /// The file with its secrets, one a line, or with its public keys (a JWK Set). Absolute in a directory.
    pub file: String,
    /// How long an event counts, in seconds.
    pub tolerance_s: u32,
}

impl EventSender {
    /// Makes the name of its file absolute: the gateway runs elsewhere.
    pub fn resolve_file(&mut self, dir: &Path) {
        if let Some(path) = dir.join(&self.file).to_str() {
            self.file = path.to_owned();
        }
    }
}

/// Whose events a route takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// The senders.
    pub from: Vec<ServiceName>,
    /// Largest body, in bytes.
    pub bytes_max: u32,
}

/// A sender, as policies know it.
pub fn subject(sender: &ServiceName) -> String {
    format!("sender:{sender}")
}
