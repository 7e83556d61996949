//! The fleet file: what a fleet consists of and who may call whom.
//!
//! The text becomes a tree with places, that becomes raw structs, those become the checked [`Fleet`]; only the
//! checked one travels.

mod check; // raw -> checked
mod document;
mod near;
pub(crate) mod node; // text -> tree
mod placeholder;
mod prometheus_rules; // files of rules in the form of Prometheus
mod raw;
mod raw_alerts;
mod raw_api;
mod raw_apps;
mod raw_authorization;
mod raw_console;
mod raw_control;
mod raw_counts;
mod raw_edge;
mod raw_egress;
mod raw_events;
mod raw_federation;
mod raw_gateway;
mod raw_guards;
mod raw_intake;
mod raw_ledger;
mod raw_limit;
mod raw_login;
mod raw_on_call;
mod raw_outputs;
mod raw_people;
mod raw_senders;
mod raw_slow_down;
mod raw_tuning;
mod raw_upstream;
mod raw_users;
mod raw_workload;
mod reader; // tree -> raw, and the report of what is wrong
mod report;
mod rules; // files of alert rules
mod slo; // the file of objectives

pub use check::parse;
pub use node::Place as TextPlace;
pub use placeholder::{Part, Placeholder, PlaceholderError, fill};
pub use prometheus_rules::parse_prometheus_rules;
pub use raw::json_schema;
pub use report::{FleetError, FleetErrors};
pub use rules::{parse_rules, rules_schema};
pub use slo::{objectives_schema, parse_objectives};

use crate::alerts::Alerting;
use crate::api::{ApiCheck, GraphqlLimits};
use crate::authorization::Authorization;
use crate::capture::Means;
use crate::console::Console;
use crate::counts::Counts;
use crate::edge::{Edge, Mtls, Versions};
use crate::egress::{Egress, Range};
use crate::federation::Federation;
use crate::gateway::{Addresses, Conditions, Cors, HeaderMatch, HeaderRules, HostPattern, Overrule};
use crate::group::Members;
use crate::intake::Intake;
use crate::limit::Limit;
use crate::limits::DRAIN_TIME;
use crate::login::Login;
use crate::name::{Member, ServiceName, SpiffeId, TrustDomain};
use crate::narrow::Narrow;
use crate::objectives::Objectives;
use crate::outputs::Output;
use crate::path::PathPattern;
use crate::profile::Profile;
use crate::retention::{LedgerKept, Retention};
use crate::signed::{EventRule, EventSender};
use crate::slow_down::SlowDown;
use crate::snapshot::Trust;
use crate::software::Software;
use crate::synthetic::Synthetic;
use crate::tls::TlsGroups;
use crate::tuning::Tuning;
use crate::user::Users;
use crate::workload::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// A fleet that was checked whole: every name resolves, every port is used once in its network, every edge has two ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Its name, a DNS label.
    pub name: ServiceName,
    /// The trust domain of all its identities.
    pub trust_domain: TrustDomain,
    /// Whether anything is guarded.
    pub profile: Profile,
    /// Its services.
    pub services: BTreeMap<ServiceName, Service>,
    /// The edge, where there is one.
    pub gateway: Option<Gateway>,
    /// Programs beside the services that get an identity from the node, by name.
    pub workloads: BTreeMap<ServiceName, Entry>,
    /// Those beside the services who take part in calls, by name: workloads, and workloads of other trust domains.
    pub others: BTreeMap<ServiceName, Other>,
    /// Other trust domains.
    pub federation: Federation,
    /// Whose tokens say who a user is, beside those of the own authorization server; `None` where no user is known.
    pub users: Option<Users>,
    /// The fleet's own authorization server.
    pub authorization: Option<Authorization>,
    /// Folder of Cedar files, relative to the fleet file; `None` where only the declared calls count.
    pub policies: Option<String>,
    /// For how long trust holds that was given.
    pub trust: Trust,
    /// Which key exchanges guards use between each other.
    pub tls: TlsGroups,
    /// What guards do to be fast.
    pub tuning: Tuning,
    /// How long a guard that is stopped goes on with what is under way, in milliseconds; its own bound where `None`.
    pub drain_ms: Option<u32>,
    /// Microseconds that a guard may add to a call at the 99th percentile before there is an alarm; `None` for no alarm.
    pub guard_p99_us: Option<u32>,
    /// How long events are kept, and how many.
    pub events: Retention,
    /// How much of the ledger lies in the data folder; all of it where `None`.
    pub ledger: Option<LedgerKept>,
    /// What is asked of indicators, where that is not what is asked everywhere.
    pub objectives: Option<Objectives>,
    /// What makes alerts, and where they go.
    pub alerts: Alerting,
    /// Where others hand in what they have to say; nowhere where `None`.
    pub intake: Option<Intake>,
    /// Where events go besides the store, by name.
    pub outputs: BTreeMap<ServiceName, Output>,
    /// Where counts of shared limits lie.
    pub counts: Option<Counts>,
    /// The console.
    pub console: Console,
    /// The controls that keep one state, where there are several; none where there is one alone.
    pub control: Members,
    /// Who calls without needing the answer.
    pub synthetic: BTreeMap<ServiceName, Synthetic>,
    /// Things worth saying that are no errors, such as a service without an owner.
    pub warnings: Vec<FleetError>,
}

