//! What control's local API answers: the documents behind `bartizan status`, `explain`, `trace` and `reload`.
//!
//! Plain data, so that the command line can read them without knowing control.

use crate::api_key::ApiKey;
use crate::console::ConsoleStatus;
use crate::decision::{Action, Verdict};
use crate::edge::Mtls;
use crate::egress::{Egress, Refusal};
use crate::event::{HandshakeFailure, SeenBy};
use crate::fleet::Protocol;
use crate::group::GroupStatus;
use crate::issued::IssuedStatus;
use crate::name::{Member, ServiceName, SpiffeId, TrustDomain};
use crate::plan::Isolation;
use crate::promotion::PromotionStatus;
use crate::retention::{Sort, WhenFull};
use crate::snapshot::{Epoch, Facts, Freshness, Kind, Mode};
use crate::stats::{PlaintextStats, PredictedStats, SendingStats};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// `GET /v1/status`: the whole fleet as control sees it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Status {
    /// Name of the fleet.
    pub fleet: ServiceName,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// Which parts are on.
    pub mode: Mode,
    /// What tells the fleet file in force from another state of it; to be compared, and for nothing else.
    #[serde(default)]
    pub fleet_file: String,
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// The control process itself.
    pub control: ControlStatus,
    /// The epoch in force of each kind of snapshot.
    pub epochs: BTreeMap<Kind, Epoch>,
    /// One entry for each service of the fleet and for the gateway, by name, also where no proxy has come yet.
    pub proxies: Vec<ProxyStatus>,
    /// The nodes that came since control started, by name.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    /// What became of events.
    pub store: StoreStatus,
    /// Which events there are, and for how long.
    #[serde(default)]
    pub events: EventsHeld,
    /// What was denied, changed and done, tamper-evident.
    #[serde(default)]
    pub ledger: LedgerStatus,
    /// How the recording of certificates fares.
    #[serde(default)]
    pub issued: IssuedStatus,
    /// Clocks of attached guards and nodes that are away from control's by more than certificates allow for.
    #[serde(default)]
    pub clocks: Vec<ClockStatus>,
    /// Issuers of users' tokens whose keys are fetched, by name.
    #[serde(default)]
    pub issuers: Vec<IssuerStatus>,
    /// Other identity providers at which people sign in, by the names that the fleet file has for them.
    #[serde(default)]
    pub providers: BTreeMap<ServiceName, IssuerStatus>,
    /// Why apps get no tokens, and what to do about it; `None` where they do.
    #[serde(default)]
    pub no_tokens: Option<String>,
    /// Files on disk that say something else than what is in force; `None` where there are none.
    #[serde(default)]
    pub drift: Option<DriftStatus>,
    /// How promotion stands; `None` where no objective locks it.
    #[serde(default)]
    pub promotion: Option<PromotionStatus>,
    /// What each edge really uses, by caller and callee.
    #[serde(default)]
    pub tls: Vec<EdgeTls>,
    /// Guards that have cost more time than their budget for a while.
    #[serde(default)]
    pub over_budget: Vec<OverBudget>,
    /// Ways out of the fleet.
    #[serde(default)]
    pub egress: EgressSummary,
    /// What a guard may add to a call at the 99th percentile, in microseconds; `None` where there is no budget.
    #[serde(default)]
    pub guard_p99_us: Option<u32>,
    /// The services without a guard.
    #[serde(default)]
    pub unguarded: Vec<Unguarded>,
}

/// A service without a guard: it is called in plain, and nobody asks who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unguarded {
    /// The service.
    pub service: ServiceName,
    /// Classes of data that it handles.
    pub data: Vec<String>,
    /// Who is declared to call it, with the calls that their guards counted since they started; `None` for callers without a
    /// guard, whose calls nobody sees.
    pub callers: BTreeMap<ServiceName, Option<u64>>,
}

/// The short of [`EgressStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EgressSummary {
    /// Programs that are started here, a count.
    pub programs: usize,
    /// Those of them that have no other way out than their guard.
    pub forced: usize,
    /// Those that are told of their guard, and could go round it.
    pub told: usize,
    /// Destinations that were used for the first time within the last hour, the newest first.
    pub new: Vec<EgressDestination>,
}

