//! What happened: one compact record, written by every part, turned into OCSF when it is stored.
//!
//! A record holds names, numbers and reasons; never a header, a query, a body or a token.

mod alert;
mod found_by;
mod ocsf;
mod person;
mod predicted;
pub mod telemetry;

pub use alert::{AlertStep, Alerted};
pub use found_by::{Class, Upshot};
pub use ocsf::{Context, OCSF_VERSION, OcsfRecord, to_ocsf};
pub use person::{Deed, Person};
pub use predicted::Predicted;
pub use telemetry::{Signal, Telemetry};

use crate::decision::{Action, Verdict};
use crate::egress::Refusal;
use crate::name::{ServiceName, SpiffeId};
use crate::rotation::{Phase, Rotated};
use crate::snapshot::{Epoch, Kind};
use crate::time::Timestamp;
use crate::trace::RequestId;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique: 8 random bytes of the process that wrote it, then a counter.
    pub id: EventId,
    /// When it was written, which for something that took time is its end.
    pub at: Timestamp,
    /// The service on whose behalf it was written (`gateway` for the edge); `None` for the fleet as a whole.
    pub service: Option<ServiceName>,
    /// Which part saw it.
    pub seen_by: SeenBy,
    /// The request it belongs to.
    pub request: Option<RequestId>,
    /// What happened.
    pub what: What,
}

/// See [`Event::id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventId(pub u64, pub u64);

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

/// The part of Bartizan that wrote an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeenBy {
    /// A sidecar, on a call into its service.
    Inbound,
    /// A sidecar, on a call out of its service.
    Outbound,
    /// The gateway.
    Gateway,
    /// A control process.
    Control,
    /// A node.
    Node,
    /// `bartizan up`.
    Supervisor,
    /// A sidecar that was asked by an Envoy in front of its service.
    Envoy,
    /// Nobody of ours: somebody handed it in.
    Intake,
}

/// What happened, one variant per kind of record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A request was judged and, where allowed, forwarded and answered.
    Request(Request),
    /// A TCP connection was judged and, where allowed, relayed to its end.
    Connection(Connection),
    /// A TLS handshake ended, well or not.
    Handshake(Handshake),
    /// Input was refused before there was a request to judge.
    Refused(Refused),
    /// A snapshot was published, taken up or refused.
    Config(Config),
    /// A process started or ended.
    Process(Process),
    /// An identity was handed out or refused.
    Identity(Identity),
    /// Events were lost; the counters of one arrow, since the process started.
    Loss(Loss),
    /// Trust in an open connection ended, and the connection with it.
    Ended(Ended),
    /// A rotation of the root or the issuing CA took a step.
    Rotation(Rotation),
    /// The clock of a guard or node went away from control's, or came back to it.
    Clock(Clock),
    /// A guard costs more time than its budget, or is within it again.
    Budget(Budget),
    /// A service went, or tried to go, out of the fleet through its guard.
    Egress(Egress),
    /// Somebody signed in, was refused, or has another account than before.
    Person(Person),
    /// An alert began, ended, or somebody took notice of it.
    Alert(Alerted),
    /// A program, collector or machine says something of itself.
    Telemetry(Telemetry),
    /// Policies that are tried out would have decided otherwise; told for each of them and each edge once in a while.
    Predicted(Predicted),
}

/// See [`What::Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asked: a verified identity; `None` only at the gateway (an outside client) and outbound (the own program).
    pub peer: Option<SpiffeId>,
    /// The service that was asked.
    pub to: ServiceName,
    /// HTTP method.
    pub method: Arc<str>,
    /// Path without query.
    pub path: Arc<str>,
    /// Named route, where one fits.
    pub route: Option<Arc<str>>,
    /// The action as policies see it.
    pub action: Action,
    /// The decision; `None` in mode `mtls` and outbound, where nothing is decided.
    pub decision: Option<Judged>,
    /// Status answered to the caller.
    pub status: u16,
    /// Why the proxy itself answered, where it did.
    pub error: Option<Arc<str>>,
    /// From the request's last header byte to the response's last byte, in microseconds.
    pub took_us: u32,
    /// The proxy's own share until the response's head was passed on, in microseconds.
    pub added_us: u32,
    /// The client's address; at the gateway only.
    pub client: Option<SocketAddr>,
    /// The user on whose behalf, where one was verified.
    pub user: Option<Arc<str>>,
    /// Span id of this hop.
    pub span: u64,
    /// Span id of the hop before, 0 where there was none.
    pub parent_span: u64,
}

