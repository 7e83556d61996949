//! The edge: clients without certificates, routes, and what they are told.

use crate::client::{get, header, status, talk, tls};
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

async fn edge(extra: &str) -> (World, Guard, Guard) {
    let world = World::new();
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let gateway = world.gateway(&api, extra).await;
    (world, api, gateway)
}

async fn ask(gateway: &Guard, request: impl AsRef<[u8]>) -> String {
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

#[tokio::test]
async fn a_routed_request_reaches_the_program_with_its_client() {
    let (_world, api, gateway) = edge("").await;
    let forged =
        "x-forwarded-for: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n";
    let response = ask(&gateway, get("/api/a").replace("connection:", &format!("{forged}connection:"))).await;
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("GET /api/a\n") && response.contains("x-forwarded-for: 127.0.0.1\n"), "{response}");
    assert!(response.contains("x-forwarded-proto: https\n") && response.contains("x-forwarded-host: api.test\n"));
    assert!(response.contains("x-bartizan-peer: spiffe://bank.test/svc/gateway\n") && !response.contains("6.6.6.6"));
    let id = header(&response, "x-request-id").unwrap().to_owned();
    for guard in [&gateway, &api] {
        let seen = guard.event(|e| matches!(e.what, What::Request(_)).then_some(e.request)).await;
        assert_eq!(seen.unwrap().to_string(), id, "one id from the edge to the last hop");
    }
    let client = gateway.event(|e| match &e.what {
        What::Request(r) => r.client,
        _ => None,
    });
    assert!(client.await.ip().is_loopback());
}

#[tokio::test]
async fn http2_clients_are_served_and_the_program_gets_http1() {
    let (_world, _api, gateway) = edge("").await;
    let stream = TokioIo::new(tls(gateway.edge(), None, &["h2", "http/1.1"]).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("https://edge.test/api/x").body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("x-forwarded-host: edge.test\n"), "{text:?}");
}

#[tokio::test]
async fn an_unknown_route_is_a_404_and_a_dead_service_a_502() {
    let (_world, _api, gateway) = edge("").await;
    for (path, wanted) in [("/other", 404), ("/", 404), ("/down/x", 502)] {
        let response = ask(&gateway, get(path)).await;
        assert_eq!(status(&response), wanted, "{path}: {response}");
        assert!(response.contains("request_id"), "{response}");
    }
}

#[tokio::test]
async fn what_policy_forbids_is_a_403_with_its_reason_only() {
    let extra = r#"
        @id("closed") @reason("closed for maintenance")
        forbid(principal == Workload::"gateway", action, resource) when { context.path like "/api/closed*" };
        @id("quiet")
        forbid(principal == Workload::"gateway", action, resource) when { context.path like "/api/quiet*" };"#;
    let (_world, _api, gateway) = edge(extra).await;
    let response = ask(&gateway, get("/api/closed")).await;
    assert!(status(&response) == 403 && response.contains("closed for maintenance"), "{response}");
    let response = ask(&gateway, get("/api/quiet")).await;
    assert!(
        status(&response) == 403 && response.contains("not permitted") && !response.contains("quiet\""),
        "{response}"
    );
}

#[tokio::test]
async fn the_edge_shows_its_own_certificate_and_refuses_smuggling_as_well() {
    let (_world, _api, gateway) = edge("").await;
    let bytes = "POST /api/a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(status(&ask(&gateway, bytes).await), 400);
    assert_eq!(gateway.refused_rule().await, "content_length_and_transfer_encoding");
    gateway.proxy.change(|live| live.edge = None);
    assert!(tls(gateway.edge(), None, &["http/1.1"]).await.is_err(), "without a certificate nobody is let in");
}

#[tokio::test]
async fn an_expired_gateway_answers_503() {
    let (_world, _api, gateway) = edge("").await;
    gateway.proxy.heard.ago(std::time::Duration::from_secs(25 * 3600));
    let response = ask(&gateway, get("/api/a")).await;
    assert!(status(&response) == 503 && response.contains("expired"), "{response}");
}