/// `GET /v1/inventory`: which operations services have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApiInventory {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Since when operations are counted.
    pub since: Timestamp,
    /// Days without a call after which an operation that is declared is called a zombie.
    pub unseen_days: u64,
    /// Calls that were counted under a coarser path, since a service had too many.
    pub coarse: u64,
    /// Every operation, by service, path and method.
    pub operations: Vec<ApiOperation>,
}

/// An operation of a service, declared or seen or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApiOperation {
    /// The service.
    pub service: ServiceName,
    /// HTTP method.
    pub method: String,
    /// Its path, as the document has it or as it was inferred.
    pub path: String,
    /// File and line of the document that describes it.
    pub declared: Option<String>,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// Classes of data that the service handles.
    pub data: Vec<String>,
    /// What was seen of it.
    pub seen: Option<SeenOperation>,
    /// What is odd about it.
    pub findings: Vec<ApiFinding>,
}

/// What was seen of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeenOperation {
    /// The service.
    pub service: ServiceName,
    /// HTTP method.
    pub method: String,
    /// Its path, as the document has it or as it was inferred.
    pub path: String,
    /// When it was called first.
    pub first_seen: Timestamp,
    /// And last.
    pub last_seen: Timestamp,
    /// Calls that the service answered.
    pub calls: u64,
    /// Those answered with a status from 400 on.
    pub failed: u64,
    /// Those from outside the fleet without a user.
    pub anonymous: u64,
    /// Who called, a few of them.
    pub callers: Vec<String>,
}

impl SeenOperation {
    /// One that was not counted yet.
    pub fn new(service: ServiceName, method: String, path: String, at: Timestamp) -> Self {
        let (calls, failed, anonymous, callers) = (0, 0, 0, Vec::new());
        Self { service, method, path, first_seen: at, last_seen: at, calls, failed, anonymous, callers }
    }
}

/// What is odd about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiFinding {
    /// It was called from outside without a user.
    Unauthenticated,
    /// It is called, and the service's document does not describe it.
    Shadow,
    /// It is described, and nobody calls it.
    Zombie,
    /// It is on its way out, and still called.
    DeprecatedUsed,
}

impl ApiFinding {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Shadow => "shadow",
            Self::Zombie => "zombie",
            Self::DeprecatedUsed => "deprecated, used",
        }
    }
}

/// `GET /v1/egress`: where services went outside the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EgressStatus {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Every service, by name.
    pub services: Vec<EgressService>,
    /// Every destination that a guard told of, by service.
    pub destinations: Vec<EgressDestination>,
}

/// A service's way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EgressService {
    /// Its name.
    pub service: ServiceName,
    /// How its program gets out; `None` for one that is not started here.
    pub path: Option<EgressPath>,
    /// What it may reach; `None` where the fleet file does not say, which is nothing.
    pub rules: Option<Egress>,
}

/// How a program gets out of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EgressPath {
    /// Through its guard and no other way.
    Forced,
    /// Through its guard where it does as it is told.
    Told,
    /// As it likes.
    Open,
}

/// A destination outside the fleet that a service used, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EgressDestination {
    /// The service.
    pub service: ServiceName,
    /// The name that was asked for; `None` where an address was.
    pub host: Option<String>,
    /// The addresses that were dialled, a few of them.
    pub addresses: Vec<std::net::IpAddr>,
    /// The port; 0 where a name was only looked up.
    pub port: u16,
    /// `https`, `http`, `tcp` or `dns`.
    pub protocol: String,
    /// When a guard told of it first.
    pub first_seen: Timestamp,
    /// And last.
    pub last_seen: Timestamp,
    /// Whether a connection was ever open.
    pub used: bool,
    /// Connections or requests that were let through and are over.
    pub passed: u64,
    /// Those that nobody answered.
    pub failed: u64,
    /// Those that were not let through.
    pub refused: u64,
    /// Why, the last time.
    pub refusal: Option<Refusal>,
    /// Whether it went on because the guard was learning.
    pub learned: bool,
    /// Bytes from the service to the outside.
    pub bytes_up: u64,
    /// Bytes from the outside to the service.
    pub bytes_down: u64,
}