/// A decision inside an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The policies that decided.
    pub policies: Vec<Arc<str>>,
    /// The text for people.
    pub reason: Option<Arc<str>>,
    /// The policy epoch in force.
    pub epoch: Epoch,
}

/// See [`What::Connection`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// Who connected; as in [`Request::peer`].
    pub peer: Option<SpiffeId>,
    /// The service that was asked.
    pub to: ServiceName,
    /// The decision; as in [`Request::decision`].
    pub decision: Option<Judged>,
    /// Bytes from caller to service.
    pub bytes_up: u64,
    /// Bytes from service to caller.
    pub bytes_down: u64,
    /// How long it was open, in microseconds.
    pub took_us: u64,
    /// Why it ended early, where it did.
    pub error: Option<Arc<str>>,
}

/// See [`What::Handshake`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handshake {
    /// Who the peer proved to be.
    pub peer: Option<SpiffeId>,
    /// The peer's address.
    pub remote: Option<SocketAddr>,
    /// Why it failed; `None` where it succeeded. One of the words of [`HandshakeFailure`].
    pub failure: Option<HandshakeFailure>,
    /// More on the failure, for people.
    pub detail: Option<Arc<str>>,
    /// Key exchange group, such as `X25519MLKEM768`.
    pub group: Option<Arc<str>>,
    /// Cipher suite.
    pub suite: Option<Arc<str>>,
    /// How long it took, in microseconds.
    pub took_us: u32,
}

/// Why a handshake failed; the label of a counter, so a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeFailure {
    /// The peer sent no certificate.
    NoCertificate,
    /// Its chain does not end at a root of its trust domain, or a signature is wrong.
    UntrustedIssuer,
    /// Out of date.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Of a trust domain that is not ours and not known.
    ForeignDomain,
    /// Not a valid X.509-SVID: no URI, two URIs, a CA as leaf, wrong key usage, too large.
    BadSvid,
    /// A good identity, but not the one that was dialled.
    WrongPeer,
    /// The peer gave up, or speaks no TLS 1.3.
    Protocol,
    /// It took too long.
    Timeout,
    /// Our own identity is missing or has run out, or the snapshots have.
    NotReady,
    /// A good identity that is on the deny list.
    Revoked,
}

impl HandshakeFailure {
    /// Every cause, in the order of the manual.
    pub const ALL: [Self; 11] = [
        Self::NoCertificate,
        Self::UntrustedIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::ForeignDomain,
        Self::BadSvid,
        Self::WrongPeer,
        Self::Protocol,
        Self::Timeout,
        Self::NotReady,
        Self::Revoked,
    ];

    /// The word used as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::UntrustedIssuer => "untrusted_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::ForeignDomain => "foreign_domain",
            Self::BadSvid => "bad_svid",
            Self::WrongPeer => "wrong_peer",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::NotReady => "not_ready",
            Self::Revoked => "revoked",
        }
    }
}

/// See [`What::Refused`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Who sent it, where known.
    pub peer: Option<SpiffeId>,
    /// From where.
    pub remote: Option<SocketAddr>,
    /// The rule that was broken, a short word such as `content_length_and_transfer_encoding`.
    pub rule: Arc<str>,
    /// Status answered, 0 where the connection was just closed.
    pub status: u16,
}

