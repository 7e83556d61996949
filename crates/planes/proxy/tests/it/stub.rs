//! A control process as small as can be, made by hand.

use crate::client::{get, talk, until};
use crate::programs;
use crate::world::{World, free_addr, policies};
use arc_swap::ArcSwap;
use bartizan_core::deny::DenyList;
use bartizan_core::event::Event;
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::{Directory, Epoch, Inbound, Kind, Policies, Signed};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{csr, random};
use bartizan_identity::{Svid, envelope, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{self, PeerInfo, Request, Response, Status, Streaming, async_trait};
use bartizan_runtime::control_v1 as v1;
use bartizan_runtime::control_v1::control_server::Control;
use bartizan_runtime::tls::{self, ClientAuth, JudgeError};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// A control process as small as can be.
pub struct Stub {
    pub world: World,
    key: KeyPair,
    chain: Vec<Vec<u8>>,
    pub refuse_all: bool,
    pub state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    snapshots: Vec<Vec<u8>>,
    pub confirm: bool,
    pub hellos: Vec<(v1::Hello, Option<SpiffeId>)>,
    pub acks: Vec<v1::Ack>,
    pub batches: Vec<(u64, Vec<Event>)>,
    pub stats: Option<ProxyStats>,
    pub installed: Vec<v1::Installed>,
    pub keys: Vec<Vec<u8>>,
    streams: Vec<mpsc::Sender<Result<v1::Down, Status>>>,
}

/// A handler of the stub; what the server owns.
struct Handler(Arc<Stub>);

impl Stub {
    pub fn new(world: World) -> Self {
        let (svid, key) = world.svid(&SpiffeId::of(&world.domain, &Role::Control));
        let state = Mutex::new(State { confirm: true, ..State::default() });
        Self { world, key, chain: svid.chain, refuse_all: false, state }
    }

    pub fn signed<P: Serialize>(&self, kind: Kind, epoch: u64, payload: P) -> Vec<u8> {
        let (epoch, issued_at, trust_domain) = (Epoch(epoch), clock::now(), self.world.domain.clone());
        let signed = Signed { kind, epoch, issued_at, trust_domain, payload };
        envelope::to_json(&envelope::sign(&signed, &self.key, &self.chain).unwrap())
    }

    /// For the streams to come and those that are open.
    pub async fn publish(&self, snapshot: Vec<u8>) {
        let streams = {
            let mut state = self.state.lock().unwrap();
            state.snapshots.push(snapshot.clone());
            state.streams.clone()
        };
        for stream in streams {
            let _ =
                stream.send(Ok(down(v1::down::Message::Snapshot(v1::Snapshot { envelope: snapshot.clone() })))).await;
        }
    }

    /// Names a time for the next certificate to every open stream.
    pub async fn renew_at(&self, at_ms: u64) {
        let streams = self.state.lock().unwrap().streams.clone();
        for stream in streams {
            let order = v1::RenewAt { at_ms, reason: "a test".into(), edge: false };
            let _ = stream.send(Ok(down(v1::down::Message::RenewAt(order)))).await;
        }
    }

    pub async fn publish_all(&self, directory: &Directory, policies: &Policies) {
        self.publish(self.signed(Kind::Bundles, 1, self.world.bundles.snapshot())).await;
        self.publish(self.signed(Kind::DenyList, 1, DenyList::default())).await;
        self.publish(self.signed(Kind::Policies, 1, policies)).await;
        self.publish(self.signed(Kind::Directory, 1, directory)).await;
    }

    fn issue(&self, service: &str, request: &[u8], edge: bool) -> v1::Svid {
        let key = csr::check(request).unwrap();
        self.state.lock().unwrap().keys.push(key.spki.clone());
        let (now, id) = (clock::now(), self.world.id(service));
        let svid: Svid = if edge {
            let ips = ["127.0.0.1".parse().unwrap()];
            self.world.ca.issue_edge(&key.spki, &["localhost".into()], &ips, random::bytes(), now).unwrap()
        } else {
            self.world.ca.issue(&key.spki, &id, random::bytes(), now).unwrap()
        };
        let (not_before_ms, not_after_ms) = (svid.not_before.as_millis(), svid.not_after.as_millis());
        v1::Svid { chain: svid.chain, not_before_ms, not_after_ms, edge }
    }

    fn hear(&self, service: &mut String, peer: Option<SpiffeId>, message: v1::up::Message) -> Vec<v1::down::Message> {
        use v1::down::Message as Down;
        use v1::up::Message as Up;
        let mut state = self.state.lock().unwrap();
        match message {
            Up::Hello(hello) => {
                service.clone_from(&hello.service);
                state.hellos.push((hello.clone(), peer));
                let snapshots = state.snapshots.clone();
                drop(state);
                let mut answers = Vec::new();
                if !hello.csr.is_empty() {
                    answers.push(Down::Svid(self.issue(service, &hello.csr, false)));
                }
                answers.extend(snapshots.into_iter().map(|envelope| Down::Snapshot(v1::Snapshot { envelope })));
                answers
            }
            Up::Clock(_) | Up::Retiring(_) | Up::Delegate(_) | Up::Login(_) | Up::MintOutside(_) => vec![],
            Up::Ack(ack) => {
                state.acks.push(ack);
                vec![]
            }
            Up::Installed(installed) => {
                state.installed.push(installed);
                vec![]
            }
            Up::Renew(renew) => {
                drop(state);
                vec![Down::Svid(self.issue(service, &renew.csr, renew.edge))]
            }
            Up::Events(events) => {
                let records = events.records.iter().map(|r| postcard::from_bytes(r).unwrap()).collect();
                state.batches.push((events.batch, records));
                if state.confirm { vec![Down::EventsStored(v1::EventsStored { batch: events.batch })] } else { vec![] }
            }
            Up::Stats(stats) => {
                state.stats = Some(postcard::from_bytes(&stats.totals).unwrap());
                vec![]
            }
        }
    }

    pub fn acked(&self, kind: Kind, epoch: u64, refused: bool) -> bool {
        let state = self.state.lock().unwrap();
        state.acks.iter().any(|a| a.kind == kind.as_str() && a.epoch == epoch && a.refused.is_empty() != refused)
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().batches.iter().flat_map(|(_, events)| events.clone()).collect()
    }
}

fn down(message: v1::down::Message) -> v1::Down {
    v1::Down { message: Some(message) }
}

#[async_trait]
impl Control for Handler {
    async fn join_node(&self, _: Request<v1::JoinNodeRequest>) -> Result<Response<v1::JoinNodeReply>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    type AttachNodeStream = ReceiverStream<Result<v1::NodeDown, Status>>;

    async fn attach_node(&self, _: Request<Streaming<v1::NodeUp>>) -> Result<Response<Self::AttachNodeStream>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn challenge_node(
        &self,
        _: Request<v1::ChallengeNodeRequest>,
    ) -> Result<Response<v1::ChallengeNodeReply>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    type AttachStream = ReceiverStream<Result<v1::Down, Status>>;

    async fn attach(&self, request: Request<Streaming<v1::Up>>) -> Result<Response<Self::AttachStream>, Status> {
        if self.0.refuse_all {
            return Err(Status::unauthenticated("the voucher does not count"));
        }
        let peer = request.extensions().get::<PeerInfo<SpiffeId>>().and_then(|info| info.peer.clone());
        let (tx, rx) = mpsc::channel(64);
        let stub = Arc::clone(&self.0);
        stub.state.lock().unwrap().streams.push(tx.clone());
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            let (mut service, mut tick) = (String::new(), tokio::time::interval(Duration::from_millis(100)));
            loop {
                let answers = tokio::select! {
                    message = messages.message() => match message {
                        Ok(Some(v1::Up { message: Some(message) })) => stub.hear(&mut service, peer.clone(), message),
                        _ => return,
                    },
                    _ = tick.tick() => vec![v1::down::Message::Tick(v1::Tick { now_ms: clock::now().as_millis() })],
                };
                for answer in answers {
                    if tx.send(Ok(down(answer))).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(rx)))
    }
}

/// A control process that runs, until it is dropped.
pub struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn serve(stub: &Arc<Stub>, addr: SocketAddr) -> Running {
    let shown = tls::Identity::new(&stub.chain, &stub.key).unwrap();
    let server = tls::Server::new(&shown, ClientAuth::Optional, control_stream::ALPN).unwrap();
    let bundles = Arc::clone(&stub.world.bundles);
    let judge: tls::Judge<SpiffeId> = Arc::new(move |chain| {
        let peer = verify_peer(chain, &bundles, clock::now());
        peer.map(|p| p.id().clone()).map_err(|r| JudgeError { failure: r.failure, detail: r.detail })
    });
    let listener = bartizan_runtime::listen::bind(addr).unwrap();
    let (handler, tls) = (Handler(Arc::clone(stub)), Arc::new(ArcSwap::from_pointee(server)));
    let stop = CancellationToken::new();
    stub.state.lock().unwrap().streams.clear();
    Running(tokio::spawn(async move {
        control_stream::serve(listener, tls, judge, handler, Arc::new(|_, _| {}), stop).await.unwrap();
    }))
}

pub async fn api(world: &World) -> Directory {
    let mut directory = world.directory("api");
    let (mesh, program) = (free_addr(), programs::http().await);
    directory.own.inbound = Some(Inbound {
        mesh,
        program,
        protocol: Protocol::Http,
        routes: vec![],
        callers: Default::default(),
        ext_authz: None,
        mtls: Default::default(),
        limits: Vec::new(),
        slow_down: None,
        api: None,
    });
    directory
}

pub fn mesh(directory: &Directory) -> SocketAddr {
    directory.own.inbound.as_ref().unwrap().mesh
}

/// A control process with everything published, and where it is to listen.
pub async fn published() -> (Arc<Stub>, Directory, SocketAddr, tempfile::TempDir) {
    let stub = Stub::new(World::new());
    let directory = api(&stub.world).await;
    stub.publish_all(&directory, &policies("")).await;
    (Arc::new(stub), directory, free_addr(), tempfile::tempdir().unwrap())
}

pub async fn answers(stub: &Stub, directory: &Directory) -> bool {
    let Ok(stream) = crate::client::tls(mesh(directory), Some(&stub.world.shown("web")), &["http/1.1"]).await else {
        return false;
    };
    talk(stream, get("/")).await.starts_with("HTTP/1.1 200")
}

pub async fn until_serving(stub: &Stub, directory: &Directory) {
    until("something listens", async || tokio::net::TcpStream::connect(mesh(directory)).await.is_ok()).await;
    until("the proxy serves", async || answers(stub, directory).await).await;
}
