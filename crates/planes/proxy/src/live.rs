//! What the proxy goes by right now: one immutable picture, replaced whole, read without waiting.

use crate::counters::Counters;
use crate::event_queue::EventQueue;
use crate::limiting::{Limits, Now};
use crate::limits::PROOFS_MAX;
use crate::relay::Drain;
use crate::routes::Routes;
use crate::signed::{Room, Senders};
use crate::users::{Carried, EdgeKeys, EdgeUsers, Minting};
use arc_swap::{ArcSwap, Guard};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::{Directory, Epoch, Freshness, Kind, Trust};
use bartizan_core::tls::TlsGroups;
use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::cert;
use bartizan_crypto::key::KeyPair;
use bartizan_identity::{DenyIndex, PeerMemo, Refusal, TrustBundles, VerifiedPeer};
use bartizan_policy::Engine;
use bartizan_runtime::inside::Inside;
use bartizan_runtime::tls::{self, ClientAuth, TlsError};
use bartizan_tokens::{Issuers, ProofReplays};
use bartizan_waf::Api;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Application protocols between sidecars: HTTP/1.1.
pub const ALPN_HTTP1: &str = "http/1.1";
/// Application protocols between sidecars: HTTP/2.
pub const ALPN_HTTP2: &str = "h2";
/// Application protocols between sidecars: bytes as they are.
pub const ALPN_TCP: &str = "bartizan-tcp";

/// Application protocols between sidecars: many HTTP requests on one connection; see [`crate::leg`].
pub const ALPN_LEG: &str = "bartizan-leg/1";

/// What all threads of one proxy share.
#[derive(Debug)]
pub struct Proxy {
    /// The service it guards, or `gateway`.
    pub name: ServiceName,
    /// Its own identity.
    pub id: SpiffeId,
    /// The trust domain.
    pub domain: TrustDomain,
    /// Random per process.
    pub instance: u64,
    /// Events on their way to control.
    pub events: EventQueue,
    /// When control was last heard.
    pub heard: Heard,
    /// Cancelled once a successor serves: clients are told to come anew.
    pub winding_down: CancellationToken,
    /// Makes sockets in the program's network namespace; not set where it has none.
    pub inside: OnceLock<Arc<Inside>>,
    /// Users' tokens of the requests under way.
    pub carried: Carried,
    /// Proofs of possession that were shown to it, by whichever worker.
    pub proofs: Mutex<ProofReplays>,
    /// Questions to control about people who log in.
    pub login: crate::login::Desk,
    /// What is held of events that nobody judged yet.
    pub event_room: Room,
    /// What went out of the fleet.
    pub egress: crate::egress::Counters,
    /// What there was none of.
    pub shortages: crate::shortage::Shortages,
    /// What policies that are tried out would have decided.
    pub predictions: crate::predictions::Predictions,
    /// Tokens that say outside who the service is.
    pub tokens: crate::egress::Tokens,
    /// How long what is under way goes on once it is stopped, as the directory says.
    pub drain: Drain,
    began: Instant,
    live: ArcSwap<Live>,
    changed: watch::Sender<u64>,
    counters: Mutex<Vec<Arc<Counters>>>,
}

/// One picture. `None` stands for "not yet".
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The identity shown to peers.
    pub identity: Option<Arc<OwnIdentity>>,
    /// The gateway's certificate for outside clients.
    pub edge: Option<Arc<EdgeIdentity>>,
    /// Whom to trust.
    pub bundles: Option<Arc<TrustBundles>>,
    /// Chains that were verified under these bundles.
    pub peers: Arc<PeerMemo>,
    /// Whom not to trust although they can be verified.
    pub denied: Option<Arc<DenyIndex>>,
    /// What is allowed.
    pub policies: Option<Arc<Engine>>,
    /// Who is where.
    pub directory: Option<Arc<Directory>>,
    /// Whose tokens are believed at the edge, as the directory says.
    pub users: Option<Arc<EdgeUsers>>,
    /// By whose word somebody mints transaction tokens, as the bundles say.
    pub authority: Option<Arc<Issuers>>,
    /// How often what may be called, as the directory says.
    pub limits: Arc<Limits>,
    /// The keys of programs that count, as the directory says.
    pub keys: Arc<EdgeKeys>,
    /// Who may send signed events, as the directory says, and what they sent.
    pub senders: Arc<Senders>,
    /// The routes of the gateway, as the directory says, ready to be found.
    pub routes: Arc<Routes>,
    /// The documents that requests and responses are held against, as the directory says.
    pub apis: Arc<crate::apis::Apis>,
    /// The one that calls of the own service are held against.
    pub own_api: Option<Arc<Api>>,
    /// What the gateway mints them with.
    pub minting: Option<Arc<Minting>>,
    /// What cookies of sessions are sealed with; `None` where nobody logs in, or control did not say yet.
    pub cookie_keys: Option<Arc<crate::login::CookieKeys>>,
    /// The epochs of the last four.
    pub epochs: BTreeMap<Kind, Epoch>,
    /// Changes with identity and bundles: a pooled connection of an older one gets no new request.
    pub generation: u64,
    /// Grows with every change of the picture.
    pub version: u64,
}

