//! A CA for one test, and a control that knows nothing but `JoinNode`.

use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr, random};
use bartizan_identity::{IssuingCa, RootCa, TrustBundles, VerifiedPeer, verify_peer};
use bartizan_runtime::control_stream::{
    self, ALPN, OnFailure, PeerInfo, Request, Response, Status, Streaming, async_trait,
};
use bartizan_runtime::control_v1::control_server::Control;
use bartizan_runtime::control_v1::{
    ChallengeNodeReply, ChallengeNodeRequest, Down, JoinNodeReply, JoinNodeRequest, NodeDown, NodeUp, Svid, Up,
};
use bartizan_runtime::tls::{self, ClientAuth, Identity, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::parse("bank.test").unwrap()
}

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

pub(crate) fn node_id() -> SpiffeId {
    SpiffeId::of(&domain(), &Role::Node(name("local")))
}

/// A root with one issuing CA.
pub(crate) struct Authority {
    root: Vec<u8>,
    issuing: IssuingCa,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Some hours old, so that it can have issued what has nearly run out.
        let now = clock::now().minus(4 * bartizan_core::limits::LEAF_TTL);
        let root = RootCa::create(&domain(), KeyPair::generate().unwrap(), random::bytes(), now).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = csr::check(&csr::make(&key).unwrap()).unwrap();
        let certificate = root.sign_issuing(&request, random::bytes(), now).unwrap();
        let issuing = IssuingCa::new(key, &certificate, &domain()).unwrap();
        Self { root: root.certificate().to_vec(), issuing }
    }

    pub(crate) fn bundles(&self) -> TrustBundles {
        TrustBundles::of(&domain(), vec![self.root.clone()]).unwrap()
    }

    pub(crate) fn pem(&self) -> String {
        cert::pem(&self.root)
    }

    pub(crate) fn issue(&self, spki: &[u8], id: &SpiffeId, now: Timestamp) -> bartizan_identity::Svid {
        self.issuing.issue(spki, id, random::bytes(), now).unwrap()
    }

    pub(crate) fn identity(&self, id: &SpiffeId) -> (KeyPair, Vec<Vec<u8>>) {
        let key = KeyPair::generate().unwrap();
        let svid = self.issue(key.public_spki(), id, clock::now());
        (key, svid.chain)
    }
}

/// What the test's control saw and does.
#[derive(Default)]
pub(crate) struct Book {
    /// The token it takes, once.
    pub(crate) token: Option<String>,
    /// Renewals, by the name in the certificate that came along.
    pub(crate) renewed: Vec<SpiffeId>,
    /// Whether it says no to them.
    pub(crate) refuse_renewals: bool,
    /// How long the identities are still good for; the rest of their hour is past.
    pub(crate) life: Option<Duration>,
    /// Handshakes that failed.
    pub(crate) failed: u32,
}

/// A control that only lets nodes join.
#[derive(Clone)]
pub(crate) struct TestControl {
    pub(crate) authority: Arc<Authority>,
    pub(crate) book: Arc<Mutex<Book>>,
}

#[async_trait]
impl Control for TestControl {
    type AttachNodeStream = tokio_stream::Empty<Result<NodeDown, Status>>;

    async fn attach_node(&self, _: Request<Streaming<NodeUp>>) -> Result<Response<Self::AttachNodeStream>, Status> {
        Err(Status::unimplemented("this control knows nothing of workloads"))
    }

    async fn challenge_node(&self, _: Request<ChallengeNodeRequest>) -> Result<Response<ChallengeNodeReply>, Status> {
        Err(Status::permission_denied("no certificate vouches for nodes here"))
    }

    type AttachStream = tokio_stream::Empty<Result<Down, Status>>;

    async fn join_node(&self, request: Request<JoinNodeRequest>) -> Result<Response<JoinNodeReply>, Status> {
        let peer = request.extensions().get::<PeerInfo<VerifiedPeer>>().and_then(|info| info.peer.clone());
        let request = request.into_inner();
        let id = SpiffeId::of(&domain(), &Role::Node(name(&request.name)));
        let mut book = self.book.lock().unwrap();
        let shown = request.token + &request.kubernetes_token;
        if shown.is_empty() {
            let peer = peer.ok_or_else(|| Status::unauthenticated("a renewal needs a certificate"))?;
            if *peer.id() != id {
                return Err(Status::permission_denied("that is somebody else's name"));
            }
            if book.refuse_renewals {
                return Err(Status::permission_denied("not admitted"));
            }
            book.renewed.push(id.clone());
        } else if book.token.take().as_ref() != Some(&shown) {
            return Err(Status::permission_denied("join token is not known"));
        }
        let hour = bartizan_core::limits::LEAF_TTL;
        let now = clock::now().minus(hour - book.life.unwrap_or(hour));
        let svid = self.authority.issue(&csr::check(&request.csr).unwrap().spki, &id, now);
        let (not_before_ms, not_after_ms) = (svid.not_before.as_millis(), svid.not_after.as_millis());
        Ok(Response::new(JoinNodeReply {
            svid: Some(Svid { chain: svid.chain, not_before_ms, not_after_ms, edge: false }),
        }))
    }

    async fn attach(&self, _: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("nodes do not attach"))
    }
}

/// Serves until `stop` fires, under the name `id`.
pub(crate) fn serve(control: TestControl, id: &SpiffeId, stop: CancellationToken) -> SocketAddr {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let (key, chain) = control.authority.identity(id);
    let server = tls::Server::new(&Identity::new(&chain, &key).unwrap(), ClientAuth::Optional, ALPN).unwrap();
    let bundles = control.authority.bundles();
    let judge: Judge<VerifiedPeer> = Arc::new(move |chain| {
        verify_peer(chain, &bundles, clock::now()).map_err(|r| JudgeError { failure: r.failure, detail: r.detail })
    });
    let server = Arc::new(arc_swap::ArcSwap::from_pointee(server));
    let book = Arc::clone(&control.book);
    let count: OnFailure = Arc::new(move |_, _| book.lock().unwrap().failed += 1);
    tokio::spawn(async move {
        control_stream::serve(listener, server, judge, control, count, stop).await.unwrap();
    });
    addr
}
