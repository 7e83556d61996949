//! The fleet at a glance, as control's API tells it: who calls whom and how that goes, what changed, who may reach whom.

use crate::edge::Mtls;
use crate::fleet::Protocol;
use crate::name::ServiceName;
use crate::snapshot::{Epoch, Freshness};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How clients outside the fleet are called in a map: nobody can be called that, since it is no service of a fleet file's.
pub const OUTSIDE: &str = "outside";

/// `GET /v1/map`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FleetMap {
    /// Control's clock.
    pub now: Timestamp,
    /// Everybody, by name: services, the gateway, and `outside` where somebody calls from there.
    pub services: Vec<MapService>,
    /// Who calls whom, by both names: what is declared, and what was seen besides.
    pub edges: Vec<MapEdge>,
}

/// What somebody in a map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MapKind {
    /// A service behind a guard.
    Service,
    /// The gateway.
    Gateway,
    /// Clients of the gateway, and workloads and services that are not of this fleet.
    Outside,
    /// A service without a guard.
    Unguarded,
}

/// Somebody in a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MapService {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: MapKind,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Classes of data it handles.
    pub data: Vec<String>,
    /// What it speaks.
    pub protocol: Option<Protocol>,
    /// Whether all its guards are there.
    pub attached: bool,
    /// The worst of its guards.
    pub freshness: Option<Freshness>,
    /// Its instances, a count.
    pub instances: usize,
    /// Calls into it a second, over the last seconds.
    pub calls_per_s: f64,
    /// Of those, denied by policy.
    pub denied_per_s: f64,
    /// Of those, failed.
    pub failed_per_s: f64,
    /// What its guards add to a call at the 99th percentile, in microseconds: the most of them.
    pub added_p99_us: Option<u64>,
    /// When the first of its certificates runs out.
    pub svid_not_after: Option<Timestamp>,
    /// Alerts that fire for it, a count.
    pub firing: u32,
}

/// How calls of an edge are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EdgeSafety {
    /// By mutual TLS, which is all that is taken.
    Strict,
    /// By mutual TLS, but the callee takes callers without, too.
    Permissive,
    /// Not: one of both has no guard, or calls came without.
    Plain,
    /// Nobody has called yet.
    Unseen,
}

impl EdgeSafety {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Permissive => "permissive",
            Self::Plain => "plain",
            Self::Unseen => "unseen",
        }
    }

    /// How it stands, with a guard at both ends or not, what the callee takes, and whether anybody has called.
    pub const fn of(guarded: bool, takes: Mtls, seen: bool) -> Self {
        match (guarded, takes, seen) {
            (false, ..) => Self::Plain,
            (true, Mtls::Permissive, _) => Self::Permissive,
            (true, Mtls::Strict, true) => Self::Strict,
            (true, Mtls::Strict, false) => Self::Unseen,
        }
    }
}

/// Calls from one to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MapEdge {
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Whether the fleet file says so.
    pub declared: bool,
    /// Calls a second, over the last seconds.
    pub calls_per_s: f64,
    /// Of those, denied by policy.
    pub denied_per_s: f64,
    /// Of those, failed.
    pub failed_per_s: f64,
    /// Calls since the callee's guards started.
    pub calls: u64,
    /// Of those, denied.
    pub denied: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Microseconds that the callee's guard adds to a call, at the median of the last seconds; of several instances, the slowest one's.
    #[serde(default)]
    pub added_p50_us: Option<u64>,
    /// The same at the 99th percentile.
    #[serde(default)]
    pub added_p99_us: Option<u64>,
    /// How they are protected.
    pub mtls: EdgeSafety,
    /// Key exchange group of the last handshake.
    pub group: Option<String>,
    /// Its cipher suite.
    pub suite: Option<String>,
    /// When somebody called last, to some seconds; `None` where nobody has since control started.
    pub last: Option<Timestamp>,
}

/// `GET /v1/series`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorSeries {
    /// Control's clock.
    pub now: Timestamp,
    /// Which indicator, `M1` to `M10`.
    pub indicator: String,
    /// Where: `fleet`, a service, or `CALLER -> CALLEE`.
    pub place: String,
    /// Seconds between two points.
    pub step_s: u64,
    /// The oldest first. Empty where nothing is counted there.
    pub points: Vec<SeriesPoint>,
}

/// What was counted within one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeriesPoint {
    /// When it ended.
    pub at: Timestamp,
    /// What is bad.
    pub bad: u64,
    /// Of how many.
    pub all: u64,
}

/// What `GET /v1/stream` begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StreamHello {
    /// Control's clock.
    pub now: Timestamp,
    /// Which fleet it is.
    pub fleet: ServiceName,
}

/// What `GET /v1/stream` says to a page that was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StreamMissed {
    /// Events that it does not get, a count. Those that are stored can be asked for.
    pub count: u64,
}

/// `GET /v1/changes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Changes {
    /// Control's clock.
    pub now: Timestamp,
    /// The newest first.
    pub changes: Vec<ChangeSeen>,
    /// Until when to ask for those before them; `None` where there are none.
    pub next_until_ms: Option<u64>,
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Other policies.
    Policy,
    /// Another deny list, other services or addresses, or files that say something else.
    Configuration,
    /// Roots and issuing CAs, and identities that were refused.
    Certificate,
    /// Programs and guards that started or ended.
    Deploy,
    /// What somebody did at the console, with accounts, or with keys.
    Administrator,
    /// A guard that refused what it was sent.
    Rollout,
}

impl ChangeKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Configuration => "configuration",
            Self::Certificate => "certificate",
            Self::Deploy => "deploy",
            Self::Administrator => "administrator",
            Self::Rollout => "rollout",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangeSeen {
    /// When.
    pub at: Timestamp,
    /// Of which kind.
    pub kind: ChangeKind,
    /// In a sentence.
    pub what: String,
    /// Who did it, where somebody is known.
    pub actor: Option<String>,
    /// Which service it concerns; `None` for the fleet.
    pub service: Option<ServiceName>,
    /// The epoch it came into force with.
    pub epoch: Option<Epoch>,
    /// The event that tells of it.
    pub event: String,
}

/// `GET /v1/reach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReachStatus {
    /// Whom it is about.
    pub service: ServiceName,
    /// Who may reach it.
    #[serde(rename = "in")]
    pub inward: Vec<ReachEdge>,
    /// Whom it may reach.
    pub out: Vec<ReachEdge>,
}

/// One who may reach, or be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReachEdge {
    /// The other one.
    pub peer: String,
    /// The policies that can permit it. None: nothing permits it, though the fleet file declares it.
    pub policies: Vec<ReachPolicy>,
    /// Those that can forbid parts of it.
    pub forbidding: Vec<ReachPolicy>,
}

/// A policy, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReachPolicy {
    /// Its name.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: u32,
    /// Routes of the callee that it is about; empty for all of it.
    pub routes: Vec<String>,
}
