//! HTTP/2 and gRPC through a pair of guards: over their leg, with its failures first.

use crate::client::{hear_until, plain, status, talk, tls, until};
use crate::programs;
use crate::world::{Guard, PATIENCE, World, free_addr, name};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::leg::frame::{self, Frame, Reset};
use bartizan_proxy::limits;
use bartizan_proxy::live::{ALPN_HTTP1, ALPN_HTTP2, ALPN_LEG};
use bartizan_proxy::message::{Fields, RequestHead, ResponseHead};
use bartizan_runtime::tls::{ClientAuth, Server};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Of a client's and a program's connection.
const CONNECTION_BYTES: u32 = 1 << 20;

/// A program of HTTP/2 that does `act` with each request.
async fn program<F, Fut>(act: F) -> SocketAddr
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    programs::custom(move |stream| {
        let act = act.clone();
        async move {
            // Room for each stream, so that only the stream that is not read stands still.
            let mut builder = h2::server::Builder::new();
            let handshake = builder.initial_connection_window_size(CONNECTION_BYTES).handshake(stream);
            let Ok(mut connection) = handshake.await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(act(request, respond));
            }
        }
    })
    .await
}

/// Answers at once, then says back each piece as it comes, and the trailers.
async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let te = request.headers().get("te").cloned().unwrap_or(HeaderValue::from_static("none"));
    let authority = request.uri().authority().unwrap().to_string();
    let response = Response::builder().header("x-te", te).header("x-authority", authority).body(()).unwrap();
    let (mut up, mut down) = (request.into_body(), respond.send_response(response, false).unwrap());
    while let Some(data) = up.data().await {
        let Ok(data) = data else { return };
        let _ = up.flow_control().release_capacity(data.len());
        if down.send_data(data, false).is_err() {
            return;
        }
    }
    let mut trailers = up.trailers().await.unwrap().unwrap_or_default();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let _ = down.send_trailers(trailers);
}

/// Stands between two guards as each for the other, and notes what they agree on.
struct Tap {
    addr: SocketAddr,
    agreed: Arc<Mutex<Vec<Option<String>>>>,
    /// Cuts the connections through it.
    cut: CancellationToken,
}

impl Tap {
    async fn before(world: &World, callee: &Guard, alpn: &'static [&'static str]) -> Self {
        let server = Server::new(&world.shown("rpc"), ClientAuth::Required, alpn).unwrap();
        let (caller, mesh) = (world.shown("web"), callee.mesh());
        let addr = free_addr();
        let listener = TcpListener::bind(addr).await.unwrap();
        let (agreed, cut) = (Arc::<Mutex<Vec<_>>>::default(), CancellationToken::new());
        let it = Self { addr, agreed: Arc::clone(&agreed), cut: cut.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let judge = Arc::new(|_: &[&[u8]]| Ok(()));
                let Ok(mut accepted) = server.accept(stream, judge, PATIENCE).await else { continue };
                let about = accepted.about.alpn.clone();
                agreed.lock().unwrap().push(about.clone());
                let mut dialled = tls(mesh, Some(&caller), &[about.as_deref().unwrap_or_default()]).await.unwrap();
                let cut = cut.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut accepted.stream, &mut dialled) => {}
                        () = cut.cancelled() => {}
                    }
                });
            }
        });
        it
    }

    fn agreed(&self) -> Vec<Option<String>> {
        self.agreed.lock().unwrap().clone()
    }
}

const BOTH: &[&str] = &[ALPN_LEG, ALPN_HTTP2, ALPN_HTTP1];

/// A caller and a callee of gRPC with a tap between.
async fn pair(program: SocketAddr, alpn: &'static [&'static str]) -> (World, Guard, Guard, Tap) {
    let world = World::new();
    let callee = world.sidecar("rpc", program, Protocol::Grpc).await;
    let tap = Tap::before(&world, &callee, alpn).await;
    let mut caller = world.caller("web", &[(&callee, Protocol::Grpc)]).await;
    let mesh = tap.addr;
    caller.redirect(|directory| directory.peers.get_mut(&name("rpc")).unwrap().mesh = mesh);
    (world, caller, callee, tap)
}

async fn client(caller: &Guard) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    let builder = builder.initial_connection_window_size(CONNECTION_BYTES);
    let (client, connection) = builder.handshake(plain(caller.outbound("rpc")).await).await.unwrap();
    tokio::spawn(connection);
    client
}