/// One service of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// How its program comes to run.
    pub program: Program,
    /// Where its guard accepts mutual TLS; chosen at start where `None`.
    pub mesh: Option<SocketAddr>,
    /// Where the program listens; always loopback, port not 0.
    pub listen: SocketAddr,
    /// Whether it has a guard. Without one it is called and calls in plain, and nobody asks.
    pub guarded: bool,
    /// What it speaks.
    pub protocol: Protocol,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Classes of data it handles, such as `pii`.
    pub data: Vec<String>,
    /// What runs as it, where the file says.
    pub software: Software,
    /// The services it may call.
    pub calls: Vec<Call>,
    /// Named parts of it, for policies.
    pub routes: Vec<NamedRoute>,
    /// Whether its program gets a network namespace of its own.
    pub isolate: Isolate,
    /// Whether it finds its callees by name.
    pub capture: Capture,
    /// Where its guard answers an Envoy that asks whether a request may go on; always loopback.
    pub ext_authz: Option<SocketAddr>,
    /// What it may reach outside the fleet; `None` where the file does not say, which is nothing.
    pub egress: Option<ServiceEgress>,
    /// Its instances beside the one at `listen`, and where they are.
    pub instances: Instances,
    /// Where calls to it go besides.
    pub versions: Versions,
    /// Whether its guard still takes callers without mutual TLS.
    pub mtls: Mtls,
    /// How often it may be called.
    pub limits: Vec<Limit>,
    /// How callers that come much more often than usual are slowed down; none are where `None`.
    pub slow_down: Option<SlowDown>,
    /// The document that calls and answers are held against.
    pub api: Option<ApiCheck>,
}

impl Service {
    /// Whether `bartizan up` starts its program.
    pub fn is_run(&self) -> bool {
        matches!(self.program, Program::Run { .. })
    }
}

/// Whether a program is kept apart from the network, with its guard as the only way in and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolate {
    /// Where the kernel can; else it is said that it is not.
    #[default]
    WhereItCan,
    /// It is, or nothing is started.
    Required,
    /// It is not: it runs already, or the file says so.
    Never,
}

/// Whether a program finds its callees by name: what it opens to a name of the fleet is redirected to its guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Where it is kept apart and `nft` is there; else by variables alone.
    #[default]
    WhereItCan,
    /// It does, or nothing is started.
    Required,
    /// It does, by this kind of rule, or nothing is started.
    By(Means),
    /// It does not.
    Never,
}

impl Capture {
    /// Whether nothing is to be started where it cannot be had.
    pub fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::By(_))
    }
}

/// A service's way out of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEgress {
    /// What it may reach. Files are relative to the fleet file.
    pub rules: Egress,
    /// Where its guard's forward proxy listens; chosen at start where `None`.
    pub proxy: Option<SocketAddr>,
    /// Where its guard's DNS listens; chosen at start where `None`.
    pub dns: Option<SocketAddr>,
}

