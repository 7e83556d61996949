//! The control stream over loopback: round trips, strangers, limits, the end.

use crate::pki::{LONG, expects, identity};
use arc_swap::ArcSwap;
use bartizan_core::event::HandshakeFailure;
use bartizan_runtime::control_stream::{
    self, ALPN, Client, Code, ConnectError, PeerInfo, Request, Response, Status, Streaming, async_trait,
};
use bartizan_runtime::control_v1::control_server::Control;
use bartizan_runtime::control_v1::{
    ChallengeNodeReply, ChallengeNodeRequest, Down, JoinNodeReply, JoinNodeRequest, NodeDown, NodeUp, Snapshot, Stats,
    Svid, Up, down, up,
};
use bartizan_runtime::tls::{self, ClientAuth, HandshakeError, Judge};
use bartizan_runtime::{limits, listen};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Answers with what it was sent, and with who sent it.
struct Echo;

#[async_trait]
impl Control for Echo {
    async fn join_node(&self, request: Request<JoinNodeRequest>) -> Result<Response<JoinNodeReply>, Status> {
        let PeerInfo { peer, remote } = request.extensions().get::<PeerInfo<String>>().unwrap().clone();
        let chain = vec![peer.unwrap_or_default().into_bytes(), remote.to_string().into_bytes()];
        Ok(Response::new(JoinNodeReply { svid: Some(Svid { chain, ..Svid::default() }) }))
    }

    type AttachNodeStream = ReceiverStream<Result<NodeDown, Status>>;

    async fn attach_node(&self, _: Request<Streaming<NodeUp>>) -> Result<Response<Self::AttachNodeStream>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn challenge_node(&self, _: Request<ChallengeNodeRequest>) -> Result<Response<ChallengeNodeReply>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    type AttachStream = ReceiverStream<Result<Down, Status>>;

    async fn attach(&self, request: Request<Streaming<Up>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut ups = request.into_inner();
        let (tx, rx) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some(up) = ups.message().await.transpose() {
                let down = up.map(|up| {
                    let Some(up::Message::Stats(Stats { totals })) = up.message else {
                        unreachable!("only Stats is sent")
                    };
                    Down { message: Some(down::Message::Snapshot(Snapshot { envelope: totals })) }
                });
                if tx.send(down).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(rx)))
    }
}

struct Running {
    addr: SocketAddr,
    tls: Arc<ArcSwap<tls::Server>>,
    failures: mpsc::UnboundedReceiver<(SocketAddr, HandshakeError)>,
    stop: CancellationToken,
    done: JoinHandle<()>,
}

/// A server that knows `payment`, and lets nameless clients in.
async fn start() -> Running {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let tls = Arc::new(ArcSwap::from_pointee(server("control")));
    let (tx, failures) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let (judge, _) = expects("payment");
    let on_failure = Arc::new(move |from, error| drop(tx.send((from, error))));
    let serving = control_stream::serve(listener, Arc::clone(&tls), judge, Echo, on_failure, stop.clone());
    let done = tokio::spawn(async move { serving.await.unwrap() });
    Running { addr, tls, failures, stop, done }
}

fn server(name: &str) -> tls::Server {
    tls::Server::new(&identity(name), ClientAuth::Optional, ALPN).unwrap()
}

/// Expects `control` at the other end.
fn of_server() -> Judge<()> {
    let (judge, _) = expects("control");
    Arc::new(move |chain| judge(chain).map(drop))
}

async fn connect(addr: SocketAddr, name: Option<&str>) -> Result<Client, ConnectError> {
    let identity = name.map(identity);
    control_stream::connect(addr, tls::Client::new(identity.as_ref(), ALPN).unwrap(), of_server()).await
}

async fn whoami(client: &mut Client) -> Result<Vec<String>, Status> {
    let reply = client.join_node(JoinNodeRequest::default()).await?.into_inner();
    Ok(reply.svid.unwrap().chain.into_iter().map(|text| String::from_utf8(text).unwrap()).collect())
}

/// Opens a call, sends one message and waits for the answer to it.
async fn send(client: &mut Client, up: Up) -> Result<Option<Down>, Status> {
    let (tx, rx) = mpsc::channel(1);
    tx.send(up).await.unwrap();
    client.attach(ReceiverStream::new(rx)).await?.into_inner().message().await
}