fn ask(client: &mut SendRequest<Bytes>, path: &str) -> (ResponseFuture, SendStream<Bytes>) {
    let request = Request::post(format!("http://rpc.test{path}"));
    let request = request.header("te", "trailers").header("content-type", "application/grpc").body(()).unwrap();
    client.send_request(request, false).unwrap()
}

/// Sends a piece once there is room for it; false where there is none for a while.
async fn send(up: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        up.reserve_capacity(data.len());
        let granted = timeout(Duration::from_millis(700), poll_fn(|cx| up.poll_capacity(cx))).await;
        let Ok(Some(Ok(n))) = granted else { return false };
        up.send_data(data.split_to(n.min(data.len())), false).unwrap();
    }
    true
}

async fn next(down: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = timeout(PATIENCE, down.data()).await.expect("it goes on in time");
    if let Some(Ok(data)) = &data {
        let _ = down.flow_control().release_capacity(data.len());
    }
    data
}

/// Reads to the end: what came, and why it ended early.
async fn rest(down: &mut RecvStream) -> (Vec<u8>, Option<Reason>) {
    let mut all = Vec::new();
    loop {
        match next(down).await {
            None => return (all, None),
            Some(Ok(data)) => all.extend_from_slice(&data),
            Some(Err(error)) => return (all, error.reason()),
        }
    }
}

async fn word(guard: &Guard) -> String {
    let word = guard.event(|event| match &event.what {
        What::Request(request) => request.error.clone(),
        _ => None,
    });
    word.await.to_string()
}

#[tokio::test]
async fn a_peer_that_dies_in_mid_stream_resets_the_stream_and_answers_what_waits() {
    let app = program(|request, respond| async move {
        match request.uri().path() {
            "/silent" => std::future::pending().await,
            _ => echo(request, respond).await,
        }
    });
    let (_world, caller, _callee, tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (silent, _silent_up) = ask(&mut client, "/silent");
    let (response, mut up) = ask(&mut client, "/echo");
    up.send_data(Bytes::from_static(b"one"), false).unwrap();
    let mut down = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut down).await.unwrap().unwrap(), "one");
    assert_eq!(tap.agreed(), [Some(ALPN_LEG.to_owned())]);
    tap.cut.cancel();
    assert_eq!(rest(&mut down).await, (vec![], Some(Reason::INTERNAL_ERROR)), "not an end as any other");
    assert_eq!(timeout(PATIENCE, silent).await.unwrap().unwrap().status(), 502);
    assert!(["upstream_cut_short", "upstream_broken"].contains(&&*word(&caller).await));
}