/// The instances of a service: the first is the one of [`Service::listen`] and [`Service::mesh`], the others are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    /// Where the first one is, and its part of the load.
    pub first: Placing,
    /// The others.
    pub more: Vec<Instance>,
}

/// Where an instance is, and its part of the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placing {
    /// Its zone.
    pub zone: Option<Box<str>>,
    /// Its part of the load in relation to the others'; at least 1.
    pub weight: u16,
}

impl Default for Placing {
    fn default() -> Self {
        Self { zone: None, weight: 1 }
    }
}

/// An instance beside the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Where its program listens; chosen at start where `None`.
    pub listen: Option<SocketAddr>,
    /// Where its guard accepts mutual TLS; chosen at start where `None`.
    pub mesh: Option<SocketAddr>,
    /// Where it is.
    pub placing: Placing,
}

/// How a program comes to run.
#[derive(Clone, Debug, PartialEq)]
pub enum Program {
    /// `bartizan up` starts it.
    Run {
        /// Program and arguments, with placeholders for [`fill`]: `${callee.url}`, `${callee.addr}`, `${callee.host}`
        /// and `${callee.port}` for the place where a declared callee is to be found, `${data}` for a folder of the
        /// service's own, `${listen}` for its own address.
        argv: Vec<String>,
        /// Environment, with the same placeholders.
        env: BTreeMap<String, String>,
        /// Working folder, relative to the fleet file.
        dir: Option<String>,
    },
    /// Something else starts it (`at:` in the file, or `listen:` without `run:`).
    Already,
}

/// One declared edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The callee.
    pub to: ServiceName,
    /// Where the caller expects it; chosen at start where `None`.
    pub via: Option<SocketAddr>,
    /// How it is made.
    pub edge: Edge,
    /// What is left of a user's token; all of it where `None`.
    pub narrow: Option<Narrow>,
}

/// Somebody without a guard of this fleet, who keeps the own end of mutual TLS: a workload with an identity from the node,
/// or a workload of another trust domain. Known by exactly one SPIFFE ID: a path alone says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its identity.
    pub id: SpiffeId,
    /// The services that it may call.
    pub calls: Vec<ServiceName>,
    /// Where services find it; nobody calls it where `None`.
    pub at: Option<Place>,
}

/// Where somebody accepts mutual TLS, and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub mesh: SocketAddr,
    /// What is spoken inside.
    pub protocol: Protocol,
}

/// What a program speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/2 where the caller speaks it.
    Http,
    /// HTTP/2 without TLS ("prior knowledge").
    Grpc,
    /// Bytes. Policies see only the connection.
    Tcp,
    /// Looked at per connection: an HTTP request line or HTTP/2 preface within a moment, else bytes.
    #[default]
    Auto,
}

/// A named part of a service: `balance: GET /accounts/*/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedRoute {
    /// Its name, unique in the service.
    pub name: ServiceName,
    /// The method it is for; any where `None`.
    pub method: Option<String>,
    /// Its paths.
    pub path: PathPattern,
}

/// The edge of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Where clients connect with TLS; the one address that need not be loopback.
    pub listen: SocketAddr,
    /// What goes where.
    pub routes: Vec<GatewayRoute>,
    /// How services behind them are called, where the defaults do not hold.
    pub calls: BTreeMap<ServiceName, Edge>,
    /// Whether it finds out how many requests each service bears, and refuses others.
    pub adaptive: bool,
    /// Which scripts of other sites may read answers, where a route says nothing.
    pub cors: Option<Cors>,
    /// What is changed about headers, where a route says nothing.
    pub headers: Option<HeaderRules>,
    /// From where clients may come; everywhere where `None`.
    pub addresses: Option<Addresses>,
    /// Who is believed about the addresses of others.
    pub trusted_proxies: Vec<Range>,
    /// Whether those begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// How people log in with a browser.
    pub login: Option<Login>,
    /// Who may send signed events, by name. Files are relative to the fleet file.
    pub senders: BTreeMap<ServiceName, EventSender>,
}

