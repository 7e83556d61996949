//! Webhooks that are signed with a secret which sender and receiver share (HMAC-SHA256), in the ways that are common.

use super::{EventError, Message, check_age};
use crate::limits::EVENT_SIGNATURES_MAX;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{base64, hash};

/// How a sender writes its signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,BASE64`, over `ID.TIMESTAMP.BODY`; the secret as `whsec_BASE64`
    /// (standardwebhooks.com).
    Standard,
    /// `x-hub-signature-256: sha256=HEX`, over the body alone: GitHub, Gitea and others. It says no time.
    Github,
    /// `stripe-signature: t=SECONDS,v1=HEX`, over `SECONDS.BODY`.
    Stripe,
    /// `x-slack-request-timestamp` and `x-slack-signature: v0=HEX`, over `v0:SECONDS:BODY`.
    Slack,
}

impl Form {
    /// Every one, in the order of the manual.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Github, Self::Stripe, Self::Slack];

    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
        }
    }

    /// Whether its events say when they were signed.
    pub const fn is_timed(self) -> bool {
        !matches!(self, Self::Github)
    }

    /// A secret as the sender shows it.
    pub(super) fn secret(self, text: &str) -> Option<Secret<Vec<u8>>> {
        match (self, text.strip_prefix("whsec_")) {
            (Self::Standard, Some(encoded)) => base64::decode(encoded).ok().map(Secret::new),
            (Self::Standard, None) => None,
            // The text itself, prefix and all, is what they sign with.
            _ => Some(Secret::new(text.as_bytes().to_vec())),
        }
    }

    /// The signature that fits.
    pub(super) fn verify(
        self,
        secrets: &[Secret<Vec<u8>>],
        message: &Message<'_>,
        now: Timestamp,
    ) -> Result<Vec<u8>, EventError> {
        match self {
            Self::Standard => {
                let (id, at) = (message.only("webhook-id")?, message.only("webhook-timestamp")?);
                check_age(seconds("webhook-timestamp", at)?, now)?;
                let shown = message.only("webhook-signature")?.split(' ');
                let shown = shown.filter_map(|one| base64::decode(one.strip_prefix("v1,")?).ok());
                // By its name, which is signed: sent again with another signature it is the same event.
                let signed = [id.as_bytes(), b".", at.as_bytes(), b".", message.body];
                fitting(secrets, shown, &signed).map(|_| id.as_bytes().to_vec())
            }
            Self::Github => {
                let shown = message.only("x-hub-signature-256")?.strip_prefix("sha256=").and_then(hash::unhex);
                fitting(secrets, shown.into_iter(), &[message.body])
            }
            Self::Stripe => {
                let parts = message.only("stripe-signature")?.split(',').filter_map(|part| part.split_once('='));
                let mut times = parts.clone().filter(|(name, _)| *name == "t").map(|(_, value)| value);
                let (Some(at), None) = (times.next(), times.next()) else {
                    return Err(EventError::Unreadable("stripe-signature"));
                };
                check_age(seconds("stripe-signature", at)?, now)?;
                let shown = parts.filter(|(name, _)| *name == "v1").filter_map(|(_, value)| hash::unhex(value));
                fitting(secrets, shown, &[at.as_bytes(), b".", message.body])
            }
            Self::Slack => {
                let at = message.only("x-slack-request-timestamp")?;
                check_age(seconds("x-slack-request-timestamp", at)?, now)?;
                let shown = message.only("x-slack-signature")?.strip_prefix("v0=").and_then(hash::unhex);
                fitting(secrets, shown.into_iter(), &[b"v0:", at.as_bytes(), b":", message.body])
            }
        }
    }
}

/// Seconds since 1970, written in one way alone: the text is part of what is signed, and one moment must not have two.
fn seconds(field: &'static str, text: &str) -> Result<u64, EventError> {
    let whole = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = whole && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(EventError::Unreadable(field))
}

/// The first of the signatures that one of the secrets made.
fn fitting(
    secrets: &[Secret<Vec<u8>>],
    shown: impl Iterator<Item = Vec<u8>>,
    signed: &[&[u8]],
) -> Result<Vec<u8>, EventError> {
    let tags: Vec<_> = secrets.iter().map(|secret| hash::hmac_sha256(secret.expose(), signed)).collect();
    let mut shown = shown.take(EVENT_SIGNATURES_MAX);
    shown.find(|one| tags.iter().any(|tag| hash::equal(tag, one))).ok_or(EventError::Signature)
}