impl Proxy {
    /// A proxy that knows nobody yet.
    pub fn new(name: ServiceName, domain: TrustDomain, instance: u64) -> Self {
        Self {
            id: SpiffeId::of(&domain, &Role::Service(name.clone())),
            events: EventQueue::new(name.clone(), instance),
            name,
            domain,
            instance,
            heard: Heard::default(),
            winding_down: CancellationToken::new(),
            inside: OnceLock::new(),
            login: crate::login::Desk::default(),
            event_room: Room::default(),
            egress: crate::egress::Counters::default(),
            shortages: crate::shortage::Shortages::default(),
            predictions: crate::predictions::Predictions::default(),
            tokens: crate::egress::Tokens::default(),
            drain: Drain::default(),
            carried: Carried::default(),
            proofs: Mutex::new(ProofReplays::of_proofs(PROOFS_MAX)),
            began: Instant::now(),
            live: ArcSwap::default(),
            changed: watch::Sender::new(0),
            counters: Mutex::default(),
        }
    }

    /// Nanoseconds since it began, on a clock that never steps.
    pub fn steady_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Both clocks that limits go by; `utc` is given, since a request has one moment.
    pub fn clocks(&self, utc: Timestamp) -> Now {
        Now { steady_ns: self.steady_ns(), utc_s: utc.as_secs() }
    }