impl EgressDestination {
    /// For people: `api.example.com:443`.
    pub fn destination(&self) -> String {
        let address = || self.addresses.first().map_or_else(|| "an address".to_owned(), ToString::to_string);
        let to = self.host.clone().unwrap_or_else(address);
        if self.port == 0 { to } else { format!("{to}:{}", self.port) }
    }
}

/// Files on disk and what is in force differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DriftStatus {
    /// Since when that is known.
    pub since: Timestamp,
    /// What differs, a line for each.
    pub what: Vec<String>,
}

/// A key exchange and cipher suite that an edge uses, from the handshakes of its callee since control started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EdgeTls {
    /// The calling service, or the identity of another caller; `None` for outside clients of the gateway.
    pub from: Option<String>,
    /// The service that was called.
    pub to: ServiceName,
    /// Key exchange, such as `X25519MLKEM768`.
    pub group: String,
    /// Cipher suite.
    pub suite: String,
    /// Handshakes with these.
    pub handshakes: u64,
    /// The last one of them.
    pub last: Timestamp,
}

/// A guard that costs more time than it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OverBudget {
    /// Whose guard.
    pub service: ServiceName,
    /// Its own share of a call's time over the last seconds, 99th percentile, in microseconds.
    pub added_p99_us: u64,
    /// What it may be.
    pub budget_us: u64,
}

/// A clock that is away from control's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClockStatus {
    /// Whose, such as `guard accounts` or `node local`.
    pub of: String,
    /// Seconds that it is ahead; negative where it is behind.
    pub ahead_s: i64,
}

/// The control process itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ControlStatus {
    /// When it started.
    pub started_at: Timestamp,
    /// Its version.
    pub version: String,
    /// Where proxies and nodes reach it.
    pub listen: std::net::SocketAddr,
    /// End of validity of its own certificate.
    pub svid_not_after: Timestamp,
    /// End of validity of its issuing CA.
    pub issuing_not_after: Timestamp,
    /// End of validity of the root.
    pub root_not_after: Timestamp,
    /// TLS handshakes at its own port.
    pub handshakes: Handshakes,
    /// The console.
    #[serde(default)]
    pub console: ConsoleStatus,
    /// Where there are several controls, how this one sees the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupStatus>,
}

/// One proxy, or the place of one that has not come yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProxyStatus {
    /// Its service.
    pub service: ServiceName,
    /// Which of the service's instances it guards, from 1.
    #[serde(default = "first")]
    pub number: u16,
    /// The identity of that service.
    pub id: SpiffeId,
    /// Who answers for the service.
    pub owner: Option<String>,
    /// Classes of data that the service handles.
    #[serde(default)]
    pub data: Vec<String>,
    /// What its program speaks; `None` for the gateway.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// True while its stream is open.
    pub attached: bool,
    /// Random number of the proxy's process, in hex; `None` until one has come since control started.
    pub instance: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Whether its program is kept apart from the network; `None` where nobody here starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Its version.
    pub version: Option<String>,
    /// How current what it holds can be: fresh while it is attached, then by how long it is away. `None` until it came.
    pub freshness: Option<Freshness>,
    /// When it was heard last.
    pub last_heard: Option<Timestamp>,
    /// End of validity of the newest identity that control has issued to it or that it came with.
    pub svid_not_after: Option<Timestamp>,
    /// What it enforces, by its own acknowledgement.
    pub held: BTreeMap<Kind, Epoch>,
    /// What it refused, with its reason; gone as soon as it takes up a newer one.
    pub refused: BTreeMap<Kind, String>,
    /// Calls per second over the last seconds, into the service (at the gateway: into the fleet).
    pub calls_per_s: f64,
    /// Denied calls per second over the last seconds.
    pub denied_per_s: f64,
    /// Calls since the process started.
    pub calls: u64,
    /// Denied calls since the process started.
    pub denied: u64,
    /// Calls that failed for another reason, since the process started.
    pub failed: u64,
    /// Input that was refused before it was a call, since the process started.
    pub input_refused: u64,
    /// The proxy's own share of a call's time over the last seconds, median, in microseconds; `None` without calls.
    pub added_p50_us: Option<u64>,
    /// The same, 99th percentile.
    pub added_p99_us: Option<u64>,
    /// TLS handshakes since the process started.
    pub handshakes: Handshakes,
    /// Connections open now.
    pub connections_open: u64,
    /// What it did to make its calls succeed, by callee.
    #[serde(default)]
    pub sending: BTreeMap<ServiceName, SendingStats>,
    /// Calls that came without mutual TLS, by the address that they came from.
    #[serde(default)]
    pub plaintext: BTreeMap<String, PlaintextStats>,
    /// Whether its guard still takes callers without mutual TLS.
    #[serde(default)]
    pub mtls: Mtls,
    /// Where its guard accepts mutual TLS, and where its program listens; `None` for the gateway.
    #[serde(default)]
    pub places: Option<Places>,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// CPU time used since the process started, in microseconds.
    pub cpu_us: u64,
    /// What became of its events.
    pub events: EventFlow,
}

