//! What control tells proxies: signed, numbered, whole.

use crate::api::ApiCheck;
use crate::api_key::ApiKey;
use crate::capture::Captured;
use crate::counts::Counts;
use crate::edge::{Edge, Instance, Mtls, Versions};
use crate::egress::{Egress, Range};
use crate::fleet::{GatewayRoute, NamedRoute, Protocol};
use crate::gateway::{Addresses, Cors, HeaderRules};
use crate::limit::Limit;
use crate::limits;
use crate::login::LoginSide;
use crate::name::{ServiceName, SpiffeId, TrustDomain};
use crate::narrow::Narrow;
use crate::path::PathPattern;
use crate::signed::EventSender;
use crate::slow_down::SlowDown;
use crate::time::Timestamp;
use crate::tls::TlsGroups;
use crate::tuning::Tuning;
use crate::user::Users;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Number of a snapshot; grows by one with every change, over restarts of control too. 0 means "none yet".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// What a snapshot is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Trust anchors by trust domain: [`Bundles`].
    Bundles,
    /// Whom not to trust although the certificate is in date: [`crate::deny::DenyList`].
    DenyList,
    /// Cedar policies and the schema they were checked against: [`Policies`].
    Policies,
    /// Who is where and who calls whom: [`Directory`].
    Directory,
}

impl Kind {
    /// Every kind, in the order in which a proxy needs them.
    pub const ALL: [Self; 4] = [Self::Bundles, Self::DenyList, Self::Policies, Self::Directory];

    /// The word used in file names and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundles => "bundles",
            Self::DenyList => "denylist",
            Self::Policies => "policies",
            Self::Directory => "directory",
        }
    }

    /// The inverse of [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the signature covers: header and payload in one JSON text, whose bytes are signed as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<P> {
    /// The kind; a payload signed as one kind is never read as another.
    pub kind: Kind,
    /// Its number.
    pub epoch: Epoch,
    /// When control made it. The signer's certificate is judged at this moment.
    pub issued_at: Timestamp,
    /// The trust domain it is for.
    pub trust_domain: TrustDomain,
    /// The content.
    pub payload: P,
}

/// A snapshot as it travels and as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// JSON of a [`Signed`], exactly the bytes that were signed.
    pub body: String,
    /// ECDSA P-256 with SHA-256 over `body`, ASN.1 DER, in base64.
    pub signature: String,
    /// The signer's chain, leaf first, DER in base64. Its leaf names the control role.
    pub chain: Vec<String>,
}

/// Trust anchors. A domain with an empty list is known and trusts nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundles {
    /// Root certificates by trust domain, DER in base64.
    pub roots: BTreeMap<TrustDomain, Vec<String>>,
    /// The paths that identities of a domain may have; any where it is not named here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<TrustDomain, Vec<PathPattern>>,
    /// Keys by which JWT-SVIDs are checked, by trust domain; those whose last token has not run out yet among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub jwt_keys: BTreeMap<TrustDomain, Vec<JwtKey>>,
}

/// The public half of a key that signs JWT-SVIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtKey {
    /// The `kid` of its tokens.
    pub kid: String,
    /// P-256, DER of the SubjectPublicKeyInfo, in base64.
    pub spki: String,
}

/// Policies of a fleet, as text: each proxy compiles them itself, against the schema that came along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// The Cedar schema, in Cedar's schema syntax.
    pub schema: String,
    /// Policy files by name; names beginning with `fleet:` were compiled from the fleet file.
    pub files: BTreeMap<String, String>,
    /// What policies may ask about each service, the gateway among them.
    pub services: BTreeMap<ServiceName, Facts>,
    /// The callers beside them, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callers: BTreeMap<ServiceName, Caller>,
    /// For whose guard this is what concerns it; `None` for the policies of the whole fleet. A guard takes no other's: what forbids
    /// something about its own service is missing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_of: Option<ServiceName>,
}

/// A caller beside the services, for policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Its identity.
    pub id: SpiffeId,
    /// Whether that is of another trust domain.
    pub foreign: bool,
}

