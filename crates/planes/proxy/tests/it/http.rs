//! Requests through two sidecars: HTTP/1.1, HTTP/2, failures of the next hop, and the end of the process.

use crate::client::{get, header, hear, hear_until, mtls, plain, status, talk, until};
use crate::programs;
use crate::world::{Guard, PATIENCE, World, free_addr, name};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::alarm::Alarms;
use bartizan_proxy::ledger::Ledger;
use bartizan_proxy::live::Proxy;
use bartizan_proxy::message::{Body, Fields, RequestHead};
use bartizan_proxy::upstream::{Outgoing, Pools, Target, Version};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// `web` with an outbound listener for `callee`, which stands before `program`.
async fn two(callee: &str, program: std::net::SocketAddr, protocol: Protocol) -> (World, Guard, Guard) {
    let world = World::new();
    let callee = world.sidecar(callee, program, protocol).await;
    let caller = world.caller("web", &[(&callee, protocol)]).await;
    (world, caller, callee)
}

#[tokio::test]
async fn a_request_passes_two_sidecars_under_one_trace() {
    let (_world, caller, callee) = two("api", programs::http().await, Protocol::Http).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let bytes = format!(
        "POST /pay HTTP/1.1\r\nhost: api:80\r\ncontent-length: 5\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
         x-bartizan-peer: forged\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\r\nhello"
    );
    let response = talk(plain(caller.outbound("api")).await, bytes).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("POST /pay\n") && response.ends_with("\nhello"), "{response}");
    assert!(
        response.contains(&format!("traceparent: 00-{trace}-")) && response.contains("host: api:80\n"),
        "{response}"
    );
    assert!(response.contains("x-bartizan-peer: spiffe://bank.test/svc/web\n"), "{response}");
    assert!(!response.contains("forged") && !response.contains("x-hop"), "{response}");
    assert_eq!(header(&response, "x-request-id"), Some(trace));
    let event = callee.event(|e| matches!(e.what, What::Request(_)).then(|| e.clone())).await;
    assert_eq!(event.request.unwrap().to_string(), trace);
    let What::Request(request) = event.what else { panic!() };
    assert_ne!(request.parent_span, 0x00f0_67aa_0ba9_02b7, "the sidecar before this one has a span of its own");
    assert!(request.added_us <= request.took_us);
}

#[tokio::test]
async fn connections_are_kept_and_used_again_at_every_hop() {
    let (_world, caller, callee) = two("api", programs::http().await, Protocol::Http).await;
    let mut stream = plain(caller.outbound("api")).await;
    for n in 0..20 {
        stream.write_all(format!("GET /{n} HTTP/1.1\r\nhost: api\r\n\r\n").as_bytes()).await.unwrap();
        hear_until(&mut stream, &format!("GET /{n}\n")).await;
    }
    let stats = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!((stats.inbound["web"].calls, stats.handshakes_completed), (20, 1));
    assert_eq!(stats.added.count(), 20);
    let stats = bartizan_proxy::counters::sum(&caller.proxy.counters(), &caller.proxy.events);
    assert_eq!((stats.outbound[&name("api")].calls, stats.connections_open), (20, 1));
}

#[tokio::test]
async fn a_head_request_and_an_empty_answer_keep_the_connection() {
    let (_world, caller, _callee) = two("api", programs::http().await, Protocol::Http).await;
    let bytes = "HEAD /x HTTP/1.1\r\nhost: api\r\n\r\nGET /y HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n";
    let response = talk(plain(caller.outbound("api")).await, bytes).await;
    assert_eq!(response.matches("HTTP/1.1 200").count(), 2, "{response}");
    assert!(!response.contains("HEAD /x\n") && response.contains("GET /y\n"), "{response}");
    assert!(header(&response, "content-length").is_some_and(|n| n != "0"), "the length of what GET would get");
}