fn stats(bytes: usize) -> Up {
    Up { message: Some(up::Message::Stats(Stats { totals: vec![7; bytes] })) }
}

#[tokio::test]
async fn messages_go_both_ways_and_the_handler_knows_the_peer() {
    let server = start().await;
    let mut client = connect(server.addr, Some("payment")).await.unwrap();
    let me = whoami(&mut client).await.unwrap();
    assert_eq!(me[0], "spiffe://bank.test/svc/payment");
    assert!(me[1].starts_with("127.0.0.1:"), "{}", me[1]);

    let (tx, rx) = mpsc::channel(4);
    let mut downs = client.attach(ReceiverStream::new(rx)).await.unwrap().into_inner();
    for bytes in [0, 1, 3 << 20] {
        tx.send(stats(bytes)).await.unwrap();
        let down = downs.message().await.unwrap().unwrap();
        let Some(down::Message::Snapshot(snapshot)) = down.message else { panic!("{down:?}") };
        assert_eq!(snapshot.envelope.len(), bytes);
    }

    let mut nameless = connect(server.addr, None).await.unwrap();
    assert_eq!(whoami(&mut nameless).await.unwrap()[0], "", "no certificate, no peer");
}

#[tokio::test]
async fn strangers_fail_in_the_handshake_and_are_reported() {
    let mut server = start().await;
    // The client of TLS 1.3 learns of its refusal late: from `connect` or from the first call.
    let refused = match connect(server.addr, Some("mallory")).await {
        Ok(mut client) => whoami(&mut client).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    let (from, error) = timeout(LONG, server.failures.recv()).await.unwrap().unwrap();
    assert!(from.ip().is_loopback());
    assert_eq!(error.failure, HandshakeFailure::WrongPeer);

    let wrong_server = control_stream::connect(
        server.addr,
        tls::Client::new(None, ALPN).unwrap(),
        Arc::new(|_| Err(tls::JudgeError { failure: HandshakeFailure::UntrustedIssuer, detail: String::new() })),
    );
    let error = wrong_server.await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Handshake { source, .. } if source.failure == HandshakeFailure::UntrustedIssuer),
        "{error}"
    );

    // Somebody who says nothing holds up nobody else.
    let _silent = TcpStream::connect(server.addr).await.unwrap();
    let mut client = connect(server.addr, Some("payment")).await.unwrap();
    whoami(&mut client).await.unwrap();
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let server = start().await;
    let mut client = connect(server.addr, Some("payment")).await.unwrap();
    let outsize = stats(limits::UP_BYTES_MAX + 1);

    send(&mut client, outsize.clone()).await.expect_err("our own end refuses it");
    // Should an end let it pass, the other one does not.
    let mut careless = client.clone().max_encoding_message_size(usize::MAX);
    let error = send(&mut careless, outsize).await.unwrap_err();
    assert_eq!(error.code(), Code::OutOfRange);

    whoami(&mut client).await.expect("the connection goes on");
}

#[tokio::test]
async fn a_renewed_identity_counts_from_the_next_connection_on() {
    let server = start().await;
    let mut before = connect(server.addr, Some("payment")).await.unwrap();
    server.tls.store(Arc::new(self::server("impostor")));
    let error = connect(server.addr, Some("payment")).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Handshake { source, .. } if source.failure == HandshakeFailure::WrongPeer),
        "{error}"
    );
    whoami(&mut before).await.expect("what is open stays open");
}

#[tokio::test]
async fn a_stop_ends_open_calls_in_bounded_time() {
    let server = start().await;
    let mut client = connect(server.addr, Some("payment")).await.unwrap();
    // A call that would go on for ever: its sender is kept.
    let (_tx, rx) = mpsc::channel::<Up>(1);
    let mut downs = client.attach(ReceiverStream::new(rx)).await.unwrap().into_inner();
    server.stop.cancel();
    timeout(limits::DRAIN + LONG, server.done).await.unwrap().unwrap();
    assert!(!matches!(timeout(LONG, downs.message()).await.unwrap(), Ok(Some(_))));

    assert!(whoami(&mut client).await.is_err(), "a client is one connection and does not dial by itself");
    let error = connect(server.addr, Some("payment")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}