    /// The picture of this moment. Do not hold it over an `await`.
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// Replaces the picture. Called by one thread only, the one that hears control.
    pub fn change(&self, change: impl FnOnce(&mut Live)) {
        let mut live = Live::clone(&self.live.load());
        change(&mut live);
        self.drain.set(live.directory.as_ref().and_then(|directory| directory.drain_ms));
        live.version += 1;
        let version = live.version;
        self.live.store(Arc::new(live));
        self.changed.send_replace(version);
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Counters for one more worker.
    pub fn new_counters(&self) -> Arc<Counters> {
        let counters = Arc::<Counters>::default();
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    /// The counters of all workers.
    pub fn counters(&self) -> Vec<Arc<Counters>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True for the proxy at the edge.
    pub fn is_gateway(&self) -> bool {
        self.name.as_str() == bartizan_core::name::GATEWAY
    }
}

impl Live {
    /// Takes up a directory, and what follows from it alone.
    pub fn take_up(&mut self, directory: Arc<Directory>, now: Now) {
        self.limits = Arc::new(Limits::of(&directory, &self.limits, now));
        self.senders = Arc::new(Senders::of(&directory, &self.senders, Timestamp::from_secs(now.utc_s)));
        self.routes = Arc::new(Routes::of(&directory, &self.limits, &self.apis, &self.senders));
        self.keys = Arc::new(EdgeKeys::of(&directory));
        let own_api = directory.own.inbound.as_ref().and_then(|inbound| self.apis.get(inbound.api.as_ref()?));
        self.own_api = own_api.cloned();
        self.directory = Some(directory);
    }

    /// The identity, where there is one that is in date and not denied.
    pub fn identity_at(&self, now: Timestamp) -> Option<&Arc<OwnIdentity>> {
        self.identity.as_ref().filter(|own| now < own.not_after && !self.own_is_denied())
    }

    /// Whether the deny list names ourselves.
    pub fn own_is_denied(&self) -> bool {
        let own = self.identity.as_ref();
        own.zip(self.denied.as_ref()).is_some_and(|(own, denied)| denied.denies(&own.proof).is_some())
    }

    /// Which key exchanges are used with other proxies.
    pub fn tls_groups(&self) -> TlsGroups {
        self.directory.as_ref().map_or_else(TlsGroups::default, |d| d.tls)
    }

    /// How long an open connection may outlive its certificates.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.directory.as_ref().map_or(0, |d| d.trust.grace_s.into()))
    }

    /// Whether `peer` is a service of `domain` that calls a guard; at the gateway nobody is.
    pub fn is_service_here(&self, peer: &VerifiedPeer, domain: &TrustDomain) -> bool {
        let at_gateway = self.directory.as_ref().is_some_and(|directory| directory.own.gateway.is_some());
        !at_gateway && matches!(peer.id().role_in(domain), Some(Role::Service(_)))
    }

    /// Whether this guard still calls whom `peer` proved to be.
    pub fn calls(&self, peer: &VerifiedPeer) -> bool {
        let peers = self.directory.iter().flat_map(|directory| directory.peers.values());
        peers.into_iter().any(|callee| callee.id == *peer.id())
    }

    /// By what name `peer` calls here; `None` for nodes and control, which call no services, and for whom the directory does not
    /// name: the path of a foreign identity says nothing here.
    pub fn caller_name(&self, peer: &VerifiedPeer) -> Option<ServiceName> {
        let own = &self.directory.as_ref()?.own;
        if let Some(gateway) = &own.gateway {
            return gateway.callers.get(peer.id()).cloned(); // services do not come in from outside
        }
        let domain = TrustDomain::parse(own.id.domain()).ok()?;
        match peer.id().role_in(&domain) {
            Some(Role::Service(name)) => Some(name),
            _ => own.inbound.as_ref()?.callers.get(peer.id()).cloned(),
        }
    }

    /// Judges the chain of whoever is at the other end: verified, and not denied.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(&self, chain: &[&[u8]], now: Timestamp) -> Result<VerifiedPeer, Refusal> {
        let refuse = |failure, detail| Refusal { failure, detail };
        let bundles = self.bundles.as_ref();
        let bundles = bundles.ok_or_else(|| refuse(HandshakeFailure::NotReady, "there are no bundles".to_owned()))?;
        let peer = self.peers.verify(chain, bundles, now)?;
        match &self.denied {
            None => Ok(peer),
            Some(denied) => denied.admit(peer),
        }
    }
}

/// The proxy's own SVID, ready to be shown.
#[derive(Debug)]
pub struct OwnIdentity {
    /// Beginning of validity.
    pub not_before: Timestamp,
    /// End of validity of its whole chain.
    pub not_after: Timestamp,
    /// How peers see it.
    pub proof: VerifiedPeer,
    /// What is shown, also to control.
    pub shown: tls::Identity,
    /// One client for each application protocol, so that the choice is made before the connection.
    leg: tls::Client,
    leg_or_http2: tls::Client,
    http1: tls::Client,
    http2: tls::Client,
    tcp: tls::Client,
    /// One server for each protocol that a program may speak.
    servers: [(Protocol, tls::Server); 4],
}

impl OwnIdentity {
    /// From a chain (DER, leaf first) that was verified, and its key.
    ///
    /// # Errors
    /// [`TlsError`] where chain and key are not a pair.
    pub fn new(chain: &[Vec<u8>], key: &KeyPair, not_before: Timestamp, proof: VerifiedPeer) -> Result<Self, TlsError> {
        let shown = tls::Identity::new(chain, key)?;
        let server = |protocol, alpn: &[&str]| -> Result<_, TlsError> {
            Ok((protocol, tls::Server::new(&shown, ClientAuth::Required, alpn)?))
        };
        Ok(Self {
            not_before,
            not_after: proof.not_after(),
            proof,
            leg: tls::Client::new(Some(&shown), &[ALPN_LEG, ALPN_HTTP1])?,
            leg_or_http2: tls::Client::new(Some(&shown), &[ALPN_LEG, ALPN_HTTP2])?,
            http1: tls::Client::new(Some(&shown), &[ALPN_HTTP1])?,
            http2: tls::Client::new(Some(&shown), &[ALPN_HTTP2])?,
            tcp: tls::Client::new(Some(&shown), &[ALPN_TCP])?,
            servers: [
                server(Protocol::Http, &[ALPN_LEG, ALPN_HTTP2, ALPN_HTTP1])?,
                server(Protocol::Grpc, &[ALPN_LEG, ALPN_HTTP2])?,
                server(Protocol::Tcp, &[ALPN_TCP])?,
                server(Protocol::Auto, &[ALPN_LEG, ALPN_HTTP2, ALPN_HTTP1, ALPN_TCP])?,
            ],
            shown,
        })
    }