/// Attributes of a service, for policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Who answers for it; empty where nobody was named.
    pub owner: String,
    /// Classes of data it handles.
    pub data: Vec<String>,
    /// Names of its named routes.
    pub routes: Vec<ServiceName>,
    /// The segments of their paths that policies may ask for: by route, the number of each by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<ServiceName, BTreeMap<String, usize>>,
}

/// How much of Bartizan is switched on, so that the cost of each part can be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No proxies at all: programs speak to each other directly.
    Off,
    /// Identity and mutual TLS, no policy decision and no decision events.
    Mtls,
    /// Everything.
    #[default]
    Full,
}

/// What one proxy has to know of the fleet: itself and those it calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Name of the fleet.
    pub fleet: String,
    /// Which parts are on.
    pub mode: Mode,
    /// For how long trust holds that was given.
    pub trust: Trust,
    /// Which key exchanges it uses with other proxies.
    #[serde(default, skip_serializing_if = "TlsGroups::is_all")]
    pub tls: TlsGroups,
    /// What it does to be fast.
    #[serde(default, skip_serializing_if = "Tuning::is_default")]
    pub tuning: Tuning,
    /// How long it goes on with what is under way once it is stopped, in milliseconds; its own bound where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u32>,
    /// Where counts of shared limits lie, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The proxy's own service.
    pub own: Own,
    /// The services that `own` may call, by name.
    pub peers: BTreeMap<ServiceName, Peer>,
}

/// For how long a proxy relies on what it was told and on what it verified once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Seconds that an open connection may outlive the certificates that it was opened with.
    pub grace_s: u32,
    /// Seconds of silence from control after which nothing is let in any more.
    pub silence_s: u32,
}

impl Default for Trust {
    fn default() -> Self {
        let silence_s = u32::try_from(limits::EXPIRED_AFTER.as_secs()).expect("a day in seconds");
        Self { grace_s: 0, silence_s }
    }
}

/// The proxy's own part of the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Its service.
    pub name: ServiceName,
    /// Its identity.
    pub id: SpiffeId,
    /// A sidecar's inbound side; `None` for the gateway.
    pub inbound: Option<Inbound>,
    /// Loopback listeners for the program's declared calls, by callee.
    pub outbound: BTreeMap<ServiceName, SocketAddr>,
    /// The gateway's side; `None` for a sidecar.
    pub gateway: Option<GatewaySide>,
    /// The way out of the fleet; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressSide>,
    /// What is redirected here of what the program opens; `None` where it has to call the listeners above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
    /// The zone of this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Box<str>>,
}

/// Where a service goes out of the fleet, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressSide {
    /// Loopback address of the forward proxy, which captured connections may be led to as well.
    pub proxy: SocketAddr,
    /// Loopback address of the DNS, over UDP and TCP.
    pub dns: SocketAddr,
    /// What the service may reach. Files are absolute.
    pub rules: Egress,
}

/// Where mutual TLS comes in and where the program listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbound {
    /// Where the sidecar accepts mutual TLS.
    pub mesh: SocketAddr,
    /// Where the program listens, on loopback.
    pub program: SocketAddr,
    /// What the program speaks.
    pub protocol: Protocol,
    /// Named routes, for policies on parts of the service.
    pub routes: Vec<NamedRoute>,
    /// The callers that are no services, by their identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callers: BTreeMap<SpiffeId, ServiceName>,
    /// Where an Envoy in front of the program asks whether a request may go on; on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ext_authz: Option<SocketAddr>,
    /// Whether callers without mutual TLS are still taken.
    #[serde(default, skip_serializing_if = "Mtls::is_strict")]
    pub mtls: Mtls,
    /// How often the program may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How callers that come much more often than usual are slowed down; none are where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_down: Option<SlowDown>,
    /// The document that calls and answers are held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiCheck>,
}

