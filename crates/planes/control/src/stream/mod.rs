//! The gRPC side: nodes join, proxies attach.

mod admit; // start here: who is let in, and as whom
mod batches;
mod delegate; // the gateway may vouch for users
mod hello;
mod join;
mod node; // one node, from its first message to the end
mod node_answer; // what a node gets for its workloads
mod node_hello;
mod outside_token; // a service shows outside who it is
mod refusal;
mod renew;
mod session; // one proxy, from its first message to the end

use crate::app::App;
use crate::issuance::Recorded;
use crate::limits::HELLO_WITHIN;
pub(crate) use crate::stream::refusal::Refusal;
use bartizan_core::event::{Handshake, What};
use bartizan_identity::{VerifiedPeer, verify_peer};
use bartizan_runtime::control_stream::{PeerInfo, Request, Response, Status, Streaming, async_trait};
use bartizan_runtime::control_v1::control_server::Control;
use bartizan_runtime::control_v1::{
    self, ChallengeNodeReply, ChallengeNodeRequest, Down, JoinNodeReply, JoinNodeRequest, NodeDown, NodeUp, Up,
};
use bartizan_runtime::tls::{HandshakeError, Judge, JudgeError};
use bartizan_runtime::{clock, control_stream};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

/// Who is at the other end, where it showed a certificate.
pub(crate) type Peer = Arc<VerifiedPeer>;

/// The service as tonic calls it.
pub(crate) struct Desk {
    app: Arc<App>,
}

impl Desk {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[async_trait]
impl Control for Desk {
    type AttachStream = ReceiverStream<Result<Down, Status>>;

    async fn join_node(&self, request: Request<JoinNodeRequest>) -> Result<Response<JoinNodeReply>, Status> {
        let (peer, _remote) = self.caller(&request);
        let joined = Box::pin(join::join(&self.app, request.into_inner(), peer.as_deref())).await;
        let svid = joined.map_err(|refusal| refusal.status())?;
        Ok(Response::new(JoinNodeReply { svid: Some(wire(svid, false)) }))
    }

    async fn challenge_node(&self, _: Request<ChallengeNodeRequest>) -> Result<Response<ChallengeNodeReply>, Status> {
        let challenge = self.app.attestation.challenge(clock::now()).map_err(|refusal| refusal.status())?;
        Ok(Response::new(ChallengeNodeReply { challenge }))
    }

    type AttachNodeStream = ReceiverStream<Result<NodeDown, Status>>;

    async fn attach_node(
        &self,
        request: Request<Streaming<NodeUp>>,
    ) -> Result<Response<Self::AttachNodeStream>, Status> {
        let (peer, remote) = self.caller(&request);
        let (down, replies) = mpsc::channel(crate::limits::DOWN_QUEUE_MAX);
        tokio::spawn(node::run(Arc::clone(&self.app), request.into_inner(), down, peer, remote));
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn attach(&self, request: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        let (peer, remote) = self.caller(&request);
        let (down, replies) = mpsc::channel(crate::limits::DOWN_QUEUE_MAX);
        // The answer's head goes out at once: a client may wait for it before it says who it is.
        tokio::spawn(session::run(Arc::clone(&self.app), request.into_inner(), down, peer, remote));
        Ok(Response::new(ReceiverStream::new(replies)))
    }
}

impl Desk {
    /// Who called. Counts the handshake behind it: a connection carries one call as a rule.
    fn caller<T>(&self, request: &Request<T>) -> (Option<Peer>, Option<SocketAddr>) {
        let info = request.extensions().get::<PeerInfo<Peer>>();
        let peer = info.and_then(|info| info.peer.clone());
        let remote = info.map(|info| info.remote);
        self.app.count_handshake(None);
        let id = peer.as_ref().map(|peer| peer.id().clone());
        self.app.own_events.write(None, handshake(id, remote, None));
        (peer, remote)
    }
}

/// Judges the certificates that clients of our port show: any good identity of our own trust domain gets a connection,
/// what it may do there is decided per call.
pub(crate) fn judge(app: &Arc<App>) -> Judge<Peer> {
    let app = Arc::clone(app);
    Arc::new(move |chain| {
        let authority = app.authority();
        let judged = verify_peer(chain, authority.bundles(), clock::now());
        let judged = judged.and_then(|peer| app.in_force().denied.admit(peer));
        judged.map(Arc::new).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
    })
}

/// Counts and reports a handshake at our port that failed.
pub(crate) fn on_failure(app: &Arc<App>) -> control_stream::OnFailure {
    let app = Arc::clone(app);
    Arc::new(move |remote, error| {
        app.count_handshake(Some(error.failure));
        app.own_events.write(None, handshake(None, Some(remote), Some(error)));
    })
}

fn handshake(peer: Option<bartizan_core::SpiffeId>, remote: Option<SocketAddr>, error: Option<HandshakeError>) -> What {
    What::Handshake(Handshake {
        peer,
        remote,
        failure: error.as_ref().map(|error| error.failure),
        detail: error.map(|error| error.detail.into()),
        group: None,
        suite: None,
        took_us: 0,
    })
}

/// The first message of a stream, where `hello` finds in it what a first message has to be.
async fn first_message<T, H>(ups: &mut Streaming<T>, hello: impl Fn(T) -> Option<H>) -> Result<H, Refusal> {
    let first = timeout(HELLO_WITHIN, ups.message()).await;
    let first =
        first.map_err(|_| Refusal::exhausted(format!("no first message within {} s", HELLO_WITHIN.as_secs())))?;
    let message = first
        .map_err(|status| Refusal::malformed(format!("the first message cannot be read: {}", status.message())))?;
    let message = message.ok_or_else(|| Refusal::malformed("the stream ended before its first message"))?;
    hello(message).ok_or_else(|| Refusal::malformed("the first message is not Hello"))
}

/// An identity as it travels.
fn wire(recorded: Recorded, edge: bool) -> control_v1::Svid {
    let svid = recorded.into_svid();
    control_v1::Svid {
        chain: svid.chain,
        not_before_ms: svid.not_before.as_millis(),
        not_after_ms: svid.not_after.as_millis(),
        edge,
    }
}