/// One node that has come since control started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: ServiceName,
    /// True while its stream is open.
    pub attached: bool,
    /// Random number of its process, in hex.
    pub instance: String,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The Unix socket where it serves the Workload API and SDS; `None` where it serves neither.
    pub workload_socket: Option<String>,
    /// When it was heard last.
    pub last_heard: Timestamp,
    /// What it holds, by its own acknowledgement.
    pub held: BTreeMap<Kind, Epoch>,
    /// What it refused, with its reason; gone as soon as it takes up a newer one.
    pub refused: BTreeMap<Kind, String>,
    /// Registration entries that it was sent, a count.
    pub entries: usize,
}

/// Where an instance is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Places {
    /// Where its guard accepts mutual TLS.
    pub mesh: SocketAddr,
    /// Where its program listens.
    pub program: SocketAddr,
    /// Where its program finds its callees: listeners of its own guard.
    pub outbound: BTreeMap<ServiceName, SocketAddr>,
}

fn first() -> u16 {
    1
}

impl ProxyStatus {
    /// The instance that it guards.
    pub fn member(&self) -> Member {
        Member::new(self.service.clone(), self.number)
    }

    /// True where it enforces exactly the given epochs.
    pub fn is_at(&self, epochs: &BTreeMap<Kind, Epoch>) -> bool {
        self.attached && epochs.iter().all(|(kind, epoch)| self.held.get(kind) == Some(epoch))
    }
}

/// TLS handshakes of one process since its start. attempted = completed + failed + under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Handshakes {
    /// Begun.
    pub attempted: u64,
    /// Ended well.
    pub completed: u64,
    /// Failed, by cause.
    pub failed: BTreeMap<HandshakeFailure, u64>,
}

/// What became of a proxy's events since its process started. offered = delivered + dropped + waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventFlow {
    /// Written by the proxy.
    pub offered: u64,
    /// Dropped by the proxy, because its queue was full.
    pub dropped: u64,
    /// Confirmed by control.
    pub delivered: u64,
}

/// What became of the events that control received since it started.
///
/// offered = stored + known + lost + waiting, at every moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StoreStatus {
    /// Came in, from proxies, from the supervisor and from control itself.
    pub offered: u64,
    /// Are in the database.
    pub stored: u64,
    /// Came a second time (a proxy repeats what was not confirmed) and were in the database already.
    pub known: u64,
    /// Are nowhere, by reason: `queue_full`, `disk_full`, `store_failed`, `unreadable`.
    pub lost: BTreeMap<String, u64>,
    /// Wait to be stored.
    pub waiting: u64,
    /// Why the last attempt to store failed; `None` while storing works.
    pub reason: Option<String>,
}

impl StoreStatus {
    /// Everything that is lost, a count.
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// How the ledger fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LedgerStatus {
    /// Entries, on disk and signed.
    pub entries: u64,
    /// The root over them, 64 hex digits.
    pub root: String,
    /// The public key by which its checkpoints are recognised.
    pub key: String,
    /// Events since control started that belong there and are not there.
    pub lost: u64,
    /// Why the last attempt to write failed; `None` while writing works.
    pub reason: Option<String>,
    /// Bytes that it takes in the data folder, as of the last look.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes that it may take there; `None` where nothing is moved into an archive.
    #[serde(default)]
    pub bytes_max: Option<u64>,
    /// Files that were moved into the archive since control started.
    #[serde(default)]
    pub archived: u64,
    /// Why the last attempt to move one failed; `None` while that works. Nothing is lost, and the data folder takes more than it may.
    #[serde(default)]
    pub archive_failed: Option<String>,
}

