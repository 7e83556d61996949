//! Webhooks that are signed with a secret which sender and receiver share (HMAC-SHA256), in the ways that are common.

use super::{Clock, EventError, Message, Verified};
use crate::limits::EVENT_SIGNATURES_MAX;
use bartizan_core::Secret;
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

    /// The one of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }

    /// The field with the signature.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Standard => "webhook-signature",
            Self::Github => "x-hub-signature-256",
            Self::Stripe => "stripe-signature",
            Self::Slack => "x-slack-signature",
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

    /// Checks a signature that one of the secrets made.
    pub(super) fn verify(
        self,
        secrets: &[Secret<Vec<u8>>],
        message: &Message<'_>,
        clock: Clock,
    ) -> Result<Verified, EventError> {
        match self {
            Self::Standard => {
                let (id, at) = (message.only("webhook-id")?, message.only("webhook-timestamp")?);
                let at_s = timely("webhook-timestamp", at, clock)?;
                let shown = message.only("webhook-signature")?.split(' ');
                let shown = shown.filter_map(|one| base64::decode(one.strip_prefix("v1,")?).ok());
                let key = fitting(secrets, shown, &[id.as_bytes(), b".", at.as_bytes(), b".", message.body])?;
                // By its name, which is signed: sent again with another time it is the same event.
                Ok(Verified { ids: vec![name_of(&[id.as_bytes()])], key, signed_at: Some(at_s) })
            }
            Self::Github => {
                let shown = message.only("x-hub-signature-256")?.strip_prefix("sha256=").and_then(hash::unhex);
                let key = fitting(secrets, shown.into_iter(), &[message.body])?;
                Ok(Verified { ids: vec![name_of(&[message.body])], key, signed_at: None })
            }
            Self::Stripe => {
                let parts = message.only("stripe-signature")?.split(',').filter_map(|part| part.split_once('='));
                let mut times = parts.clone().filter(|(name, _)| *name == "t").map(|(_, value)| value);
                let (Some(at), None) = (times.next(), times.next()) else {
                    return Err(EventError::Unreadable("stripe-signature"));
                };
                let at_s = timely("stripe-signature", at, clock)?;
                let shown = parts.filter(|(name, _)| *name == "v1").filter_map(|(_, value)| hash::unhex(value));
                let signed = [at.as_bytes(), b".", message.body];
                Ok(Verified {
                    key: fitting(secrets, shown, &signed)?,
                    ids: vec![name_of(&signed)],
                    signed_at: Some(at_s),
                })
            }
            Self::Slack => {
                let at = message.only("x-slack-request-timestamp")?;
                let at_s = timely("x-slack-request-timestamp", at, clock)?;
                let shown = message.only("x-slack-signature")?.strip_prefix("v0=").and_then(hash::unhex);
                let signed = [b"v0:", at.as_bytes(), b":", message.body];
                Ok(Verified {
                    key: fitting(secrets, shown.into_iter(), &signed)?,
                    ids: vec![name_of(&signed)],
                    signed_at: Some(at_s),
                })
            }
        }
    }

    /// The fields that a sender adds to `body`, which it names `id` and signs at `at_s`, seconds since 1970. `None` where `secret` is none
    /// of this form, or `id` would be no field.
    pub fn sign(
        self,
        secret: &Secret<String>,
        (id, at_s): (&str, u64),
        body: &[u8],
    ) -> Option<Vec<(&'static str, String)>> {
        let (key, at) = (self.secret(secret.expose())?, at_s.to_string());
        let tag = |signed: &[&[u8]]| hash::hmac_sha256(key.expose(), signed);
        let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        Some(match self {
            Self::Standard if !is_name => return None,
            Self::Standard => {
                let tag = tag(&[id.as_bytes(), b".", at.as_bytes(), b".", body]);
                let signature = format!("v1,{}", base64::encode(&tag));
                vec![("webhook-id", id.to_owned()), ("webhook-timestamp", at), ("webhook-signature", signature)]
            }
            Self::Github => vec![("x-hub-signature-256", format!("sha256={}", hash::hex(&tag(&[body]))))],
            Self::Stripe => {
                let tag = hash::hex(&tag(&[at.as_bytes(), b".", body]));
                vec![("stripe-signature", format!("t={at},v1={tag}"))]
            }
            Self::Slack => {
                let tag = hash::hex(&tag(&[b"v0:", at.as_bytes(), b":", body]));
                vec![("x-slack-request-timestamp", at), ("x-slack-signature", format!("v0={tag}"))]
            }
        })
    }
}

/// What an event is remembered by.
fn name_of(signed: &[&[u8]]) -> [u8; 32] {
    hash::hmac_sha256(b"bartizan signed event", signed)
}

/// Seconds since 1970, written in one way alone, since the text is part of what is signed, and one moment must not have two; at which
/// something that counts was signed.
fn timely(field: &'static str, text: &str, clock: Clock) -> Result<u64, EventError> {
    let whole = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = whole && (text == "0" || !text.starts_with('0'));
    let at_s = text.parse().ok().filter(|_| plain).ok_or(EventError::Unreadable(field))?;
    clock.check(at_s).map(|()| at_s)
}

/// The place of the first secret that made one of the signatures, from 1.
fn fitting(
    secrets: &[Secret<Vec<u8>>],
    shown: impl Iterator<Item = Vec<u8>>,
    signed: &[&[u8]],
) -> Result<String, EventError> {
    let tags: Vec<_> = secrets.iter().map(|secret| hash::hmac_sha256(secret.expose(), signed)).collect();
    let mut shown = shown.take(EVENT_SIGNATURES_MAX);
    let place = shown.find_map(|one| tags.iter().position(|tag| hash::equal(tag, &one)));
    place.map(|place| (place + 1).to_string()).ok_or(EventError::Signature)
}