impl Gateway {
    /// One that says nothing but who goes where.
    pub fn new(listen: SocketAddr, routes: Vec<GatewayRoute>) -> Self {
        let (trusted_proxies, adaptive, proxy_protocol) = (Vec::new(), false, false);
        let (cors, headers, addresses, login) = (None, None, None, None);
        Self {
            listen,
            routes,
            calls: BTreeMap::new(),
            adaptive,
            cors,
            headers,
            addresses,
            trusted_proxies,
            proxy_protocol,
            login,
            senders: BTreeMap::new(),
        }
    }
}

/// One route of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRoute {
    /// Which hosts; any where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,
    /// Which paths; the path reaches the service unchanged.
    pub path: PathPattern,
    /// Which methods; any where empty. GET is HEAD as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Box<str>>,
    /// Which headers a request has to have, all of them; each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_headers: Vec<HeaderMatch>,
    /// Where they go.
    pub to: ServiceName,
    /// The only clients that it is for, by the certificates that they show; for everybody where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<ServiceName>,
    /// Whom it lets in.
    #[serde(default, skip_serializing_if = "Auth::is_none")]
    pub auth: Auth,
    /// Whether users may come with a browser that is logged in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub login: bool,
    /// Scopes that a user's token has to have, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// How often it may be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// How clients that come much more often than usual are slowed down; none are where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_down: Option<SlowDown>,
    /// Which scripts of other sites may read answers; as the gateway says where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Overrule<Cors>>,
    /// What is changed about headers; as the gateway says where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Overrule<HeaderRules>>,
    /// From where clients may come, of those that the gateway lets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Addresses>,
    /// The document that requests and responses are held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiCheck>,
    /// What queries of GraphQL may be; what comes is one, where this is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphqlLimits>,
    /// Whose signed events it takes, and nothing else, where this is said; `auth` is [`Auth::Event`] then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventRule>,
}

impl GatewayRoute {
    /// A route for everybody, by path alone.
    pub fn new(path: PathPattern, to: ServiceName) -> Self {
        Self {
            host: None,
            path,
            methods: Vec::new(),
            match_headers: Vec::new(),
            to,
            from: Vec::new(),
            auth: Auth::None,
            login: false,
            scopes: Vec::new(),
            limits: Vec::new(),
            slow_down: None,
            cors: None,
            headers: None,
            addresses: None,
            api: None,
            graphql: None,
            events: None,
        }
    }

    /// Whether a client is one of those that it is for.
    pub fn is_for(&self, client: Option<&ServiceName>) -> bool {
        self.from.is_empty() || client.is_some_and(|client| self.from.contains(client))
    }

    /// Whether a plain GET of a path gets there, with no host or header that it would have to know of.
    pub fn takes_plain_get(&self) -> bool {
        self.takes_plain("GET")
    }

    /// The same for another method.
    pub fn takes_plain(&self, method: &str) -> bool {
        let takes = self.methods.is_empty() || self.methods.iter().any(|it| &**it == method);
        takes && self.host.is_none() && self.match_headers.is_empty()
    }

    /// What it asks of a request besides host and path.
    pub fn conditions(&self) -> Conditions {
        Conditions { methods: self.methods.as_slice().into(), headers: self.match_headers.as_slice().into() }
    }
}

/// Which requests it is for, as one word where that is its path alone.
impl fmt::Display for GatewayRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        write!(f, "{}", self.path)?;
        self.match_headers.iter().try_for_each(|header| write!(f, " {header}"))
    }
}

/// Whom a route of the gateway lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// Those who show the token of a user.
    User,
    /// Programs that show their key.
    Key,
    /// Both.
    UserOrKey,
    /// Senders of signed events.
    Event,
}

impl Auth {
    /// Whether everybody is let in.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether a token of a user lets in.
    pub fn takes_user(self) -> bool {
        matches!(self, Self::User | Self::UserOrKey)
    }

    /// Whether the gateway vouches itself for whom it lets in, to the guards behind it.
    pub fn is_vouched_here(self) -> bool {
        self.takes_key() || self == Self::Event
    }

    /// Whether the key of a program lets in.
    pub fn takes_key(self) -> bool {
        matches!(self, Self::Key | Self::UserOrKey)
    }
}