#[tokio::test]
async fn a_call_that_is_given_up_is_given_up_at_the_program_by_the_same_word() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (there, begun) = (Arc::clone(&heard), Arc::new(AtomicUsize::new(0)));
    let begun_there = Arc::clone(&begun);
    let app = program(move |request, mut respond| {
        let (heard, begun) = (Arc::clone(&there), Arc::clone(&begun_there));
        async move {
            begun.fetch_add(1, SeqCst);
            let reason = if request.uri().path() == "/waits" {
                poll_fn(|cx| respond.poll_reset(cx)).await.unwrap()
            } else {
                let _down = respond.send_response(Response::new(()), false).unwrap();
                let mut up = request.into_body();
                loop {
                    match up.data().await {
                        Some(Ok(_)) => begun.fetch_add(1, SeqCst),
                        Some(Err(error)) => break error.reason().unwrap(),
                        None => break Reason::NO_ERROR, // as if all had been said
                    };
                }
            };
            heard.lock().unwrap().push(reason);
        }
    });
    let (_world, caller, callee, _tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (_response, mut up) = ask(&mut client, "/waits");
    until("the program has it", async || begun.load(SeqCst) == 1).await;
    up.send_reset(Reason::CANCEL);
    until("the program knows", async || heard.lock().unwrap().len() == 1).await;

    let (response, mut up) = ask(&mut client, "/streams");
    up.send_data(Bytes::from_static(b"one"), false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    until("the program has the first piece", async || begun.load(SeqCst) == 3).await;
    drop(response);
    up.send_reset(Reason::CANCEL);
    until("the program knows", async || heard.lock().unwrap().len() == 2).await;
    assert_eq!(*heard.lock().unwrap(), [Reason::CANCEL, Reason::CANCEL]);
    assert_eq!(word(&callee).await, "client_gone");
    assert_eq!(word(&caller).await, "client_gone");
    let open = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!(open().handshakes_completed, 1, "the leg goes on");
}

#[tokio::test]
async fn who_does_not_read_stops_its_own_stream_and_is_not_held_for() {
    const ALL: usize = 12 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let sent_there = Arc::clone(&sent);
    let app = program(move |request, mut respond| {
        let sent = Arc::clone(&sent_there);
        async move {
            if request.uri().path() == "/echo" {
                return echo(request, respond).await;
            }
            let mut down = respond.send_response(Response::new(()), false).unwrap();
            while sent.load(SeqCst) < ALL {
                down.reserve_capacity(16 << 10);
                let Some(Ok(n)) = poll_fn(|cx| down.poll_capacity(cx)).await else { return };
                let n = n.min(ALL - sent.load(SeqCst));
                down.send_data(Bytes::from(vec![b'x'; n]), false).unwrap();
                sent.fetch_add(n, SeqCst);
            }
            let _ = down.send_data(Bytes::new(), true);
        }
    });
    let (_world, caller, _callee, tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (response, _up) = ask(&mut client, "/big");
    let mut slow = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
    // What stands between: the client's window, a leg's, the program's, and what lies between them.
    let mut before = usize::MAX;
    while sent.load(SeqCst) != before {
        before = sent.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!((1..2 << 20).contains(&before), "{before} bytes are on their way");
    for n in 0..20 {
        let (response, mut up) = ask(&mut client, "/echo");
        up.send_data(Bytes::from(format!("{n}")), true).unwrap();
        let mut down = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
        assert_eq!(rest(&mut down).await, (n.to_string().into_bytes(), None));
    }
    let (all, broken) = rest(&mut slow).await;
    assert!(all.len() == ALL && broken.is_none(), "{} of {ALL}, {broken:?}", all.len());
    assert_eq!(tap.agreed().len(), 1);
}

#[tokio::test]
async fn a_program_that_does_not_read_stops_its_caller_and_one_direction_does_not_wait_for_the_other() {
    let taken = Arc::new(AtomicUsize::new(0));
    let taken_there = Arc::clone(&taken);
    let app = program(move |request, mut respond| {
        let taken = Arc::clone(&taken_there);
        async move {
            let mut down = respond.send_response(Response::new(()), false).unwrap();
            if request.uri().path() == "/deaf" {
                return std::future::pending().await;
            }
            down.send_data(Bytes::from(vec![b'x'; 4 << 20]), false).unwrap(); // more than all windows
            let mut up = request.into_body();
            while let Some(Ok(data)) = up.data().await {
                let _ = up.flow_control().release_capacity(data.len());
                taken.fetch_add(data.len(), SeqCst);
            }
        }
    });
    let (_world, caller, _callee, _tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (response, mut up) = ask(&mut client, "/deaf");
    timeout(PATIENCE, response).await.unwrap().unwrap();
    let mut sent = 0;
    while send(&mut up, Bytes::from(vec![b'x'; 16 << 10])).await {
        sent += 16 << 10;
        assert!(sent < 2 << 20, "nobody takes it");
    }
    assert!(sent > 0);

    let (response, mut up) = ask(&mut client, "/talks");
    let _unread = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
    for _ in 0..64 {
        assert!(send(&mut up, Bytes::from(vec![b'x'; 16 << 10])).await, "the response stands still, not the request");
    }
    until("all of it is there", async || taken.load(SeqCst) == 1 << 20).await;
}

#[tokio::test]
async fn a_length_that_is_a_lie_does_not_become_a_whole_message() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&heard);
    let begun = Arc::new(AtomicUsize::new(0));
    let begun_there = Arc::clone(&begun);
    let app = program(move |request, mut respond| {
        let (heard, begun) = (Arc::clone(&there), Arc::clone(&begun_there));
        async move {
            begun.fetch_add(1, SeqCst);
            let mut up = request.into_body();
            let end = loop {
                match up.data().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error.reason(),
                    None => break None,
                }
            };
            heard.lock().unwrap().push(end);
            let _ = respond.send_response(Response::new(()), true);
        }
    });
    let (world, caller, callee, _tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let request = Request::post("http://rpc.test/short").header("content-length", "10").body(()).unwrap();
    let (response, mut up) = client.send_request(request, false).unwrap();
    up.send_data(Bytes::from_static(b"short"), false).unwrap();
    until("the program has the head", async || begun.load(SeqCst) == 1).await;
    let _ = up.send_data(Bytes::new(), true); // h2 lets a client say this; the guard does not believe it
    let broken = timeout(PATIENCE, response).await.unwrap();
    assert!(broken.is_err() || broken.is_ok_and(|response| response.status() == 400));

    // The same from somebody who speaks a leg by hand, as a guard that lost its mind would.
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG]).await.unwrap();
    let mut frames = Vec::new();
    frame::write_request(&mut frames, 1, &head(Method::POST, "/hand", true), Some(10), false);
    frame::write_data(&mut frames, 1, b"short", false);
    stream.write_all(&frames).await.unwrap();
    until("the program has the head", async || begun.load(SeqCst) == 2).await;
    frames.clear();
    frame::write_data(&mut frames, 1, b"", true);
    stream.write_all(&frames).await.unwrap();
    until("the program knows", async || heard.lock().unwrap().len() == 2).await;
    assert_eq!(*heard.lock().unwrap(), [Some(Reason::CANCEL), Some(Reason::CANCEL)]);
}

