//! What is known of one accepted connection, and what its requests share.

use crate::alarm::Alarms;
use crate::balance::guard::Balance;
use crate::counters::{Counters, Edge, Open};
use crate::ledger::{Ledger, Registered};
use crate::leg::{Asked, Lanes};
use crate::live::{Live, Proxy};
use crate::relay::{self, First};
use crate::upstream::Pools;
use crate::users;
use bartizan_core::event::SeenBy;
use bartizan_core::{ServiceName, SpiffeId, TrustDomain};
use bartizan_identity::VerifiedPeer;
use bartizan_policy::Memo;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is spoken on a connection that brings requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP/1.1, one request at a time.
    Http1,
    /// HTTP/2.
    Http2,
    /// Our own leg between guards; see [`crate::leg`].
    Leg,
}

/// Which of the proxy's doors a connection came through.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Mutual TLS from another sidecar, for the own program.
    Inbound,
    /// Plain, from the own program, for this callee.
    Outbound(ServiceName),
    /// TLS from outside the fleet.
    Gateway,
}

impl Side {
    /// The word in events.
    pub fn seen_by(&self) -> SeenBy {
        match self {
            Self::Inbound => SeenBy::Inbound,
            Self::Outbound(_) => SeenBy::Outbound,
            Self::Gateway => SeenBy::Gateway,
        }
    }
}

/// A peer that proved to be somebody who may call: a service of our trust domain, or one whom the directory names.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its service, or its name in the fleet file.
    pub name: ServiceName,
    /// Whether it is one that the directory names, and not a service that has its name from its certificate.
    named: bool,
    /// The proof.
    pub peer: VerifiedPeer,
}

impl Caller {
    /// The caller behind a verified peer, where it is one; see [`Live::caller_name`].
    pub fn of(peer: VerifiedPeer, domain: &TrustDomain, live: &Live) -> Option<Self> {
        let name = live.caller_name(&peer)?;
        let is_service = live.is_service_here(&peer, domain);
        Some(Self { name, named: !is_service, peer })
    }

    /// Its identity, where policies have to know it by that; see [`bartizan_policy::Ask::id`].
    pub fn id(&self) -> Option<&SpiffeId> {
        self.named.then(|| self.peer.id())
    }
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Trust in it is over.
    AtOnce,
    /// After what is under way.
    Soon,
}

/// What one worker thread has for itself.
#[derive(Debug)]
pub struct Worker {
    /// What all threads share.
    pub proxy: Arc<Proxy>,
    /// This worker's counters.
    pub counters: Arc<Counters>,
    /// Its open connections, with what they are trusted for.
    pub ledger: Ledger,
    /// Its connections to programs and peers.
    pub pools: Pools,
    /// Its tasks that answer requests of legs.
    pub lanes: Rc<Lanes<Asked>>,
    /// Its deadlines.
    pub alarms: Alarms,
    /// Which instances of callees get its calls.
    pub balance: Balance,
    /// Users' tokens that it found good.
    pub users: RefCell<users::Memory>,
    /// Who speaks first on connections to callees of unknown protocol, as far as that was seen.
    pub speaks_first: RefCell<HashMap<ServiceName, First>>,
    /// Copies under way.
    pub copies: Cell<usize>,
    /// Every task that serves somebody.
    pub tasks: TaskTracker,
    /// Cancelled when the process stops: relays end, and nothing new begins.
    pub stop: CancellationToken,
}

impl Worker {
    /// When relays end although both ends go on.
    pub fn stopping(&self) -> relay::Stop<'_> {
        relay::Stop { stop: &self.stop, drain: &self.proxy.drain }
    }
}

/// A connection's place among [`crate::limits::CONNECTIONS_MAX`] and in the counter of open ones, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    /// From the listener's semaphore.
    pub permit: OwnedSemaphorePermit,
    /// From the worker's counters.
    pub open: Open,
}