impl Service {
    /// How many instances there are, a count of at least 1.
    pub fn count(&self) -> u16 {
        u16::try_from(self.instances.more.len() + 1).unwrap_or(u16::MAX)
    }

    /// The instance with this number, beside the first.
    pub fn instance(&self, number: u16) -> Option<&Instance> {
        self.instances.more.get(usize::from(number).checked_sub(2)?)
    }

    /// Where the instance with this number is.
    pub fn placing(&self, number: u16) -> Option<&Placing> {
        if number == 1 { Some(&self.instances.first) } else { self.instance(number).map(|it| &it.placing) }
    }
}

impl Fleet {
    /// Every instance of every service.
    pub fn instances(&self) -> impl Iterator<Item = Member> + '_ {
        self.services.iter().flat_map(|(name, service)| (1..=service.count()).map(|n| Member::new(name.clone(), n)))
    }

    /// Every instance of every service that has a guard.
    pub fn guarded_instances(&self) -> impl Iterator<Item = Member> + '_ {
        self.instances().filter(|member| self.has_guard(member.service()))
    }

    /// Whether a service has a guard. Whoever is no service has one, or is its own.
    pub fn has_guard(&self, name: &ServiceName) -> bool {
        self.services.get(name).is_none_or(|service| service.guarded)
    }

    /// The services without a guard.
    pub fn unguarded(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter().filter(|(_, service)| !service.guarded).map(|(name, _)| name)
    }

    /// Whether somebody asks about calls on an edge, and knows who calls: the callee's guard, or the gateway before it calls, for
    /// itself or for a client with a name.
    pub fn is_asked(&self, caller: &ServiceName, callee: &ServiceName) -> bool {
        !self.services.contains_key(caller) || (self.has_guard(caller) && self.has_guard(callee))
    }

    /// The services besides `callee` itself that calls of `caller` to it may go to.
    pub fn versions_for<'a>(
        &'a self,
        caller: &'a ServiceName,
        callee: &'a ServiceName,
    ) -> impl Iterator<Item = &'a ServiceName> {
        let versions = self.services.get(callee).into_iter().flat_map(|service| service.versions.others(callee));
        versions.filter(move |version| *version != caller)
    }

    /// What is spoken to `callee`, a service or another that may be called.
    pub fn protocol_of(&self, callee: &ServiceName) -> Option<Protocol> {
        let other = || self.others.get(callee)?.at.map(|at| at.protocol);
        self.services.get(callee).map(|service| service.protocol).or_else(other)
    }

    /// Whether an identity is of another trust domain.
    pub fn is_foreign(&self, id: &SpiffeId) -> bool {
        id.domain() != self.trust_domain.as_str()
    }

    /// The callee of a declared call and its other versions.
    fn reached(&self, caller: &ServiceName, callee: &ServiceName) -> Vec<ServiceName> {
        std::iter::once(callee).chain(self.versions_for(caller, callee)).cloned().collect()
    }

    /// How long a guard that is stopped goes on with what is under way, in milliseconds.
    pub fn drain(&self) -> u32 {
        self.drain_ms.unwrap_or(DRAIN_TIME.as_millis() as u32)
    }

    /// Every edge, caller and callee, the gateway's routes among them.
    pub fn edges(&self) -> impl Iterator<Item = (ServiceName, ServiceName)> + '_ {
        let calls = self.services.iter().flat_map(|(name, service)| {
            let mut to: Vec<_> = service.calls.iter().flat_map(|call| self.reached(name, &call.to)).collect();
            if to.len() > service.calls.len() {
                to.sort(); // a version may be declared as well
                to.dedup();
            }
            to.into_iter().map(|to| (name.clone(), to))
        });
        let gateway = ServiceName::gateway();
        let routes = self.gateway.iter().flat_map(|gateway| &gateway.routes);
        let mut routed: Vec<_> = routes.flat_map(|route| self.reached(&gateway, &route.to)).collect();
        routed.sort();
        routed.dedup();
        let others = self.others.iter().flat_map(|(name, it)| it.calls.iter().map(|to| (name.clone(), to.clone())));
        calls.chain(others).chain(routed.into_iter().map(|to| (ServiceName::gateway(), to)))
    }
}
