//! Routes by host, method and header, and what holds while they change.

use crate::client::{get, hear_until, plain, status, talk, tls};
use crate::programs;
use crate::world::{Guard, PATIENCE, World, name};
use bartizan_core::event::What;
use bartizan_core::fleet::{GatewayRoute, Protocol};
use bartizan_core::gateway::{HeaderMatch, HostPattern};
use bartizan_core::path::PathPattern;
use bartizan_crypto::cert;
use bartizan_runtime::tls::WebClient;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

/// A route to the program where `to` is `api`, and to nobody where it is `web`.
pub fn route(host: &str, path: &str, to: &str) -> GatewayRoute {
    let host = (!host.is_empty()).then(|| HostPattern::parse(host).unwrap());
    GatewayRoute { host, ..GatewayRoute::new(PathPattern::parse(path).unwrap(), name(to)) }
}

/// A gateway with these routes.
pub async fn edge(routes: Vec<GatewayRoute>) -> (World, Guard, Guard) {
    edge_of(programs::http().await, routes).await
}

/// The same in front of a program of one's own.
pub async fn edge_of(program: SocketAddr, routes: Vec<GatewayRoute>) -> (World, Guard, Guard) {
    let world = World::new();
    let api = world.sidecar("api", program, Protocol::Http).await;
    let mut gateway = world.gateway(&api, "").await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().routes = routes);
    (world, api, gateway)
}

async fn ask(gateway: &Guard, request: impl AsRef<[u8]>) -> String {
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

fn get_of(host: &str, path: &str) -> String {
    get(path).replace("api.test", host)
}

#[tokio::test]
async fn who_names_another_host_than_in_the_handshake_is_sent_away() {
    let (world, _api, gateway) = edge(vec![route("", "/api/**", "api")]).await;
    let roots: String = world.bundles.roots_of("bank.test").unwrap().iter().map(|der| cert::pem(der)).collect();
    let browser = |alpn: &'static str| {
        let (client, at) = (WebClient::new(&roots, &[alpn]).unwrap(), gateway.edge());
        async move { client.connect(plain(at).await, "localhost", PATIENCE).await.unwrap() }
    };
    for (host, wanted) in [
        ("api.test", 421),
        ("localhost.api.test", 421),
        ("127.0.0.1", 421),
        ("localhost", 200),
        ("LocalHost:8443", 200),
        ("localhost.", 200),
    ] {
        let response = talk(browser("http/1.1").await, get_of(host, "/api/a")).await;
        assert_eq!(status(&response), wanted, "{host}: {response}");
    }
    let misdirected = gateway.event(|e| match &e.what {
        What::Request(r) if r.status == 421 => Some(r.error.clone()),
        _ => None,
    });
    assert_eq!(misdirected.await.as_deref(), Some("misdirected"));
    assert_eq!(status(&ask(&gateway, get("/api/a")).await), 200, "no name in the handshake, as for an address");

    let stream = TokioIo::new(browser("h2").await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (host, wanted) in [("other.test", 421), ("localhost", 200)] {
        let request = Request::get(format!("https://{host}/api/a")).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), wanted, "{host}");
    }
}

#[tokio::test]
async fn a_request_that_is_for_another_host_method_or_header_finds_nothing() {
    let post = GatewayRoute { methods: vec!["POST".into()], ..route("*.test", "/post", "api") };
    let beta = HeaderMatch::parse("x-beta", "on").unwrap();
    let header = GatewayRoute { match_headers: vec![beta], ..route("*.test", "/beta", "api") };
    let (_world, _api, gateway) = edge(vec![route("api.test", "/api/**", "api"), post, header]).await;
    let with = |line: &str, path: &str| get(path).replace("connection:", &format!("{line}\r\nconnection:"));
    for (request, wanted) in [
        (get("/api/a"), 200),
        (get_of("API.test.:8443", "/api/a"), 200),
        (get_of("other.test", "/api/a"), 404),
        (get_of("x.api.test", "/api/a"), 404),
        (get_of("api.test.evil", "/api/a"), 404),
        (get("/post"), 404),
        (get("/post").replace("GET", "POST"), 200),
        (get("/beta"), 404),
        (with("X-Beta: on", "/beta"), 200),
        (with("x-beta: off", "/beta"), 404),
        (with("x-beta: on\r\nx-beta: on", "/beta"), 404),
        (with("x_beta: on", "/beta"), 404),
    ] {
        let response = ask(&gateway, &request).await;
        assert_eq!(status(&response), wanted, "{request}{response}");
    }
}

#[tokio::test]
async fn what_is_under_way_ends_with_its_route_and_goes_on_where_that_stays() {
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (here, when) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = programs::custom(move |mut stream| {
        let (here, when) = (Arc::clone(&here), Arc::clone(&when));
        async move {
            hear_until(&mut stream, "\r\n\r\n").await;
            here.add_permits(1);
            when.acquire().await.unwrap().forget();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    });
    let routes = vec![route("a.test", "/api/**", "api"), route("b.test", "/api/**", "api")];
    let (_world, _api, mut gateway) = edge_of(slow.await, routes).await;
    let ask = |host: &'static str| {
        let at = gateway.edge();
        tokio::spawn(async move { talk(tls(at, None, &["http/1.1"]).await.unwrap(), get_of(host, "/api/x")).await })
    };
    let (kept, gone) = (ask("a.test"), ask("b.test"));
    let both = tokio::time::timeout(PATIENCE, begun.acquire_many(2)).await.expect("both reach the program");
    both.unwrap().forget();
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().routes.truncate(1));
    let response = gone.await.unwrap();
    assert_eq!(status(&response), 403, "{response}");
    go.add_permits(2);
    assert_eq!(status(&kept.await.unwrap()), 200, "its route is still there");
}
