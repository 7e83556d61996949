//! What the authorization server holds: its keys, and who asked how often.

use super::rates::{Rates, Who};
use super::revoked::Book;
use crate::error::ControlError;
use crate::jwt::{JwtKeysError, JwtSigner};
use bartizan_core::Timestamp;
use bartizan_core::authorization::Authorization;
use bartizan_core::fleet::Fleet;
use bartizan_core::user::TokenIssuer;
use bartizan_crypto::jose::Alg;
use bartizan_tokens::{Issuer, IssuerError, Issuers, Pins};
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

/// The authorization server of a fleet, whether the fleet file wants one or not.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) keys: JwtSigner,
    pub(super) rates: Rates,
    pub(crate) revoked: Book,
}

impl Server {
    /// Reads the public keys of earlier processes, and what was taken back.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<Self, ControlError> {
        Ok(Self { keys: JwtSigner::open_for_access(data, now)?, rates: Rates::default(), revoked: Book::open(data)? })
    }

    /// Whether a browser at that address may ask now.
    pub(crate) fn may_ask(&self, address: IpAddr) -> bool {
        self.rates.take(Who::Stranger(address), Instant::now())
    }

    /// Makes a key where the fleet file wants one.
    pub(crate) fn prepare(&self, fleet: &Fleet, now: Timestamp) -> Result<(), JwtKeysError> {
        self.keys.prepare(fleet.authorization.is_some(), now)
    }

    /// As whom the gateway believes it. `None` where the fleet file has none.
    pub(crate) fn issuer(&self, fleet: &Fleet, now: Timestamp) -> Option<TokenIssuer> {
        let said = fleet.authorization.as_ref()?;
        let jwks = self.keys.jwks(now).to_json();
        Some(TokenIssuer {
            issuer: said.issuer.clone(),
            algorithms: vec![Alg::Es256.as_str().to_owned()],
            roles: "roles".to_owned(),
            tenant: "tenant".to_owned(),
            claims: fleet
                .users
                .iter()
                .flat_map(|users| users.claims())
                .map(|it| (it.to_owned(), it.to_owned()))
                .collect(),
            keys: String::new(),
            roots: None,
            jwks: String::from_utf8(jwks).unwrap_or_default(),
            bound: true,
        })
    }

    /// As which it believes itself: tokens of its own alone, which are bound.
    pub(super) fn issuers(&self, said: &Authorization, now: Timestamp) -> Result<Issuers, IssuerError> {
        let pins = Pins { issuer: said.issuer.clone(), algs: vec![Alg::Es256], bound: true };
        Issuers::new(1, vec![Issuer::new(pins, &self.keys.jwks(now))?])
    }
}