/// The events that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventsHeld {
    /// How many there are.
    pub events: u64,
    /// Bytes that they take on disk.
    pub bytes: u64,
    /// Partitions, a count: files of which what is to go goes together.
    pub partitions: u64,
    /// When the oldest happened.
    pub oldest_at: Option<Timestamp>,
    /// Bytes that they may take; `None` for all there are.
    pub bytes_max: Option<u64>,
    /// Age at which they go, in seconds; `None`: they stay.
    pub keep_s: Option<u64>,
    /// The same for sorts that have an age of their own.
    #[serde(default)]
    pub keep_each_s: BTreeMap<Sort, u64>,
    /// What happens when they have taken all that they may.
    pub when_full: WhenFull,
    /// Events that went since control started since they were too old.
    pub aged: u64,
    /// Events that went since then to make room for newer ones.
    pub displaced: u64,
    /// Those that were too old, by sort.
    #[serde(default)]
    pub aged_each: BTreeMap<Sort, u64>,
    /// Those that made room, by sort.
    #[serde(default)]
    pub displaced_each: BTreeMap<Sort, u64>,
    /// Legal holds in force, a count: nothing that is under one goes.
    #[serde(default)]
    pub holds: u64,
}

/// `GET /v1/policies`: every policy in force, and who enforces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PoliciesStatus {
    /// The epoch in force.
    pub epoch: Epoch,
    /// Which parts are on; policies are enforced in mode `full` alone.
    pub mode: Mode,
    /// The policies, by file and place.
    pub policies: Vec<PolicyStatus>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PolicyStatus {
    /// Its name.
    pub id: String,
    /// Its file.
    pub file: String,
    /// The line where it begins.
    pub line: u32,
    /// Whether it permits; else it forbids.
    pub permit: bool,
    /// Whether it was compiled from the fleet file.
    pub declared: bool,
    /// The guards that it concerns and that enforce it at the epoch in force, by their own acknowledgement.
    pub enforced_by: Vec<ServiceName>,
    /// The other guards that it concerns: not there, or at another epoch.
    pub missing: Vec<ServiceName>,
    /// Whether it is tried out: `enforced_by` evaluate it, and nothing is decided by it.
    #[serde(default)]
    pub shadow: bool,
    /// What it would have decided otherwise, where it is tried out, since each guard started.
    #[serde(default)]
    pub predicted: Vec<PredictedStats>,
}

/// `GET /v1/explain/{request_id}`: why a request was allowed or denied, hop by hop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The request, 32 hex digits.
    pub request: String,
    /// Its hops in the order of the call.
    pub hops: Vec<Hop>,
}

/// One hop of a request, as one proxy saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Hop {
    /// When.
    pub at: Timestamp,
    /// The service whose proxy saw it.
    pub service: Option<ServiceName>,
    /// Which side of that proxy.
    pub seen_by: SeenBy,
    /// Who asked; `None` for a client without identity, or for the own program outbound.
    pub from: Option<SpiffeId>,
    /// The service that was asked; `None` where the input was refused before that was known.
    pub to: Option<ServiceName>,
    /// What was asked, in the words of policies.
    pub action: Option<Action>,
    /// HTTP method; empty for a TCP connection.
    pub method: String,
    /// Path without query; empty for a TCP connection.
    pub path: String,
    /// Named route.
    pub route: Option<String>,
    /// Status that was answered; `None` for a TCP connection.
    pub status: Option<u16>,
    /// Why the proxy itself answered, where it did.
    pub error: Option<String>,
    /// The decision, where this hop made one.
    pub decision: Option<ExplainedDecision>,
    /// Time of the whole call at this hop, in microseconds.
    pub took_us: u64,
    /// The proxy's own share, in microseconds.
    pub added_us: Option<u64>,
    /// What to do, where this hop denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
}

