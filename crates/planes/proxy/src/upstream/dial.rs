//! New connections.

use super::{Failure, Pools, Target};
use crate::counters::{Counters, as_us32};
use crate::limits;
use crate::live::{OwnIdentity, Proxy};
use bartizan_core::SpiffeId;
use bartizan_core::event::{Handshake, HandshakeFailure, SeenBy, What};
use bartizan_identity::{TrustBundles, VerifiedPeer, expect_peer, verify_peer};
use bartizan_runtime::tls::{ClientStream, HandshakeError, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;

/// A connection to a peer that proved to be the one dialled.
pub type PeerStream = ClientStream<TcpStream>;

/// What a connection to a peer was made with.
struct Means {
    identity: Arc<OwnIdentity>,
    bundles: Arc<TrustBundles>,
    generation: u64,
}

impl Pools {
    /// Connects to the own program.
    pub(crate) async fn dial_program(&self, addr: SocketAddr) -> Result<TcpStream, Failure> {
        connect(addr).await
    }

    /// Connects to a peer's sidecar, which has to prove `id` and agree on `alpn`. Gives the generation that it belongs to.
    pub(crate) async fn dial_peer(
        &self,
        id: &SpiffeId,
        mesh: SocketAddr,
        alpn: &'static str,
    ) -> Result<(PeerStream, u64), Failure> {
        let means = self.means()?;
        let socket = connect(mesh).await?;
        let began = Instant::now();
        self.0.counters.handshake_begun();
        let client = means.identity.client(alpn);
        let shaken = Box::pin(client.connect(socket, judge(means.bundles, id.clone()), limits::HANDSHAKE_TIME)).await;
        let shaken = shaken.and_then(|accepted| match accepted.about.alpn.as_deref() {
            Some(agreed) if agreed == alpn => Ok(accepted),
            _ => {
                Err(HandshakeError { failure: HandshakeFailure::Protocol, detail: format!("no agreement on `{alpn}`") })
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
                Ok((accepted.stream, means.generation))
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

    /// The generation that a pooled connection to `target` has to be of.
    pub(super) fn generation_for(&self, target: &Target) -> u64 {
        match target {
            Target::Program(_) => 0, // in plain, so no identity is bound to it
            Target::Peer(..) => self.0.proxy.live().generation,
        }
    }

    fn means(&self) -> Result<Means, Failure> {
        let live = self.0.proxy.live();
        match (live.identity_at(clock::now()), &live.bundles) {
            (Some(identity), Some(bundles)) => {
                Ok(Means { identity: identity.clone(), bundles: bundles.clone(), generation: live.generation })
            }
            _ => Err(Failure::NotReady),
        }
    }
}

fn record(proxy: &Proxy, counters: &Counters, event: Handshake) {
    counters.handshake_ended(event.failure);
    let seen_by = if proxy.is_gateway() { SeenBy::Gateway } else { SeenBy::Outbound };
    proxy.events.offer(seen_by, None, What::Handshake(event));
}

fn judge(bundles: Arc<TrustBundles>, expected: SpiffeId) -> Judge<VerifiedPeer> {
    Arc::new(move |chain| {
        let peer = verify_peer(chain, &bundles, clock::now()).and_then(|peer| expect_peer(peer, &expected));
        peer.map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
    })
}

async fn connect(addr: SocketAddr) -> Result<TcpStream, Failure> {
    listen::connect(addr, limits::CONNECT_TIME).await.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Connect(error.to_string()),
    })
}