/// The gateway's listener and routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySide {
    /// Where clients connect with TLS.
    pub listen: SocketAddr,
    /// Routes, in the order of the fleet file; the most exact pattern wins.
    pub routes: Vec<GatewayRoute>,
    /// The clients that show a certificate, by their identity; nobody is asked for one where empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callers: BTreeMap<SpiffeId, ServiceName>,
    /// Whose tokens say who a user is; `None` where no route asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Users>,
    /// Whether it finds out how many requests each service bears, and refuses others.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adaptive: bool,
    /// Which scripts of other sites may read answers, where a route says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What is changed about headers, where a route says nothing, and of answers where there is no route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeaderRules>,
    /// From where clients may come; everywhere where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Addresses>,
    /// Who is believed about the addresses of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Range>,
    /// Whether those begin each connection with a header of the PROXY protocol.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proxy_protocol: bool,
    /// The keys of programs that count. Whoever publishes puts them in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<ApiKey>,
    /// How people log in with a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginSide>,
    /// Who may send signed events. Files are absolute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub senders: BTreeMap<ServiceName, EventSender>,
}

impl GatewaySide {
    /// One that says nothing but who goes where.
    pub fn new(listen: SocketAddr, routes: Vec<GatewayRoute>) -> Self {
        let (callers, trusted_proxies) = (BTreeMap::new(), Vec::new());
        let (cors, headers, addresses, users) = (None, None, None, None);
        let (adaptive, proxy_protocol) = (false, false);
        let (keys, login, senders) = (Vec::new(), None, BTreeMap::new());
        Self {
            listen,
            routes,
            callers,
            users,
            adaptive,
            cors,
            headers,
            addresses,
            trusted_proxies,
            proxy_protocol,
            keys,
            login,
            senders,
        }
    }
}

/// A service that may be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The identity its sidecar must prove.
    pub id: SpiffeId,
    /// Where its sidecar accepts mutual TLS; of several instances the first.
    pub mesh: SocketAddr,
    /// No guard stands there: `mesh` and the instances are where its programs listen, and nobody proves anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub plain: bool,
    /// What its program speaks.
    pub protocol: Protocol,
    /// Its named routes: the gateway decides by the same ones as the callee.
    pub routes: Vec<NamedRoute>,
    /// Every instance that takes calls; empty where there is the one at `mesh` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
    /// How calls to it are made.
    #[serde(default, skip_serializing_if = "Edge::is_default")]
    pub edge: Edge,
    /// What is left of a user's token in calls to it; all of it where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrow: Option<Narrow>,
    /// Where calls to it go besides. Those services are peers as well.
    #[serde(default, skip_serializing_if = "Versions::is_none")]
    pub versions: Versions,
}

impl Peer {
    /// One instance at `mesh`, of which nothing more is said.
    pub fn alone(id: SpiffeId, mesh: SocketAddr, protocol: Protocol) -> Self {
        let (instances, edge, versions) = (Vec::new(), Edge::default(), Versions::default());
        Self { id, mesh, plain: false, protocol, routes: Vec::new(), instances, edge, narrow: None, versions }
    }
}

fn is_false(it: &bool) -> bool {
    !it
}

/// How much a proxy may rely on what it holds, judged by how long control has been silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Control was heard within [`limits::STALE_AFTER`]. Everything works.
    Fresh,
    /// Control is silent for longer. Everything goes on with what is held; changes do not arrive.
    Stale,
    /// Silent for longer than [`limits::DEGRADED_AFTER`]. As stale, and every answer to `status` warns.
    Degraded,
    /// Silent for longer than [`Trust::silence_s`]. New requests and handshakes are refused, open connections end.
    Expired,
}

impl Freshness {
    /// Judges a silence of the given length, where after `expired_after` nothing is relied on any more.
    pub fn after_silence(silence: Duration, expired_after: Duration) -> Self {
        match silence {
            s if s >= expired_after => Self::Expired,
            s if s < limits::STALE_AFTER => Self::Fresh,
            s if s < limits::DEGRADED_AFTER => Self::Stale,
            _ => Self::Degraded,
        }
    }

    /// Whether new requests and handshakes may still be judged.
    pub fn serves(self) -> bool {
        self < Self::Expired
    }
}