/// What to do about a denial: whom to ask, by what it came, and what would have to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Denied {
    /// The policies or the rule that said no, or `no permit`.
    pub by: Vec<String>,
    /// What it depended on, by name.
    pub inputs: BTreeMap<String, String>,
    /// Whom to ask.
    pub owners: Vec<Owner>,
    /// What would let exactly this call through; all of them together. Tried out before they are told.
    pub changes: Vec<SuggestedChange>,
    /// What to do instead, where there are no changes, or what to think of before they are made.
    pub advice: Option<String>,
}

/// Who answers for what was in the way of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Owner {
    /// What it is: a service, or a file of policies with its line.
    pub of: String,
    /// Who; `None` where nobody was named.
    pub owner: Option<String>,
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SuggestedChange {
    /// Which file; `None` for the fleet file.
    pub file: Option<String>,
    /// The policy that it takes the place of; `None` where the text is new.
    pub replaces: Option<String>,
    /// The line where that begins.
    pub line: Option<u32>,
    /// What is to stand there.
    pub text: String,
}

/// A decision with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ExplainedDecision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The text for people.
    pub reason: Option<String>,
    /// Identifiers of the policies that decided. Empty with a deny: nothing permitted the call.
    pub policies: Vec<String>,
    /// The decision in lines for people: verdict, reason, then each deciding policy with its place and its text.
    pub lines: Vec<String>,
    /// The policy epoch that was in force.
    pub epoch: Epoch,
    /// True where that epoch is still the newest one.
    pub epoch_is_current: bool,
    /// What policies could ask about the caller, at that epoch. `None` where the epoch is no longer kept.
    pub principal: Option<Facts>,
    /// What policies could ask about the service, at that epoch.
    pub resource: Option<Facts>,
}

/// `GET /v1/trace/{request_id}`: everything that was recorded about a request, in the order of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// The request, 32 hex digits.
    pub request: String,
    /// What happened: a hop stands before the hops that it caused.
    pub steps: Vec<Step>,
    /// Services that were called within it and told nothing of it themselves, though others did: a span is missing there. Empty where no
    /// program told anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<ServiceName>,
}

/// One record of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// How many hops lie before it; 0 where the request entered, or where its parent is not known.
    pub depth: u32,
    /// When it was recorded.
    pub at: Timestamp,
    /// The service whose proxy saw it.
    pub service: Option<ServiceName>,
    /// Which side of that proxy.
    pub seen_by: SeenBy,
    /// Time of the whole call at this hop, in microseconds; `None` where the record is not about a call.
    pub took_us: Option<u64>,
    /// The proxy's own share, in microseconds.
    pub added_us: Option<u64>,
    /// The OCSF record.
    #[schemars(with = "crate::event::OcsfRecord")]
    pub event: serde_json::Value,
}

/// `POST /v1/node-tokens`: a join token for one node, single use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeToken {
    /// The token. Whoever has it can become a node until it is used or has run out.
    pub token: String,
    /// When it runs out.
    pub expires: Timestamp,
}

/// `GET /v1/keys`: the keys of programs, by their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Keys {
    /// In the order in which they were made.
    pub keys: Vec<ApiKey>,
}

/// `POST /v1/keys/add`: a key that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddKey {
    /// Its name.
    pub name: ServiceName,
    /// What its owner may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The tenant of its owner.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Seconds for which it counts.
    #[serde(default)]
    pub expires_s: Option<u32>,
}

/// The key that was made. It is said here and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AddedKey {
    /// Its name.
    pub name: ServiceName,
    /// It.
    pub key: String,
    /// The first moment at which it does not count any more.
    pub expires: Option<Timestamp>,
    /// The directory that has it.
    pub epoch: Epoch,
}

/// Without the key.
impl std::fmt::Debug for AddedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddedKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `POST /v1/keys/revoke`: a key that is not to count any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// Its name.
    pub name: ServiceName,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RevokedKey {
    /// Its name.
    pub name: ServiceName,
    /// The directory that does not have it any more.
    pub epoch: Epoch,
}

/// `POST /v1/tokens/revoke`: users' tokens that are not to count any more. One of the three is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokens {
    /// Whose; our own authorization server's, or the only issuer's, where left out.
    pub issuer: Option<String>,
    /// One token, by its `jti`.
    pub token: Option<String>,
    /// All of a subject that were issued so far.
    pub subject: Option<String>,
    /// All of a family.
    pub family: Option<String>,
}