/// See [`What::Config`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Which snapshot.
    pub kind: Kind,
    /// Its epoch.
    pub epoch: Epoch,
    /// What became of it.
    pub change: Change,
    /// More, for people: a summary of the change or the reason of a refusal.
    pub detail: Option<Arc<str>>,
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Control signed it.
    Published,
    /// A proxy enforces it now.
    Applied,
    /// A proxy started with it from its disk.
    AppliedFromDisk,
    /// A proxy refused it and keeps the one before.
    Refused,
    /// The files that it was made from say something else now, or again what is in force.
    Drifted,
    /// An error budget locks promotion: nothing new is put in force.
    Locked,
    /// It does not any more.
    Unlocked,
    /// Something new was not put in force, since promotion is locked.
    HeldBack,
    /// Somebody said that locks do not count for a while, or something new came into force in spite of them.
    Overridden,
}

/// See [`What::Process`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// What it is: `program`, `sidecar`, `gateway`, `control`, `node`.
    pub kind: Arc<str>,
    /// Path of the executable, without arguments (they may hold secrets).
    pub executable: Arc<str>,
    /// Process id.
    pub pid: u32,
    /// True for a start, false for an end.
    pub started: bool,
    /// Exit code or signal, such as `exit 1` or `signal 9`.
    pub exit: Option<Arc<str>>,
}

/// See [`What::Identity`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// For whom.
    pub id: SpiffeId,
    /// Serial number, hex.
    pub serial: Option<Arc<str>>,
    /// End of validity.
    pub not_after: Option<Timestamp>,
    /// True where the caller had an identity already.
    pub renewal: bool,
    /// Why none was issued; `None` where one was.
    pub refused: Option<Arc<str>>,
}

/// See [`What::Loss`]. `offered = delivered + dropped + waiting` at the moment of counting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Which arrow, such as `proxy.queue` or `control.store`.
    pub arrow: Arc<str>,
    /// Events that came in.
    pub offered: u64,
    /// Events that went on.
    pub delivered: u64,
    /// Events that were dropped.
    pub dropped: u64,
}

/// See [`What::Ended`]. Relayed connections (TCP, WebSocket) end with a [`Connection`] beside it, which says how much went
/// through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who was at the other end; `None` for the own program and outside clients.
    pub peer: Option<SpiffeId>,
    /// Why.
    pub ending: Ending,
    /// More, for people: the reason on the deny list, or the policies that deny now.
    pub detail: Option<Arc<str>>,
    /// How long the connection had been open, in microseconds.
    pub open_us: u64,
    /// Requests that were under way and were cut off, a count.
    pub cut: u32,
}

/// Why trust in an open connection ended; the label of a counter, so a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The peer's certificate, or one above it, has run out.
    PeerExpired,
    /// The own certificate that it was opened with has run out.
    OwnExpired,
    /// The peer, its certificate, its key or its issuer is on the deny list.
    Revoked,
    /// The own identity is on the deny list.
    OwnRevoked,
    /// The root that the peer's chain led to is not trusted any more.
    Untrusted,
    /// The fleet file no longer says that the peer calls here, or calls it something else.
    Undeclared,
    /// Policy denies now what it allowed when the connection or request began.
    Policy,
    /// Control was silent for too long.
    SnapshotsExpired,
}

impl Ending {
    /// Every reason, in the order of the manual.
    pub const ALL: [Self; 8] = [
        Self::PeerExpired,
        Self::OwnExpired,
        Self::Revoked,
        Self::OwnRevoked,
        Self::Untrusted,
        Self::Undeclared,
        Self::Policy,
        Self::SnapshotsExpired,
    ];

    /// The word used as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PeerExpired => "peer_expired",
            Self::OwnExpired => "own_expired",
            Self::Revoked => "revoked",
            Self::OwnRevoked => "own_revoked",
            Self::Untrusted => "untrusted",
            Self::Undeclared => "undeclared",
            Self::Policy => "policy",
            Self::SnapshotsExpired => "snapshots_expired",
        }
    }
}

/// See [`What::Rotation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rotation {
    /// Counted from 1 in a data folder.
    pub number: u64,
    /// What is replaced.
    pub what: Rotated,
    /// The phase it is in now.
    pub phase: Phase,
    /// Why it stopped; `None` where it goes on.
    pub halted: Option<Arc<str>>,
    /// What happened, for people.
    pub detail: Arc<str>,
}

