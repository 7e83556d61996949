//! Snapshots, from control or from disk: verified, checked, enforced, kept; or refused whole, and the one before stays.

use crate::apis::Apis;
use crate::disk::{Copy, Disk};
use crate::egress::doors::Doors;
use crate::egress::resolve::Resolver;
use crate::listeners::{BindError, Listeners};
use crate::live::Proxy;
use crate::predictions;
use crate::users::EdgeUsers;
use bartizan_core::deny::{DenyError, DenyList};
use bartizan_core::event::{Change, Config, SeenBy, What};
use bartizan_core::snapshot::{Bundles, Directory, Envelope, Epoch, Kind, Policies, Signed};
use bartizan_identity::envelope::{self, EnvelopeError};
use bartizan_identity::{BundleError, DenyIndex, TrustBundles};
use bartizan_policy::{Engine, PolicyErrors};
use bartizan_runtime::clock;
use bartizan_tokens::{Issuers, UsersError, authority_of};
use bartizan_waf::ApiErrors;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::sync::Arc;

/// Why a snapshot is not enforced.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It is not one, or not from control.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// There is nobody to trust a signer by.
    #[error("there is no trust bundle to check it by")]
    NoBundles,
    /// The bundles in it are no bundles.
    #[error(transparent)]
    Bundles(#[from] BundleError),
    /// The deny list in it is none.
    #[error(transparent)]
    DenyList(#[from] DenyError),
    /// The bundles on disk are older than those that this process was started with.
    #[error("a root that this proxy was started with is not in it, so it is an older one")]
    OlderThanStart,
    /// The policies in it do not compile.
    #[error(transparent)]
    Policies(#[from] PolicyErrors),
    /// The policies in it are another guard's share. What forbids calls to our service is missing there.
    #[error("the policies are the share of `{found}`, this is the proxy of `{own}`")]
    NotOurShare {
        /// Who we are.
        own: String,
        /// Whose it is.
        found: String,
    },
    /// The directory in it is another proxy's.
    #[error("the directory is for `{found}`, this is the proxy of `{own}`")]
    NotOurs {
        /// Who we are.
        own: String,
        /// Whose it is.
        found: String,
    },
    /// The directory gives a sidecar a gateway's side, or the other way round.
    #[error("the directory does not fit what this proxy is")]
    WrongSide,
    /// The issuers in it cannot be used.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The document of an API in it does not compile.
    #[error(transparent)]
    Apis(ApiErrors),
    /// The thread that compiled its documents ended.
    #[error("the documents of APIs in it could not be compiled")]
    Unfinished,
    /// A listener that the directory asks for cannot be had. The rest is in force; the listener is tried again.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// What became of one snapshot, for the acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub kind: Kind,
    /// Its number; 0 where it could not be read.
    pub epoch: Epoch,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
    /// Where it came from.
    pub from_disk: bool,
}

/// Takes snapshots in, one at a time.
#[derive(Debug)]
pub struct Intake {
    proxy: Arc<Proxy>,
    disk: Arc<Disk>,
    listeners: Listeners,
    /// The way out of the fleet.
    doors: Doors,
    /// A directory whose listeners could not be bound.
    waiting: Option<(Vec<u8>, bool)>,
}

impl Intake {
    /// Takes in for `proxy`, keeps on `disk`, listens through `listeners`.
    pub fn new(proxy: Arc<Proxy>, disk: Arc<Disk>, listeners: Listeners) -> Self {
        let doors = Doors::new(Arc::clone(&proxy), Resolver::Host, listeners.stopping());
        Self { proxy, disk, listeners, doors, waiting: None }
    }

    /// Takes up the last good snapshot of each kind from disk.
    pub async fn from_disk(&mut self) -> Vec<Taken> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            for copy in [Copy::Last, Copy::Previous] {
                let Ok(json) = self.disk.snapshot(kind, copy) else { continue };
                let taken = self.take(kind, &json, true).await;
                let good = taken.refused.is_none();
                all.push(taken);
                if good || self.waiting.is_some() {
                    break;
                }
                if copy == Copy::Last
                    && let Err(error) = self.disk.set_aside(kind)
                {
                    tracing::warn!(%error, "a bad snapshot could not be set aside");
                }
            }
        }
        all
    }

    /// Takes up a snapshot that control sent. `None` where it does not even say what it is.
    pub async fn from_control(&mut self, json: &[u8]) -> Option<Taken> {
        let kind = match kind_of(json) {
            Ok(kind) => kind,
            Err(error) => {
                tracing::warn!(%error, "control sent something that is no snapshot");
                return None;
            }
        };
        Some(self.take(kind, json, false).await)
    }

    /// Tries a directory again whose listeners could not be bound.
    pub async fn retry(&mut self) -> Option<Taken> {
        let (json, from_disk) = self.waiting.take()?;
        let again = self.enforce_directory(&json).await;
        if again.is_err() {
            self.waiting = Some((json, from_disk)); // it was reported already
            return None;
        }
        Some(self.taken(Kind::Directory, &json, again, from_disk))
    }

    async fn take(&mut self, kind: Kind, json: &[u8], from_disk: bool) -> Taken {
        let outcome = match kind {
            Kind::Bundles => self.enforce_bundles(json, from_disk),
            Kind::DenyList => self.enforce_deny_list(json),
            Kind::Policies => self.enforce_policies(json),
            Kind::Directory => {
                self.waiting = None;
                let outcome = self.enforce_directory(json).await;
                if matches!(outcome, Err(IntakeError::Bind(_))) {
                    self.waiting = Some((json.to_vec(), from_disk));
                }
                outcome
            }
        };
        self.taken(kind, json, outcome, from_disk)
    }

    /// Keeps, reports and acknowledges.
    fn taken(&self, kind: Kind, json: &[u8], outcome: Result<Done, IntakeError>, from_disk: bool) -> Taken {
        if matches!(outcome, Ok(Done::Changed)) && !from_disk {
            // A full disk costs the start without control, not the enforcement.
            if let Err(error) = self.disk.keep_snapshot(kind, json) {
                tracing::warn!(%error, kind = kind.as_str(), "a snapshot could not be kept on disk");
            }
        }
        let epoch = header(json).map(|header| header.epoch).unwrap_or_default();
        let (change, refused) = match &outcome {
            Ok(_) if from_disk => (Change::AppliedFromDisk, None),
            Ok(_) => (Change::Applied, None),
            Err(error) => (Change::Refused, Some(describe(error))),
        };
        match &refused {
            None => tracing::info!(kind = kind.as_str(), epoch = epoch.0, from_disk, "enforced"),
            Some(why) => tracing::warn!(kind = kind.as_str(), epoch = epoch.0, from_disk, %why, "refused"),
        }
        if !matches!(outcome, Ok(Done::Same)) {
            let detail = refused.as_deref().map(Into::into);
            let seen_by = if self.proxy.is_gateway() { SeenBy::Gateway } else { SeenBy::Inbound };
            self.proxy.events.offer(seen_by, None, What::Config(Config { kind, epoch, change, detail }));
        }
        Taken { kind, epoch, refused, from_disk }
    }

    fn enforce_bundles(&self, json: &[u8], from_disk: bool) -> Result<Done, IntakeError> {
        let Some(signed) = self.open::<Bundles>(Kind::Bundles, json)? else { return Ok(Done::Same) };
        let bundles = Arc::new(TrustBundles::read(&signed.payload)?);
        let authority = self.authority(&signed.payload, signed.epoch);
        // Who was away while a root was replaced would otherwise not know control any more, nor the identity it is given.
        if from_disk && !self.has_all_roots_of_start(&bundles) {
            return Err(IntakeError::OlderThanStart);
        }
        self.proxy.change(|live| {
            live.bundles = Some(bundles);
            live.authority = authority;
            live.epochs.insert(Kind::Bundles, signed.epoch);
            live.generation += 1;
        });
        Ok(Done::Changed)
    }

    /// Who lets gateways vouch for users; nobody where the fleet knows none.
    fn authority(&self, bundles: &Bundles, epoch: Epoch) -> Option<Arc<Issuers>> {
        let keys = bundles.jwt_keys.get(&self.proxy.domain)?;
        let authority = authority_of(&self.proxy.domain, keys, epoch.0);
        authority.map(Arc::new).inspect_err(|error| tracing::warn!(%error, "nobody can vouch for users")).ok()
    }

    fn enforce_deny_list(&self, json: &[u8]) -> Result<Done, IntakeError> {
        let Some(signed) = self.open::<DenyList>(Kind::DenyList, json)? else { return Ok(Done::Same) };
        let denied = Arc::new(DenyIndex::read(&signed.payload, &self.proxy.domain)?);
        self.proxy.change(|live| {
            live.denied = Some(denied);
            live.epochs.insert(Kind::DenyList, signed.epoch);
        });
        Ok(Done::Changed)
    }

    /// What is in force before anything is taken from disk is what this process was started with.
    fn has_all_roots_of_start(&self, bundles: &TrustBundles) -> bool {
        let domain = self.proxy.domain.as_str();
        let live = self.proxy.live();
        let started_with = live.bundles.as_ref().and_then(|held| held.roots_of(domain)).unwrap_or_default();
        let offered = bundles.roots_of(domain).unwrap_or_default();
        started_with.iter().all(|root| offered.contains(root))
    }

    fn enforce_policies(&self, json: &[u8]) -> Result<Done, IntakeError> {
        let Some(signed) = self.open::<Policies>(Kind::Policies, json)? else { return Ok(Done::Same) };
        // Those of the whole fleet are ours as well; an earlier control sent them.
        if let Some(found) = signed.payload.share_of.as_ref().filter(|found| **found != self.proxy.name) {
            return Err(IntakeError::NotOurShare { own: self.proxy.name.to_string(), found: found.to_string() });
        }
        let engine = Arc::new(Engine::compile(&signed.payload, signed.epoch)?);
        predictions::tell(&self.proxy, true);
        self.proxy.predictions.keep(|policy| engine.tries_out(policy));
        self.proxy.change(|live| {
            live.policies = Some(engine);
            live.epochs.insert(Kind::Policies, signed.epoch);
        });
        Ok(Done::Changed)
    }

    async fn enforce_directory(&mut self, json: &[u8]) -> Result<Done, IntakeError> {
        let Some(signed) = self.open::<Directory>(Kind::Directory, json)? else { return Ok(Done::Same) };
        self.check_own(&signed.payload)?;
        let users = self.users(&signed.payload, signed.epoch)?;
        let signed = Arc::new(signed);
        let apis = self.apis(&signed).await?;
        // Mode, routes and peers count at once, also where a listener cannot be had: a port that somebody holds must not
        // keep an older, more open picture in force. The epoch counts once all is there; until then it is tried again.
        // Served last, so that the first connection finds the directory in force.
        let (bound, mut missing) = self.listeners.bind(&signed.payload);
        self.proxy.heard.expire_after(signed.payload.trust.silence_s);
        let directory = Arc::new(signed.payload.clone());
        let now = self.proxy.clocks(clock::now());
        self.proxy.change(|live| {
            live.users = users;
            live.apis = apis;
            live.take_up(Arc::clone(&directory), now);
        });
        // After the directory: who comes through finds the rules in force.
        missing = missing.or(self.doors.follow(&directory).err());
        self.proxy.change(|live| {
            if missing.is_none() {
                live.epochs.insert(Kind::Directory, signed.epoch);
            }
        });
        self.listeners.serve(bound).await;
        missing.map_or(Ok(Done::Changed), |error| Err(error.into()))
    }

    /// The documents of APIs, compiled on a thread that serves nobody.
    async fn apis(&self, signed: &Arc<Signed<Directory>>) -> Result<Arc<Apis>, IntakeError> {
        let own = &signed.payload.own;
        let mut routes = own.gateway.iter().flat_map(|gateway| &gateway.routes);
        if routes.all(|route| route.api.is_none()) && own.inbound.as_ref().is_none_or(|inbound| inbound.api.is_none()) {
            return Ok(Arc::default());
        }
        let (held, signed) = (Arc::clone(&self.proxy.live().apis), Arc::clone(signed));
        let compiled = tokio::task::spawn_blocking(move || Apis::of(&signed.payload, &held)).await;
        compiled.map_err(|_| IntakeError::Unfinished)?.map(Arc::new).map_err(IntakeError::Apis)
    }

    /// Whose tokens are believed here, where anybody's are.
    fn users(&self, directory: &Directory, epoch: Epoch) -> Result<Option<Arc<EdgeUsers>>, IntakeError> {
        let Some(said) = directory.own.gateway.as_ref().and_then(|gateway| gateway.users.as_ref()) else {
            return Ok(None);
        };
        let users = match self.proxy.live().users.clone() {
            Some(held) if held.is(said) => return Ok(Some(held)),
            Some(held) => held.next(said, epoch.0)?,
            None => EdgeUsers::new(said, epoch.0)?,
        };
        Ok(Some(Arc::new(users)))
    }

    fn check_own(&self, directory: &Directory) -> Result<(), IntakeError> {
        let own = &directory.own;
        if own.name != self.proxy.name || own.id != self.proxy.id {
            return Err(IntakeError::NotOurs { own: self.proxy.id.to_string(), found: own.id.to_string() });
        }
        let fits = if self.proxy.is_gateway() { own.inbound.is_none() } else { own.gateway.is_none() };
        if fits { Ok(()) } else { Err(IntakeError::WrongSide) }
    }

    /// The verified content; `None` where it is in force already.
    fn open<P: DeserializeOwned>(&self, kind: Kind, json: &[u8]) -> Result<Option<Signed<P>>, IntakeError> {
        let live = self.proxy.live();
        let bundles = live.bundles.as_ref().ok_or(IntakeError::NoBundles)?;
        let held = live.epochs.get(&kind).copied().unwrap_or_default();
        let signed = envelope::open(json, kind, &self.proxy.domain, bundles, held)?;
        Ok((signed.epoch != held).then_some(signed))
    }
}

/// What enforcing a snapshot changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Changed,
    Same,
}

/// The header, before anything of it is believed: it chooses the check, no more.
fn header(json: &[u8]) -> Result<Signed<IgnoredAny>, serde_json::Error> {
    let envelope: Envelope = serde_json::from_slice(json)?;
    serde_json::from_str(&envelope.body)
}

fn kind_of(json: &[u8]) -> Result<Kind, serde_json::Error> {
    header(json).map(|header| header.kind)
}

/// An error with its causes, for control and for people.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