fn head(method: Method, target: &str, http2: bool) -> RequestHead {
    let mut fields = Fields::default();
    fields.append("host", b"rpc");
    let mut head = RequestHead::new(method, target.as_bytes(), None, fields);
    head.http2 = http2;
    head
}

/// The frames of an answer on a stream.
type Says = fn(u32) -> Vec<u8>;

/// A callee's guard that answers each request by `frames`, and notes the heads.
async fn by_hand(world: &World, answer: Says) -> (SocketAddr, Arc<Mutex<Vec<(bool, String)>>>) {
    let server = Server::new(&world.shown("rpc"), ClientAuth::Required, &[ALPN_LEG]).unwrap();
    let (addr, heads) = (free_addr(), Arc::<Mutex<Vec<_>>>::default());
    let (listener, noted) = (TcpListener::bind(addr).await.unwrap(), Arc::clone(&heads));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let judge = Arc::new(|_: &[&[u8]]| Ok(()));
            let Ok(mut accepted) = server.accept(stream, judge, PATIENCE).await else { continue };
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut held = Vec::new();
                while accepted.stream.read_buf(&mut held).await.is_ok_and(|n| n > 0) {
                    while let Some((id, frame, n)) = frame::read(&held).unwrap() {
                        let answer = match frame {
                            Frame::Request(head, ..) => {
                                noted.lock().unwrap().push((head.http2, head.target().to_owned()));
                                answer(id)
                            }
                            _ => Vec::new(),
                        };
                        held.drain(..n);
                        let _ = accepted.stream.write_all(&answer).await;
                    }
                }
            });
        }
    });
    (addr, heads)
}

fn said(id: u32, length: Option<u64>, pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = ResponseHead { status: StatusCode::OK, fields: Fields::default() };
    frame::write_response(&mut out, id, &head, length, false);
    for (n, piece) in pieces.iter().enumerate() {
        frame::write_data(&mut out, id, piece, n + 1 == pieces.len());
    }
    out
}

#[tokio::test]
async fn what_a_peer_says_of_a_response_is_not_believed_beyond_what_it_sends() {
    let cases: [(Says, &str); 5] = [
        (|id| said(id, Some(10), &[b"short"]), "shorter than it said"),
        (|id| said(id, Some(3), &[b"longer"]), "longer than it said"),
        (|id| [said(id, None, &[b"x"]), said(id, None, &[b"again"])].concat(), "two heads"),
        (|id| said(id, None, &[&[b'x'; limits::LEG_DATA_BYTES_MAX][..]; 8]), "more than there is room for"),
        (
            |id| {
                let mut out = said(id, None, &[]);
                frame::write_reset(&mut out, id, Reset::Broken);
                out
            },
            "broken off",
        ),
    ];
    for (answer, what) in cases {
        let world = World::new();
        let callee = world.sidecar("rpc", free_addr(), Protocol::Grpc).await;
        let mut caller = world.caller("web", &[(&callee, Protocol::Grpc)]).await;
        let (mesh, heads) = by_hand(&world, answer).await;
        caller.redirect(|directory| directory.peers.get_mut(&name("rpc")).unwrap().mesh = mesh);
        let mut client = client(&caller).await;
        let (response, mut up) = ask(&mut client, "/x");
        up.send_data(Bytes::new(), true).unwrap();
        match timeout(PATIENCE, response).await.unwrap() {
            Ok(response) if response.status() == 200 && what == "two heads" => {} // the first was whole
            Ok(response) if response.status() == 200 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let (_, broken) = rest(&mut response.into_body()).await;
                assert_eq!(broken, Some(Reason::INTERNAL_ERROR), "{what}");
            }
            Ok(response) => assert_eq!(response.status(), 502, "{what}"),
            Err(error) => assert!(error.reason().is_some(), "{what}: {error}"),
        }
        assert_eq!(*heads.lock().unwrap(), [(true, "/x".to_owned())], "{what}: asked once, as HTTP/2");
    }
}