/// See [`What::Clock`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Whose, such as `guard accounts` or `node local`.
    pub of: Arc<str>,
    /// By how much it is ahead of control's, in seconds; negative where it is behind.
    pub ahead_s: i64,
    /// True where that is more than certificates allow for; false where it is no longer.
    pub wrong: bool,
}

/// See [`What::Budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The guard's own share of a call's time over the last seconds, 99th percentile, in microseconds.
    pub added_p99_us: u64,
    /// What it may be.
    pub budget_us: u64,
    /// True where it is more, for a while now.
    pub over: bool,
}

/// See [`What::Egress`]. A connection that lasts has two: one when it opens, where its destination is new, and one at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Egress {
    /// The name that was asked for; `None` where an address was.
    pub host: Option<Arc<str>>,
    /// The address that was, or would have been, dialled; `None` where it did not come to that.
    pub address: Option<IpAddr>,
    /// The port; 0 where a name was only looked up.
    pub port: u16,
    /// What was spoken: `https`, `http`, `tcp` or `dns`.
    pub protocol: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether this guard had not seen the destination before.
    pub first: bool,
    /// Whether no rule names it, and it went on since the guard is learning.
    pub learned: bool,
    /// Bytes from the service to the outside.
    pub bytes_up: u64,
    /// Bytes from the outside to the service.
    pub bytes_down: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Why it ended early, where it did, or more on a refusal.
    pub error: Option<Arc<str>>,
}

/// What became of an attempt to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is open, and goes on.
    Opened,
    /// It was let through, and is over.
    Closed,
    /// It was let through, and nobody answered.
    Failed,
    /// It was not let through.
    Refused(Refusal),
}

impl Egress {
    /// The destination, for people: `api.example.com:443`.
    pub fn destination(&self) -> String {
        let port = if self.port == 0 { String::new() } else { format!(":{}", self.port) };
        match (&self.host, self.address) {
            (Some(host), _) => format!("{host}{port}"),
            (None, Some(IpAddr::V6(v6))) => format!("[{v6}]{port}"),
            (None, Some(address)) => format!("{address}{port}"),
            (None, None) => "somewhere".to_owned(),
        }
    }
}

impl Clock {
    /// For people: `clock of node local is 90 s ahead`.
    pub fn text(&self) -> String {
        let Self { of, ahead_s, wrong: _ } = self;
        let way = if *ahead_s < 0 { "behind" } else { "ahead" };
        format!("clock of {of} is {} s {way}", ahead_s.unsigned_abs())
    }
}

impl Event {
    /// True for everything that was denied, refused or failed: what `bartizan events --deny` shows.
    pub fn is_denial(&self) -> bool {
        match &self.what {
            What::Request(r) => {
                r.decision.as_ref().is_some_and(|d| d.verdict == Verdict::Deny)
                    || matches!(r.status, 400 | 401 | 403 | 408 | 413 | 414 | 431) && r.error.is_some()
            }
            What::Connection(c) => c.decision.as_ref().is_some_and(|d| d.verdict == Verdict::Deny),
            What::Handshake(h) => h.failure.is_some(),
            What::Refused(_) => true,
            What::Config(c) => matches!(c.change, Change::Refused | Change::HeldBack),
            What::Identity(i) => i.refused.is_some(),
            // That a certificate runs out is the ordinary way of things.
            What::Ended(e) => !matches!(e.ending, Ending::PeerExpired | Ending::OwnExpired),
            What::Rotation(r) => r.halted.is_some(),
            What::Clock(c) => c.wrong,
            What::Egress(e) => matches!(e.outcome, Outcome::Refused(_)),
            What::Person(p) => p.deed.is_denial(),
            // Others may have denied something: what counts here is what was denied by us.
            What::Process(_) | What::Loss(_) | What::Budget(_) | What::Alert(_) | What::Telemetry(_) => false,
            // It was decided otherwise.
            What::Predicted(_) => false,
        }
    }
}
