//! What a browser carries while somebody is at another provider: sealed, in a cookie that no other site can set, and once.

use super::super::cookies;
use super::super::gate::Visit;
use super::super::pages::Problem;
use super::super::way::{self, Way};
use crate::limits::{UPSTREAM_COOKIE_BYTES_MAX, WAY_TTL};
use axum::http::{HeaderMap, HeaderValue};
use bartizan_core::Timestamp;
use bartizan_crypto::{base64, hash, random};
use serde::{Deserialize, Serialize};

const USE: &str = "upstream";

/// A sign-in elsewhere that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Carried {
    /// The provider's name here, and whom it stood for when the browser was sent.
    pub(super) provider: String,
    pub(super) issuer: String,
    /// Of which `state`, `nonce` and verifier are made.
    secret: [u8; 32],
    pub(super) begun: Timestamp,
    pub(super) way: Way,
    /// The person and the session that an account is to be connected for; `None` where somebody signs in.
    pub(super) connects: Option<(String, String)>,
}

impl Carried {
    pub(super) fn new(
        provider: &str,
        issuer: &str,
        way: Way,
        connects: Option<(String, String)>,
        now: Timestamp,
    ) -> Self {
        let (provider, issuer) = (provider.to_owned(), issuer.to_owned());
        Self { provider, issuer, secret: random::bytes(), begun: now, way, connects }
    }

    /// That what comes back is an answer to this question.
    pub(super) fn state(&self) -> String {
        self.text("state")
    }

    /// That the ID token is.
    pub(super) fn nonce(&self) -> String {
        self.text("nonce")
    }

    /// That who redeems the code is who began (RFC 7636).
    pub(super) fn verifier(&self) -> String {
        self.text("verifier")
    }

    pub(super) fn challenge(&self) -> String {
        base64::encode_url(&hash::sha256(self.verifier().as_bytes()))
    }

    fn text(&self, of: &str) -> String {
        base64::encode_url(&hash::hmac_sha256(&self.secret, &[of.as_bytes()]))
    }

    pub(super) fn cookie(&self, visit: &Visit) -> Result<HeaderValue, Problem> {
        let sealed = way::seal(&visit.desk, USE, self, visit.now);
        if sealed.len() > UPSTREAM_COOKIE_BYTES_MAX {
            // A browser would forget it.
            return Err(Problem::bad("upstream: this request is too long to come back to"));
        }
        Ok(cookies::set(cookies::ELSEWHERE, &sealed, Some(WAY_TTL)))
    }

    /// What this browser carries. `None` for nothing, or what is too old.
    pub(super) fn read(visit: &Visit, headers: &HeaderMap) -> Option<Self> {
        way::open(&visit.desk, USE, cookies::get(headers, cookies::ELSEWHERE)?, visit.now)
    }
}