#[tokio::test]
async fn a_call_that_a_leg_did_not_take_is_sent_again_also_while_its_body_comes() {
    let takes_the_second: Says = |id| match id {
        1 => {
            let mut out = Vec::new();
            frame::write_reset(&mut out, id, Reset::Refused);
            out
        }
        _ => said(id, None, &[b"taken"]),
    };
    let world = World::new();
    for whole in [true, false] {
        let callee = world.sidecar("rpc", free_addr(), Protocol::Grpc).await;
        let mut caller = world.caller("web", &[(&callee, Protocol::Grpc)]).await;
        let (mesh, heads) = by_hand(&world, takes_the_second).await;
        caller.redirect(|directory| directory.peers.get_mut(&name("rpc")).unwrap().mesh = mesh);
        let mut client = client(&caller).await;
        let (response, mut up) = ask(&mut client, "/x");
        up.send_data(Bytes::from_static(b"message"), whole).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), heads.lock().unwrap().len()), (200, 2), "{whole}");
        assert_eq!(rest(&mut response.into_body()).await, (b"taken".to_vec(), None), "{whole}");
    }
}

#[tokio::test]
async fn heads_and_trailers_that_are_too_many_harm_their_own_call_alone() {
    let app = program(|request, mut respond| async move {
        let mut many = HeaderMap::new();
        for n in 0..200 {
            many.insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), HeaderValue::from_static("1"));
        }
        match request.uri().path() {
            "/trailers" => {
                let mut down = respond.send_response(Response::new(()), false).unwrap();
                down.send_data(Bytes::from_static(b"data"), false).unwrap();
                down.send_trailers(many).unwrap();
            }
            "/head" => {
                let mut response = Response::new(());
                *response.headers_mut() = many;
                drop(respond.send_response(response, true));
            }
            _ => echo(request, respond).await,
        }
    });
    let (_world, caller, callee, tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (response, mut going_on) = ask(&mut client, "/echo");
    let mut beside = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();

    let (response, _up) = ask(&mut client, "/trailers");
    let broken = match timeout(PATIENCE, response).await.unwrap() {
        Ok(response) => rest(&mut response.into_body()).await.1,
        Err(error) => error.reason(), // the reset overtook the head
    };
    assert_eq!(broken, Some(Reason::INTERNAL_ERROR));
    let (response, _up) = ask(&mut client, "/head");
    assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 502);
    // Trailers of the request, too many for the callee's guard.
    let (response, mut up) = ask(&mut client, "/echo");
    let mut down = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
    let mut many = HeaderMap::new();
    (0..200).for_each(|n| drop(many.insert(http::HeaderName::try_from(format!("y-{n}")).unwrap(), 1.into())));
    up.send_trailers(many).unwrap();
    assert!(rest(&mut down).await.1.is_some());

    going_on.send_data(Bytes::from_static(b"still here"), true).unwrap();
    assert_eq!(rest(&mut beside).await, (b"still here".to_vec(), None));
    assert_eq!(tap.agreed(), [Some(ALPN_LEG.to_owned())]);
    let stats = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!(stats.refused, 0, "no rule of the leg was broken");
}

#[tokio::test]
async fn as_many_headers_as_may_come_fit_on_a_leg_with_what_guards_add() {
    let world = World::new();
    // Common programs take no more than a hundred themselves.
    let app = programs::custom(async |mut stream| {
        let (mut head, mut held) = (Vec::new(), [0; 4096]);
        while !head.ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut held).await.unwrap();
            head.extend_from_slice(&held[..n]);
        }
        let length = head.len();
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await;
        let _ = stream.write_all(&head).await;
    });
    let callee = world.sidecar("api", app.await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let lines: String = (0..98).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let request = format!("GET /many HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{lines}\r\n");
    let response = talk(plain(caller.outbound("api")).await, request).await;
    assert!(status(&response) == 200 && response.contains("x-97: 97\r\n"), "{response}");
    assert_eq!(bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events).refused, 0);
}

