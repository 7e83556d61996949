//! Connections to the next hop: the own program in plain, a peer's sidecar over mutual TLS, and in plain a peer without one.
//!
//! Each worker thread keeps small pools of its own, so nobody waits for a lock. A pooled connection to a peer is bound
//! to the identities it was made with: once ours or the trust bundles change, it gets no new request.

mod dial;
mod failure;
mod http1;
mod http2;
mod leg;
mod local_exec;

pub(crate) use dial::Dialled;
pub use dial::PeerStream;
pub use failure::Failure;
pub use http2::Lease as Http2Lease;
pub(crate) use local_exec::LocalExec;

use crate::alarm::Alarms;
use crate::counters::Counters;
use crate::interim::Interims;
use crate::ledger::{Ledger, Registered};
use crate::live::Proxy;
use crate::message::{Body, RequestHead, ResponseHead};
use crate::users::{TXN_DELEGATION, TXN_TOKEN};
use bartizan_core::SpiffeId;
use http::Method;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The own program, in plain.
    Program(SocketAddr),
    /// A peer's sidecar: the identity it must prove, and where it listens.
    Peer(SpiffeId, SocketAddr),
    /// A peer's program where no guard stands, in plain.
    Plain(SocketAddr),
}

impl Target {
    /// A callee at `addr`: its guard, which has to prove `id`; without one its program.
    pub fn callee(id: Option<SpiffeId>, addr: SocketAddr) -> Self {
        id.map_or(Self::Plain(addr), |id| Self::Peer(id, addr))
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        let (Self::Program(addr) | Self::Peer(_, addr) | Self::Plain(addr)) = self;
        *addr
    }

    /// Whether a program is spoken to, to which no identity is bound.
    fn is_program(&self) -> bool {
        matches!(self, Self::Program(_) | Self::Plain(_))
    }
}

/// By the address alone, which tells nearly all of them apart: a pool is looked through for each request.
impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addr().hash(state);
    }
}

/// Which HTTP is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1; to a peer that can, over our own leg.
    Http1,
    /// HTTP/1.1 on a connection of its own, which may be switched to another protocol.
    Switchable,
    /// HTTP/2, with prior knowledge where it is plain; to a peer that can, over our own leg.
    Http2,
}

/// One worker's connections.
#[derive(Clone, Debug)]
pub struct Pools(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
    ledger: Ledger,
    alarms: Alarms,
    http1: http1::Pool,
    http2: http2::Pool,
    legs: leg::Pool,
}

/// A request on its way to the next hop.
#[derive(Debug)]
pub struct Outgoing {
    /// The head.
    pub head: RequestHead,
    /// The body. Taken out once it is handed to a connection, and put back where that turns out to be as if it never was.
    pub body: Option<Body>,
    /// Where interim responses go.
    interims: Interims,
}

impl Outgoing {
    /// From its parts; nobody hears of interim responses.
    pub fn new(head: RequestHead, body: Body) -> Self {
        Self { head, body: Some(body), interims: Interims::default() }
    }

    /// With somebody who is to hear of interim responses.
    pub fn with_interims(self, interims: Interims) -> Self {
        Self { interims, ..self }
    }

    /// The head, and the body to be handed to a connection.
    fn hand_over(&mut self) -> (&RequestHead, Body, Interims) {
        (&self.head, self.body.take().unwrap_or_default(), self.interims.clone())
    }
}

/// A response's head, and its body to come.
#[derive(Debug)]
pub struct Received {
    /// The head.
    pub head: ResponseHead,
    /// The body; dropped before its end, it gives the rest up.
    pub body: Body,
    /// When the request was handed to the connection.
    pub sent: Instant,
    /// When the response's head was there.
    pub received: Instant,
    /// What a connection is trusted for that may be switched to another protocol.
    pub peer: Option<Rc<Registered>>,
}

/// Whether a request may be sent again although it may have been worked on (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS)
}

impl Pools {
    /// Empty pools for one worker.
    pub fn new(proxy: Arc<Proxy>, counters: Arc<Counters>, ledger: Ledger, alarms: Alarms) -> Self {
        let (http1, http2, legs) = (http1::Pool::default(), http2::Pool::default(), leg::Pool::default());
        Self(Rc::new(Inner { proxy, counters, ledger, alarms, http1, http2, legs }))
    }

    /// Sends a request and waits for the head of its response, at most `patience`.
    ///
    /// A pooled connection that turns out to be closed is replaced once, silently, where the request was not sent or may be sent
    /// again. Dropping the future gives the request up. The body stays with `request` where no connection came about.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(
        &self,
        target: &Target,
        version: Version,
        request: &mut Outgoing,
        patience: Duration,
    ) -> Result<Received, Failure> {
        if matches!(target, Target::Plain(_)) {
            // Nobody there checks on whose behalf it is, and anybody on the way could read it and say it again.
            [TXN_TOKEN, TXN_DELEGATION].into_iter().for_each(|name| request.head.fields.remove(name));
        }
        let alarm = self.0.alarms.alarm();
        alarm.set(patience);
        let mut sending = pin!(async {
            match (version, target) {
                (Version::Http1 | Version::Http2, Target::Peer(..)) => self.send_leg(target, version, request).await,
                (Version::Http1 | Version::Switchable, _) => self.send_http1(target, request).await,
                (Version::Http2, Target::Program(_) | Target::Plain(_)) => {
                    Box::pin(self.send_http2(target, request)).await
                }
            }
        });
        poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Pending => alarm.poll(cx).map(|()| Err(Failure::Timeout)),
            ready => ready,
        })
        .await
    }

    /// Drops what is idle for too long; called every [`crate::limits::POOL_SWEEP`].
    pub fn sweep(&self) {
        let now = Instant::now();
        let generation = self.0.proxy.live().generation;
        self.0.http1.sweep(now, generation);
        self.0.http2.sweep(now, generation);
        self.0.legs.sweep(now, generation);
    }

    /// Closes every idle connection.
    pub fn clear(&self) {
        self.0.http1.clear();
        self.0.http2.clear();
        self.0.legs.clear();
    }
}