/// An accepted connection before anything was read from it.
#[derive(Debug)]
pub struct Fresh {
    /// The thread it runs on.
    pub worker: Rc<Worker>,
    /// The socket.
    pub stream: TcpStream,
    /// The other end's address.
    pub remote: SocketAddr,
    /// Its slot.
    pub slot: Slot,
    /// Cancelled when its listener goes away.
    pub stop: CancellationToken,
}

/// What stays of [`Fresh`] once its stream went into TLS or HTTP.
#[derive(Debug)]
pub struct About {
    /// The thread it runs on.
    pub worker: Rc<Worker>,
    /// The other end's address.
    pub remote: SocketAddr,
    /// Its slot.
    pub slot: Slot,
}

/// One accepted connection that speaks HTTP. Its requests run on one thread, so plain cells do.
#[derive(Debug)]
pub struct Conn {
    /// The thread it runs on.
    pub worker: Rc<Worker>,
    /// Its door.
    pub side: Side,
    /// The other end's address.
    pub remote: SocketAddr,
    /// The other end's identity; always there inbound, and at the gateway where the client showed one.
    pub caller: Option<Caller>,
    /// Its place in the ledger.
    pub trust: Registered,
    /// Decisions made on it.
    pub memo: RefCell<Memo>,
    /// In what requests come.
    pub carrier: Carrier,
    /// The host that the client asked for in its handshake, in lower case; at the gateway, where it named one.
    pub server_name: Option<Box<str>>,
    /// Counters of calls from this caller; `None` outbound.
    pub inbound_edge: Option<Arc<Edge>>,
    /// Requests not finished yet.
    pub in_flight: Cell<usize>,
    /// When the last one finished.
    pub idle_since: Cell<Instant>,
    /// Kept as long as anything of the connection lives, a protocol it was switched to among them.
    _slot: Slot,
}

impl Conn {
    /// A connection that was just accepted.
    pub fn new(about: About, side: Side, caller: Option<Caller>, trust: Registered, carrier: Carrier) -> Rc<Self> {
        Rc::new(Self::of(about, side, caller, trust, carrier))
    }

    /// One from outside the fleet.
    pub fn at_edge(
        about: About,
        caller: Option<Caller>,
        trust: Registered,
        carrier: Carrier,
        server_name: Option<Box<str>>,
    ) -> Rc<Self> {
        Rc::new(Self { server_name, ..Self::of(about, Side::Gateway, caller, trust, carrier) })
    }

    fn of(about: About, side: Side, caller: Option<Caller>, trust: Registered, carrier: Carrier) -> Self {
        let About { worker, remote, slot } = about;
        let inbound_edge = match (&side, &caller) {
            (Side::Outbound(_), _) => None,
            (Side::Inbound, None) => Some(worker.counters.inbound(bartizan_core::name::UNAUTHENTICATED)),
            (_, caller) => Some(worker.counters.inbound(caller.as_ref().map_or("", |c| c.name.as_str()))),
        };
        Self {
            worker,
            side,
            remote,
            caller,
            trust,
            memo: RefCell::default(),
            carrier,
            server_name: None,
            inbound_edge,
            in_flight: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            _slot: slot,
        }
    }

    /// What all threads share.
    pub fn proxy(&self) -> &Arc<Proxy> {
        &self.worker.proxy
    }

    /// True where many requests are under way at once.
    pub fn is_shared(&self) -> bool {
        self.carrier != Carrier::Http1
    }

    /// As [`Conn::late_or`], or when trust in the connection is over.
    pub async fn until_left(&self, stop: &CancellationToken) -> Left {
        tokio::select! {
            biased;
            () = self.trust.until_over() => Left::AtOnce,
            () = self.late_or(stop) => Left::Soon,
        }
    }

    /// Ends when `stop` fires or the connection had better end by itself, since trust in it soon does.
    pub async fn late_or(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.trust.until_late() => {}
            () = stop.cancelled() => {}
        }
    }
}