#[tokio::test]
async fn both_sides_of_a_call_speak_at_once_over_the_leg() {
    let (_world, caller, callee, tap) = pair(program(echo).await, BOTH).await;
    let mut client = client(&caller).await;
    let (response, mut up) = ask(&mut client, "/pkg.Service/Chat");
    // The head of the response comes before anything else was said.
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-te"], "trailers");
    assert_eq!(response.headers()["x-authority"], "rpc.test");
    let mut down = response.into_body();
    for n in 0..10 {
        let message = format!("message {n}");
        up.send_data(Bytes::from(message.clone()), false).unwrap();
        assert_eq!(next(&mut down).await.unwrap().unwrap(), message);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    up.send_trailers(trailers).unwrap();
    assert_eq!(rest(&mut down).await, (vec![], None));
    let trailers = timeout(PATIENCE, down.trailers()).await.unwrap().unwrap().unwrap();
    assert_eq!(trailers["x-sum"], "7");
    assert_eq!(trailers["grpc-status"], "0");

    assert_eq!(tap.agreed(), [Some(ALPN_LEG.to_owned())]);
    let stats = || bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    until("it is counted", async || stats().inbound.get("web").is_some_and(|edge| edge.calls == 1)).await;
    let answered = callee.event(|event| match &event.what {
        What::Request(request) => Some((request.status, request.error.clone())),
        _ => None,
    });
    assert_eq!(answered.await, (200, None));
}

#[tokio::test]
async fn cookies_that_http2_cut_are_one_line_for_a_program_of_http1() {
    let world = World::new();
    let callee = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let (mut client, connection) = h2::client::handshake(plain(caller.outbound("api")).await).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://api.test/x").header("cookie", "a=1").header("cookie", "b=2").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let (text, _) = rest(&mut timeout(PATIENCE, response).await.unwrap().unwrap().into_body()).await;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("cookie: a=1; b=2\n") && text.matches("cookie").count() == 1, "{text}");
}

#[tokio::test]
async fn who_speaks_no_leg_is_spoken_to_in_http2() {
    let (_world, caller, callee, tap) = pair(program(echo).await, &[ALPN_HTTP2]).await;
    let mut client = client(&caller).await;
    for n in 0..5 {
        let (response, mut up) = ask(&mut client, "/x");
        up.send_data(Bytes::from(format!("{n}")), true).unwrap();
        let mut down = timeout(PATIENCE, response).await.unwrap().unwrap().into_body();
        assert_eq!(rest(&mut down).await, (n.to_string().into_bytes(), None));
    }
    assert_eq!(tap.agreed(), [Some(ALPN_HTTP2.to_owned())], "one connection for all of them");
    let stats = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!(stats.inbound["web"].calls, 5);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_ends_both() {
    let app = program(|request, mut respond| async move {
        let response = Response::builder().status(403).body(()).unwrap();
        respond.send_response(response, true).unwrap();
        drop(request);
    });
    let (_world, caller, _callee, _tap) = pair(app.await, BOTH).await;
    let mut client = client(&caller).await;
    let (response, mut up) = ask(&mut client, "/x");
    up.send_data(Bytes::from_static(b"one"), false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), rest(&mut response.into_body()).await.1), (403, None));
    let reason = timeout(PATIENCE, poll_fn(|cx| up.poll_reset(cx))).await.unwrap().unwrap();
    assert_eq!(reason, Reason::NO_ERROR, "it need not send the rest (RFC 9113 section 8.1)");
}

#[tokio::test]
async fn a_leg_by_hand_may_say_http2_and_nothing_else_by_that_bit() {
    let world = World::new();
    let callee = world.sidecar("rpc", program(echo).await, Protocol::Grpc).await;
    let mut stream = tls(callee.mesh(), Some(&world.shown("web")), &[ALPN_LEG, ALPN_HTTP2]).await.unwrap();
    let mut frames = Vec::new();
    frame::write_request(&mut frames, 1, &head(Method::POST, "/x", true), Some(2), false);
    frame::write_data(&mut frames, 1, b"hi", true);
    stream.write_all(&frames).await.unwrap();
    hear_until(&mut stream, "grpc-status").await;
    let mut data = Vec::new();
    frame::write_data(&mut data, 1, b"hi", true);
    data[4] |= 0x40;
    stream.write_all(&data).await.unwrap();
    assert_eq!(callee.refused_rule().await, "leg");
}