/// How it stands with the keys of an issuer that are fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IssuerStatus {
    /// Its name.
    pub issuer: String,
    /// Whether some are held; else none of its tokens is believed.
    pub has_keys: bool,
    /// When they were fetched last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// Since when that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Why it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// `POST /v1/tokens/inspect`: a user's token that somebody wonders about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectToken {
    /// Its text.
    pub token: String,
}

/// What the gateway thinks of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InspectedToken {
    /// Why it is not believed; `None` where it is.
    pub refused: Option<String>,
    /// What has to be shown with it.
    pub needs: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RevokedTokens {
    /// Whose.
    pub issuer: String,
    /// Which, for people.
    pub what: String,
    /// The epoch of the directory that says so.
    pub epoch: Epoch,
}

/// `POST /v1/reload`: what became of the changed files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reloaded {
    /// The kinds whose content changed and that were published anew; empty where nothing changed.
    pub changed: Vec<Kind>,
    /// What becomes of programs.
    #[serde(default)]
    pub programs: Programs,
    /// The epochs in force now.
    pub epochs: BTreeMap<Kind, Epoch>,
}

/// What a reload changes of what runs, by service. `bartizan up` does it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Programs {
    /// The services that are new.
    pub added: Vec<ServiceName>,
    /// Those that are gone.
    pub removed: Vec<ServiceName>,
    /// Those whose programs are told something that only a start tells them; one instance after the other.
    pub started_anew: Vec<ServiceName>,
}

/// `POST /v1/revoke`: who is not to be trusted any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Text of a [`crate::deny::Subject`].
    pub subject: String,
    /// Why, for people.
    pub reason: String,
}

/// `POST /v1/restore`: who is to be trusted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Text of a [`crate::deny::Subject`].
    pub subject: String,
}

/// What a change of the deny list came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Revoked {
    /// The epoch of the list with the change.
    pub epoch: Epoch,
    /// Services whose present certificate is denied now.
    pub services: Vec<ServiceName>,
    /// Attached guards of which it is not known which node vouched for them; only where a node was denied.
    pub unplaced: Vec<ServiceName>,
}

/// `POST /v1/events`: what became of events that were handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Accepted {
    /// Taken into the queue.
    pub accepted: u64,
    /// Dropped, because the queue was full.
    pub dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_at_an_epoch_only_while_attached_and_with_every_kind() {
        let epochs = BTreeMap::from([(Kind::Policies, Epoch(3)), (Kind::Directory, Epoch(1))]);
        let domain = TrustDomain::parse("bank.test").unwrap();
        let service = ServiceName::parse("accounts").unwrap();
        let mut proxy = ProxyStatus {
            number: 1,
            id: SpiffeId::of(&domain, &crate::Role::Service(service.clone())),
            service,
            owner: None,
            data: Vec::new(),
            protocol: None,
            attached: true,
            instance: Some("1".to_owned()),
            isolation: None,
            pid: Some(1),
            version: None,
            freshness: Some(Freshness::Fresh),
            last_heard: None,
            svid_not_after: None,
            held: BTreeMap::from([(Kind::Policies, Epoch(3))]),
            refused: BTreeMap::new(),
            calls_per_s: 0.0,
            denied_per_s: 0.0,
            calls: 0,
            denied: 0,
            failed: 0,
            input_refused: 0,
            added_p50_us: None,
            added_p99_us: None,
            handshakes: Handshakes::default(),
            connections_open: 0,
            sending: BTreeMap::new(),
            plaintext: BTreeMap::new(),
            mtls: Mtls::Strict,
            places: None,
            resident_bytes: 0,
            cpu_us: 0,
            events: EventFlow::default(),
        };
        assert!(!proxy.is_at(&epochs), "one kind is missing");
        proxy.held.insert(Kind::Directory, Epoch(1));
        assert!(proxy.is_at(&epochs));
        let text = serde_json::to_string(&proxy).unwrap();
        assert_eq!(serde_json::from_str::<ProxyStatus>(&text).unwrap(), proxy);
        proxy.attached = false;
        assert!(!proxy.is_at(&epochs), "nobody knows what it enforces now");
    }
}
