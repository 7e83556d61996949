//! What the authorization server holds: its keys, what is under way, and who asked how often.

use super::answer::Refusal;
use super::code::HeldCode;
use super::device::Devices;
use super::ended::EndedSessions;
use super::granting::{Granting, Grants};
use super::once::Once;
use super::proof::Proofs;
use super::rates::{Rates, Who};
use super::revoked::Book;
use super::telling::Telling;
use crate::app::App;
use crate::error::ControlError;
use crate::jwt::{JwtKeysError, JwtSigner};
use crate::limits::{CODES_MAX, PUSHED_MAX};
use bartizan_core::authorization::{App as AppRules, Authorization};
use bartizan_core::fleet::Fleet;
use bartizan_core::login::Login;
use bartizan_core::user::TokenIssuer;
use bartizan_core::{Secret, ServiceName, Timestamp};
use bartizan_crypto::jose::Alg;
use bartizan_crypto::random;
use bartizan_tokens::request::Request;
use bartizan_tokens::{Issuer, IssuerError, Issuers, Pins};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The authorization server of a fleet, whether the fleet file wants one or not.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) keys: JwtSigner,
    /// Those of ID tokens, so that neither kind is ever taken for the other.
    pub(crate) id_keys: JwtSigner,
    pub(super) rates: Rates,
    pub(crate) revoked: Book,
    pub(super) proofs: Proofs,
    pub(crate) granting: Granting,
    pub(super) codes: Once<HeldCode>,
    /// Requests that were pushed.
    pub(super) pushed: Once<Request>,
    pub(super) devices: Devices,
    pub(super) ended: EndedSessions,
    pub(super) telling: Telling,
    /// Seals what a browser carries while somebody signs in. It ends with the process, as codes do.
    pub(super) way_key: Secret<[u8; 32]>,
}

impl Server {
    /// Reads the public keys of earlier processes, and what was taken back.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<Self, ControlError> {
        Ok(Self {
            keys: JwtSigner::open_for_access(data, now)?,
            id_keys: JwtSigner::open_for_ids(data, now)?,
            rates: Rates::default(),
            revoked: Book::open(data)?,
            proofs: Proofs::default(),
            granting: Granting::default(),
            codes: Once::new(CODES_MAX),
            pushed: Once::new(PUSHED_MAX),
            devices: Devices::default(),
            ended: EndedSessions::default(),
            telling: Telling::default(),
            way_key: Secret::new(random::bytes()),
        })
    }

    /// Whether a browser at that address may ask now.
    pub(crate) fn may_ask(&self, address: IpAddr) -> bool {
        self.rates.take(Who::Stranger(address), Instant::now())
    }

    /// Makes a key where the fleet file wants one.
    pub(crate) fn prepare(&self, fleet: &Fleet, now: Timestamp) -> Result<(), JwtKeysError> {
        let said = fleet.authorization.as_ref();
        let login = fleet.gateway.as_ref().and_then(|gateway| gateway.login.as_ref()).filter(|login| login.own);
        self.revoked.remember_for(login.map(Login::idle).unwrap_or_default());
        self.id_keys.prepare(said.is_some_and(Authorization::has_apps), now)?;
        self.keys.prepare(said.is_some(), now)
    }

    /// Takes the next step of both kinds of keys where one is due.
    pub(crate) fn turn(&self, now: Timestamp) -> Result<bool, JwtKeysError> {
        let ids = self.id_keys.turn(now)?;
        Ok(self.keys.turn(now)? || ids)
    }

    /// What lasts of grants.
    pub(super) async fn grants(&self, app: &App) -> Result<Arc<Grants>, Refusal> {
        self.granting.open(app).await.map_err(|error| Refusal::unable(error.detail()))
    }

    /// The app of that name: of the fleet file, or one that registered itself.
    pub(super) async fn app(&self, app: &App, id: &str) -> Result<Option<Arc<AppRules>>, Refusal> {
        let in_force = app.in_force();
        let Some(said) = in_force.desired.fleet.authorization.as_ref() else { return Ok(None) };
        let named = ServiceName::parse(id).ok().and_then(|name| said.apps.get(&name));
        if let Some(rules) = named {
            return Ok(Some(Arc::new(rules.clone())));
        }
        let Some(registration) = &said.registration else { return Ok(None) };
        let kept = self.grants(app).await?.registered.get(id);
        Ok(kept.map(|kept| Arc::new(kept.rules(registration))))
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
            bound: !said.has_bearers(),
        })
    }

    /// As which it believes itself: tokens of its own alone.
    pub(super) fn issuers(&self, said: &Authorization, now: Timestamp) -> Result<Issuers, IssuerError> {
        let pins = Pins { issuer: said.issuer.clone(), algs: vec![Alg::Es256], bound: !said.has_bearers() };
        Issuers::new(1, vec![Issuer::new(pins, &self.keys.jwks(now))?])
    }

    /// The same for ID tokens.
    pub(crate) fn id_issuers(&self, said: &Authorization, now: Timestamp) -> Result<Issuers, IssuerError> {
        let pins = Pins { issuer: said.issuer.clone(), algs: vec![Alg::Es256], bound: false };
        Issuers::new(1, vec![Issuer::new(pins, &self.id_keys.jwks(now))?])
    }
}
