//! New connections.

use super::{Failure, Pools, Target};
use crate::counters::{Counters, as_us32};
use crate::inside;
use crate::ledger::Registered;
use crate::limits;
use crate::live::{ALPN_HTTP2, ALPN_LEG, OwnIdentity, Proxy};
use crate::shortage;
use bartizan_core::event::{Handshake, HandshakeFailure, SeenBy, What};
use bartizan_core::{SpiffeId, Timestamp};
use bartizan_identity::{VerifiedPeer, expect_peer};
use bartizan_runtime::tls::{ClientStream, HandshakeError, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;

/// The generation of no connection: whoever asks for it opens one of its own.
const NONE_POOLED: u64 = u64::MAX;

/// A connection to a peer that proved to be the one dialled.
pub type PeerStream = ClientStream<TcpStream>;

/// A connection to a peer, in the ledger.
#[derive(Debug)]
pub(crate) struct Dialled {
    /// The connection.
    pub stream: PeerStream,
    /// What it is trusted for.
    pub trust: Registered,
    /// The generation of identity and bundles that it belongs to.
    pub generation: u64,
    /// Our own leg was agreed on.
    pub is_leg: bool,
}

/// What a connection to a peer was made with.
struct Means {
    identity: Arc<OwnIdentity>,
    generation: u64,
}

impl Pools {
    /// Connects to the own program.
    pub(crate) async fn dial_program(&self, addr: SocketAddr) -> Result<TcpStream, Failure> {
        self.reached(inside::dial_program(self.0.proxy.inside.get().map(|it| &**it), addr).await, addr)
    }

    /// Connects to a peer's program where no guard stands. Nobody proves anything.
    pub(crate) async fn dial_plain(&self, addr: SocketAddr) -> Result<TcpStream, Failure> {
        self.reached(listen::connect(addr, limits::CONNECT_TIME).await, addr)
    }

    /// Connects to a peer's sidecar, which has to prove `id` and agree on one of `alpn`.
    pub(crate) async fn dial_peer(
        &self,
        id: &SpiffeId,
        mesh: SocketAddr,
        alpn: &[&'static str],
    ) -> Result<Dialled, Failure> {
        let means = self.means()?;
        let socket = self.dial_plain(mesh).await?;
        let began = Instant::now();
        self.0.counters.handshake_begun();
        let limited = means.identity.client(alpn).limited_to(self.0.proxy.live().tls_groups());
        let client = limited
            .map_err(|error| Failure::Handshake { failure: HandshakeFailure::NotReady, detail: error.to_string() })?;
        let shaken = Box::pin(client.connect(socket, judge(&self.0.proxy, id.clone()), limits::HANDSHAKE_TIME)).await;
        let shaken = shaken.and_then(|accepted| match accepted.about.alpn.as_deref() {
            Some(agreed) if alpn.contains(&agreed) => Ok(accepted),
            // Others than guards may name none (RFC 7301 section 3.1): then the oldest of what is spoken is meant, and not HTTP/2.
            None if !alpn.contains(&ALPN_HTTP2) => Ok(accepted),
            _ => {
                let detail = format!("no agreement on `{}`", alpn.join("` or `"));
                Err(HandshakeError { failure: HandshakeFailure::Protocol, detail })
            }
        });
        let (proxy, counters) = (&self.0.proxy, &self.0.counters);
        match shaken {
            Ok(accepted) => {
                let event = Handshake {
                    peer: accepted.peer.as_ref().map(|peer| peer.id().clone()),
                    remote: Some(mesh),
                    failure: None,
                    detail: None,
                    group: Some(accepted.about.group),
                    suite: Some(accepted.about.suite),
                    took_us: accepted.about.took_us,
                };
                record(proxy, counters, event);
                let is_leg = accepted.about.alpn.as_deref() == Some(ALPN_LEG);
                let (stream, generation) = (accepted.stream, means.generation);
                let trust = self.trust(accepted.peer, means.identity.not_after);
                trust.map(|trust| Dialled { stream, trust, generation, is_leg })
            }
            Err(HandshakeError { failure, detail }) => {
                let event = Handshake {
                    peer: None,
                    remote: Some(mesh),
                    failure: Some(failure),
                    detail: Some(detail.as_str().into()),
                    group: None,
                    suite: None,
                    took_us: as_us32(began.elapsed()),
                };
                record(proxy, counters, event);
                Err(Failure::Handshake { failure, detail })
            }
        }
    }

    fn reached(&self, dialled: io::Result<TcpStream>, addr: SocketAddr) -> Result<TcpStream, Failure> {
        dialled.map_err(|error| match (error.kind(), listen::shortage(&error)) {
            (io::ErrorKind::TimedOut, _) => Failure::ConnectTimeout,
            (_, Some(shortage)) => {
                shortage::tell(&self.0.proxy, shortage, Some(addr));
                Failure::Exhausted(shortage)
            }
            (_, None) => Failure::Connect(error.to_string()),
        })
    }

    /// Takes a connection up in the ledger. Certificates are required: without one there is no handshake.
    fn trust(&self, peer: Option<VerifiedPeer>, own_not_after: Timestamp) -> Result<Registered, Failure> {
        let seen_by = if self.0.proxy.is_gateway() { SeenBy::Gateway } else { SeenBy::Outbound };
        let peer = peer.ok_or(Failure::NotReady)?;
        self.0.ledger.register(seen_by, peer, own_not_after).map_err(|ending| Failure::Handshake {
            failure: HandshakeFailure::Revoked,
            detail: format!("trust ended while it was connected: {}", ending.as_str()),
        })
    }

    /// The generation that a pooled connection to `target` has to be of.
    pub(super) fn generation_for(&self, target: &Target) -> u64 {
        match target {
            Target::Program(_) | Target::Plain(_) => 0, // in plain, so no identity is bound to it
            Target::Peer(..) => {
                let live = self.0.proxy.live();
                let reuse = live.directory.as_ref().is_none_or(|directory| directory.tuning.reuse);
                if reuse { live.generation } else { NONE_POOLED }
            }
        }
    }

    fn means(&self) -> Result<Means, Failure> {
        let live = self.0.proxy.live();
        match (live.identity_at(clock::now()), &live.bundles) {
            (Some(identity), Some(_)) => Ok(Means { identity: identity.clone(), generation: live.generation }),
            _ => Err(Failure::NotReady),
        }
    }
}

fn record(proxy: &Proxy, counters: &Counters, event: Handshake) {
    counters.handshake_ended(event.failure);
    let seen_by = if proxy.is_gateway() { SeenBy::Gateway } else { SeenBy::Outbound };
    proxy.events.offer(seen_by, None, What::Handshake(event));
}

/// Judges the peer by the picture of the moment it shows its certificate.
fn judge(proxy: &Arc<Proxy>, expected: SpiffeId) -> Judge<VerifiedPeer> {
    let proxy = Arc::clone(proxy);
    Arc::new(move |chain| {
        let peer = proxy.live().verify(chain, clock::now()).and_then(|peer| expect_peer(peer, &expected));
        peer.map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
    })
}