    /// The client that offers `alpn`, constants of this module.
    pub fn client(&self, alpn: &[&'static str]) -> &tls::Client {
        match *alpn {
            [ALPN_LEG, ALPN_HTTP2] => &self.leg_or_http2,
            [ALPN_LEG, ..] => &self.leg,
            [ALPN_HTTP2, ..] => &self.http2,
            [ALPN_TCP, ..] => &self.tcp,
            _ => &self.http1,
        }
    }

    /// The server for programs that speak `protocol`.
    pub fn server(&self, protocol: Protocol) -> &tls::Server {
        let found = self.servers.iter().find(|(p, _)| *p == protocol);
        &found.expect("every protocol is listed in `new`").1
    }
}

/// The gateway's certificate for outside clients.
#[derive(Debug)]
pub struct EdgeIdentity {
    /// Beginning of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Accepts clients without certificates.
    pub server: tls::Server,
    /// The hosts that it names.
    pub hosts: BTreeSet<Box<str>>,
}

impl EdgeIdentity {
    /// From a chain (DER, leaf first) and its key.
    ///
    /// # Errors
    /// [`TlsError`] where chain and key are not a pair.
    pub fn new(chain: &[Vec<u8>], key: &KeyPair, validity: (Timestamp, Timestamp)) -> Result<Self, TlsError> {
        let shown = tls::Identity::new(chain, key)?;
        let server = tls::Server::new(&shown, ClientAuth::None, &[ALPN_HTTP2, ALPN_HTTP1])?;
        let leaf = chain.first().and_then(|leaf| cert::read(leaf).ok());
        let hosts = leaf.iter().flat_map(|leaf| leaf.dns_names()).map(|name| name.as_str().into()).collect();
        Ok(Self { not_before: validity.0, not_after: validity.1, server, hosts })
    }
}

/// When control was last heard, on a clock that never steps.
#[derive(Debug)]
pub struct Heard {
    began: Instant,
    /// Milliseconds from `began`; negative for what was heard by the process before this one.
    at_ms: AtomicI64,
    /// Seconds of silence after which nothing is relied on.
    silence_s: AtomicU32,
}

impl Default for Heard {
    /// Never heard: as expired as can be.
    fn default() -> Self {
        let silence_s = AtomicU32::new(Trust::default().silence_s);
        Self { began: Instant::now(), at_ms: AtomicI64::new(i64::MIN / 2), silence_s }
    }
}

impl Heard {
    /// Control was heard just now.
    pub fn now(&self) {
        self.ago(Duration::ZERO);
    }

    /// Control was heard so long ago.
    pub fn ago(&self, ago: Duration) {
        self.at_ms.store(self.since_began(Instant::now()) - as_ms(ago), Relaxed);
    }

    /// Sets how much silence is too much.
    pub fn expire_after(&self, silence_s: u32) {
        self.silence_s.store(silence_s, Relaxed);
    }

    /// How much may be relied on what is held.
    pub fn freshness(&self) -> Freshness {
        let silence = self.since_began(Instant::now()).saturating_sub(self.at_ms.load(Relaxed));
        let expired_after = Duration::from_secs(self.silence_s.load(Relaxed).into());
        Freshness::after_silence(Duration::from_millis(u64::try_from(silence).unwrap_or(0)), expired_after)
    }

    fn since_began(&self, at: Instant) -> i64 {
        as_ms(at.duration_since(self.began))
    }
}

fn as_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_goes_through_the_named_states() {
        let heard = Heard::default();
        assert_eq!(heard.freshness(), Freshness::Expired, "never heard");
        for (ago_s, state) in [
            (0, Freshness::Fresh),
            (11, Freshness::Stale),
            (601, Freshness::Degraded),
            (24 * 3600 + 1, Freshness::Expired),
        ] {
            heard.ago(Duration::from_secs(ago_s));
            assert_eq!(heard.freshness(), state, "{ago_s} s");
        }
    }
}