#[tokio::test]
async fn http10_and_chunked_bodies_pass() {
    let (_world, caller, _callee) = two("api", programs::http().await, Protocol::Http).await;
    let response = talk(plain(caller.outbound("api")).await, "GET /old HTTP/1.0\r\n\r\n").await;
    assert!(status(&response) == 200 && response.contains("GET /old\n"), "{response}");
    let chunked = "PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let response = talk(plain(caller.outbound("api")).await, chunked).await;
    assert!(response.ends_with("\nabcde"), "{response}");
}

#[tokio::test]
async fn http2_and_its_trailers_pass_to_a_grpc_program() {
    let (_world, caller, callee) = two("rpc", programs::http2().await, Protocol::Grpc).await;
    let stream = TokioIo::new(plain(caller.outbound("rpc")).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for n in 0..5 {
        let request = Request::post("http://rpc.test/pkg.Service/Call")
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(Full::new(Bytes::from(format!("message {n}"))))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["x-te"].as_bytes()), (200, &b"trailers"[..]));
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), format!("message {n}"));
    }
    let stats = bartizan_proxy::counters::sum(&callee.proxy.counters(), &callee.proxy.events);
    assert_eq!((stats.handshakes_completed, stats.inbound["web"].calls), (1, 5));
}

#[tokio::test]
async fn http2_in_becomes_http1_for_a_plain_http_program() {
    let (_world, caller, _callee) = two("api", programs::http().await, Protocol::Http).await;
    let stream = TokioIo::new(plain(caller.outbound("api")).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://api.test/x").body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    assert!(text.starts_with("POST /x\n") && text.contains("host: api.test\n") && text.ends_with("\nhello"), "{text}");
}

#[tokio::test]
async fn http2_requests_that_would_be_smuggled_are_refused() {
    let (_world, caller, _callee) = two("api", programs::http().await, Protocol::Http).await;
    let stream = TokioIo::new(plain(caller.outbound("api")).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://api.test/x").header("host", "other").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 400);
    assert_eq!(caller.refused_rule().await, "host_duplicate");
}

#[tokio::test]
async fn a_program_of_unknown_protocol_gets_what_its_caller_speaks() {
    let (_world, caller, callee) = two("any", programs::http().await, Protocol::Auto).await;
    let response = talk(plain(caller.outbound("any")).await, get("/x")).await;
    assert!(response.contains("GET /x\n"), "{response}");
    drop((caller, callee));
    let (_world, caller, _callee) = two("any", programs::tcp_that_greets().await, Protocol::Auto).await;
    let mut stream = plain(caller.outbound("any")).await;
    hear_until(&mut stream, "hello\n").await;

    // The second one is not kept waiting, although its caller says nothing either.
    let fastest = async {
        let mut all = Vec::new();
        for _ in 0..20 {
            let began = std::time::Instant::now();
            hear_until(&mut plain(caller.outbound("any")).await, "hello\n").await;
            all.push(began.elapsed());
        }
        all.into_iter().min().unwrap()
    };
    let fastest = fastest.await;
    assert!(fastest < bartizan_proxy::limits::SNIFF_TIME, "{fastest:?}");
}

#[tokio::test]
async fn the_first_caller_of_who_speaks_first_hears_it_at_once() {
    let world = World::new();
    let callee = world.sidecar("any", programs::tcp_that_greets().await, Protocol::Auto).await;
    // One callee under several names: each is called for the first time.
    let mut directory = world.directory("web");
    let names: Vec<_> = (0..12).map(|n| name(&format!("any-{n}"))).collect();
    for name in &names {
        directory.own.outbound.insert(name.clone(), free_addr());
        directory.peers.insert(name.clone(), callee.as_peer(Protocol::Auto));
    }
    let caller = Guard::start(&world, directory, &crate::world::policies("")).await;
    let mut fastest = std::time::Duration::MAX;
    for name in &names {
        let mut stream = plain(caller.directory.own.outbound[name]).await;
        let began = std::time::Instant::now();
        hear_until(&mut stream, "hello\n").await;
        fastest = fastest.min(began.elapsed());
        stream.write_all(b"and then an echo").await.unwrap();
        hear_until(&mut stream, "and then an echo").await;
    }
    assert!(fastest < bartizan_proxy::limits::SNIFF_TIME, "nobody is kept waiting: {fastest:?}");
}

#[tokio::test]
async fn who_hesitates_and_then_speaks_http_is_served_as_that() {
    let (_world, caller, callee) = two("any", programs::http().await, Protocol::Auto).await;
    for n in 0..6 {
        let stream = plain(caller.outbound("any")).await;
        tokio::time::sleep(bartizan_proxy::limits::SNIFF_TIME / 2).await;
        let response = talk(stream, get(&format!("/{n}"))).await;
        assert!(response.contains(&format!("GET /{n}\n")), "{response}");
    }
    // The connection that was opened ahead was for nothing, and each thread learns from the first.
    let for_nothing = |e: &&bartizan_core::event::Event| matches!(&e.what, What::Connection(c) if c.bytes_up == 0);
    let opened = callee.proxy.events.take().iter().filter(for_nothing).count();
    assert!(opened <= 2, "{opened}");
}

#[tokio::test]
async fn nothing_is_opened_ahead_to_whom_nobody_declared() {
    let (_world, mut caller, callee) = two("any", programs::tcp_that_greets().await, Protocol::Auto).await;
    let addr = caller.outbound("any");
    caller.redirect(|directory| directory.own.outbound.clear());
    let mut stream = plain(addr).await;
    assert_eq!(crate::client::hear(&mut stream).await, "");
    let error = caller.event(|e| match &e.what {
        What::Connection(c) => c.error.clone(),
        _ => None,
    });
    assert_eq!(&*error.await, "undeclared");
    assert!(callee.proxy.events.take().is_empty(), "the callee has heard of nobody");
}

#[tokio::test]
async fn a_dead_program_is_a_502_and_a_dead_sidecar_too() {
    let (world, caller, callee) = two("api", free_addr(), Protocol::Http).await;
    let response = talk(mtls(&world, callee.mesh(), "web").await, get("/")).await;
    assert_eq!(status(&response), 502);
    assert!(response.contains("upstream_unreachable") && response.contains("request_id"), "{response}");

    callee.stopped().await;
    let response = talk(plain(caller.outbound("api")).await, get("/")).await;
    assert_eq!(status(&response), 502, "{response}");
    let failed = caller.event(|e| match &e.what {
        What::Request(r) => r.error.clone(),
        _ => None,
    });
    assert_eq!(&*failed.await, "upstream_unreachable", "outbound, only failures are events");
}

#[tokio::test]
async fn a_peer_that_is_not_whom_we_dialled_is_a_502() {
    let (world, mut caller, callee) = two("api", programs::http().await, Protocol::Http).await;
    let other = world.id("rpc");
    caller.redirect(|directory| directory.peers.get_mut(&callee.proxy.name).unwrap().id = other);
    let response = talk(plain(caller.outbound("api")).await, get("/")).await;
    assert_eq!(status(&response), 502);
    let failure = caller.event(|e| match &e.what {
        What::Handshake(h) => h.failure,
        _ => None,
    });
    assert_eq!(failure.await, bartizan_core::event::HandshakeFailure::WrongPeer);
}

#[tokio::test]
async fn a_program_that_breaks_off_is_a_502_and_one_that_closes_idle_connections_is_none() {
    let breaks = programs::custom(|mut stream| async move {
        let mut head = [0; 64];
        let _ = stream.read(&mut head).await;
    })
    .await;
    let (world, _caller, callee) = two("api", breaks, Protocol::Http).await;
    let response = talk(mtls(&world, callee.mesh(), "web").await, get("/")).await;
    assert!(status(&response) == 502 && response.contains("upstream_broken"), "{response}");

    // One request per connection, then closed without a word, as simple servers do.
    let once = programs::custom(|mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let (world, _caller, callee) = two("api", once, Protocol::Http).await;
    for n in 0..30 {
        let response = talk(mtls(&world, callee.mesh(), "web").await, get("/")).await;
        assert_eq!(status(&response), 200, "request {n}: {response}");
    }
}

#[tokio::test]
async fn a_response_that_is_cut_short_is_cut_short_for_the_client_too() {
    let cut = programs::custom(|mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await;
    })
    .await;
    let (world, _caller, callee) = two("api", cut, Protocol::Http).await;
    let response = talk(mtls(&world, callee.mesh(), "web").await, get("/")).await;
    assert!(response.contains("content-length: 100") && response.len() < 400, "{response}");
    let error = callee.event(|e| match &e.what {
        What::Request(r) => r.error.clone(),
        _ => None,
    });
    assert_eq!(&*error.await, "upstream_cut_short");
}

#[tokio::test]
async fn a_stop_lets_requests_under_way_finish_and_ends_in_bounded_time() {
    let (asked, mut is_asked) = tokio::sync::mpsc::channel(1);
    let slow = programs::custom(move |mut stream| {
        let asked = asked.clone();
        async move {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            asked.send(()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(300)).await; // the work
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
        }
    })
    .await;
    let (world, _caller, callee) = two("api", slow, Protocol::Http).await;
    let mut busy = mtls(&world, callee.mesh(), "web").await;
    let mut idle = mtls(&world, callee.mesh(), "web").await;
    busy.write_all(get("/").replace("connection: close\r\n", "").as_bytes()).await.unwrap();
    is_asked.recv().await.unwrap();
    let began = Instant::now();
    let (response, (), rest) = tokio::join!(hear(&mut busy), callee.stopped(), hear(&mut idle));
    assert!(response.ends_with("done") && header(&response, "connection") == Some("close"), "{response}");
    assert_eq!(rest, "", "an idle connection is just closed");
    assert!(began.elapsed() < PATIENCE);
    assert!(tokio::net::TcpStream::connect(callee.mesh()).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn listeners_follow_the_directory() {
    let (_world, mut caller, _callee) = two("api", programs::http().await, Protocol::Http).await;
    let before = caller.outbound("api");
    let after = free_addr();
    caller.redirect(|directory| {
        directory.own.outbound.insert(name("api"), after);
    });
    let directory = caller.directory.clone();
    let (bound, missing) = caller.listeners.bind(&directory);
    assert!(missing.is_none(), "{missing:?}");
    caller.listeners.serve(bound).await;
    assert_eq!(status(&talk(plain(after).await, get("/")).await), 200);
    until("the old listener is closed", async || tokio::net::TcpStream::connect(before).await.is_err()).await;

    // An address that somebody else has refuses the directory and leaves what runs.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut directory = caller.directory.clone();
    directory.own.outbound.insert(name("rpc"), taken.local_addr().unwrap());
    let error = caller.listeners.bind(&directory).1.unwrap().to_string();
    assert!(error.contains("in use"), "{error}");
    assert_eq!(status(&talk(plain(after).await, get("/")).await), 200);
}

/// The real bound is a minute, so this goes to the pool with a shorter one.
#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_a_504() {
    let silent = programs::custom(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let proxy = Arc::new(Proxy::new(name("api"), World::new().domain, 1));
    let counters = proxy.new_counters();
    let ledger = Ledger::new(Arc::clone(&proxy), Arc::clone(&counters));
    let alarms = Alarms::default();
    let pools = Pools::new(Arc::clone(&proxy), counters, ledger, alarms.clone());
    let head = RequestHead::new(Method::GET, b"/", None, Fields::default());
    let mut request = Outgoing::new(head, Body::default());
    let target = Target::Program(silent);
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            alarms.tick();
        }
    };
    let sending = pools.send(&target, Version::Http1, &mut request, Duration::from_millis(20));
    let failure = tokio::task::LocalSet::new()
        .run_until(async {
            tokio::select! {
                sent = sending => sent.unwrap_err(),
                () = ticking => unreachable!(),
            }
        })
        .await;
    let answer = failure.answer();
    assert_eq!((answer.status, &*answer.word), (504, "upstream_timeout"));
}
