//! Connections to the next hop: the own program in plain, a peer's sidecar over mutual TLS.
//!
//! Each worker thread keeps small pools of its own, so nobody waits for a lock. A pooled connection to a peer is bound
//! to the identities it was made with: once ours or the trust bundles change, it gets no new request.

mod dial;
mod failure;
mod http1;
mod http2;
mod local_exec;

pub use dial::PeerStream;
pub use failure::Failure;
pub(crate) use local_exec::LocalExec;

use crate::body::Upload;
use crate::counters::Counters;
use crate::ledger::{Ledger, Registered};
use crate::live::Proxy;
use bartizan_core::SpiffeId;
use http::{Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The own program, in plain.
    Program(SocketAddr),
    /// A peer's sidecar: the identity it must prove, and where it listens.
    Peer(SpiffeId, SocketAddr),
}

/// Which HTTP is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.1, one request at a time on a connection.
    Http1,
    /// HTTP/2, with prior knowledge where it is plain.
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
    http1: http1::Pool,
    http2: http2::Pool,
}

/// A response's head, and what is needed for the rest.
#[derive(Debug)]
pub struct Received {
    /// The response.
    pub response: Response<Incoming>,
    /// Keeps the connection for this response; to be given back at its end.
    pub lease: Lease,
    /// When the request was handed to the connection.
    pub sent: Instant,
    /// When the response's head was there.
    pub received: Instant,
}

/// A connection lent to one request. Dropped before the response's end, it closes an HTTP/1.1 connection.
#[derive(Debug)]
pub enum Lease {
    /// One connection, for this response alone.
    Http1(http1::Lease),
    /// One stream of a shared connection.
    Http2(http2::Lease),
}

impl Lease {
    /// What the connection is trusted for; `None` for one to the own program.
    pub fn trust(&self) -> Option<Rc<Registered>> {
        match self {
            Self::Http1(lease) => lease.trust(),
            Self::Http2(_) => None, // never switched to another protocol
        }
    }

    /// The response is through: the connection may serve the next request.
    pub fn give_back(self) {
        match self {
            Self::Http1(lease) => lease.give_back(),
            Self::Http2(lease) => drop(lease),
        }
    }
}

impl Pools {
    /// Empty pools for one worker.
    pub fn new(proxy: Arc<Proxy>, counters: Arc<Counters>, ledger: Ledger) -> Self {
        let (http1, http2) = (http1::Pool::default(), http2::Pool::default());
        Self(Rc::new(Inner { proxy, counters, ledger, http1, http2 }))
    }

    /// Sends a request and waits for the head of its response, at most `patience`.
    ///
    /// A pooled connection that turns out to be closed before anything was sent is replaced once, silently.
    /// Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(
        &self,
        target: &Target,
        version: Version,
        request: Request<Upload>,
        patience: Duration,
    ) -> Result<Received, Failure> {
        let sending = async {
            match version {
                Version::Http1 => Box::pin(self.send_http1(target, request)).await,
                Version::Http2 => Box::pin(self.send_http2(target, request)).await,
            }
        };
        tokio::time::timeout(patience, sending).await.unwrap_or(Err(Failure::Timeout))
    }

    /// Drops what is idle for too long; called every [`crate::limits::POOL_SWEEP`].
    pub fn sweep(&self) {
        let now = Instant::now();
        let generation = self.0.proxy.live().generation;
        self.0.http1.sweep(now, generation);
        self.0.http2.sweep(now, generation);
    }

    /// Closes every idle connection.
    pub fn clear(&self) {
        self.0.http1.clear();
        self.0.http2.clear();
    }
}
