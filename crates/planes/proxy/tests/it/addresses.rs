//! From where clients come, and who is believed about that.

use crate::client::{get, plain, status, talk, tls};
use crate::routes::{edge, route};
use crate::world::{Guard, PATIENCE, World};
use bartizan_core::egress::Range;
use bartizan_core::event::What;
use bartizan_core::fleet::GatewayRoute;
use bartizan_core::gateway::Addresses;
use bartizan_core::snapshot::GatewaySide;
use bartizan_runtime::tls::Client;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn ranges(texts: &[&str]) -> Vec<Range> {
    texts.iter().map(|text| Range::parse(text).unwrap()).collect()
}

fn lists(allow: &[&str], deny: &[&str]) -> Option<Addresses> {
    Some(Addresses { allow: ranges(allow), deny: ranges(deny) })
}

async fn edge_with(change: impl FnOnce(&mut GatewaySide)) -> (World, Guard, Guard) {
    let private = GatewayRoute { addresses: lists(&["192.0.2.0/24"], &["192.0.2.66"]), ..route("", "/private", "api") };
    let (world, api, mut gateway) = edge(vec![route("", "/**", "api"), private]).await;
    gateway.redirect(|directory| change(directory.own.gateway.as_mut().unwrap()));
    (world, api, gateway)
}

async fn ask(gateway: &Guard, path: &str, lines: &str) -> String {
    let request = get(path).replace("connection:", &format!("{lines}connection:"));
    talk(tls(gateway.edge(), None, &["http/1.1"]).await.unwrap(), request).await
}

async fn refused(gateway: &Guard, rule: &str) {
    let it = gateway.event(|e| match &e.what {
        What::Refused(refused) if &*refused.rule == rule => refused.remote,
        _ => None,
    });
    assert!(it.await.ip().is_loopback());
}

#[tokio::test]
async fn whom_a_list_keeps_out_is_closed_before_tls() {
    let (_world, _api, mut gateway) = edge_with(|it| it.addresses = lists(&[], &["127.0.0.0/8"])).await;
    let mut stream = plain(gateway.edge()).await;
    let _ = stream.write_all(b"\x16\x03\x01").await;
    assert!(matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_)), "not one byte of an answer");
    refused(&gateway, "address_denied").await;
    assert!(tls(gateway.edge(), None, &["http/1.1"]).await.is_err());

    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().addresses = lists(&["127.0.0.1"], &[]));
    assert_eq!(status(&ask(&gateway, "/x", "").await), 200);
    assert_eq!(status(&ask(&gateway, "/private", "").await), 403, "the route has a list of its own");
    assert_eq!(status(&ask(&gateway, "/private", "x-forwarded-for: 192.0.2.7\r\n").await), 403, "nobody is believed");
}

#[tokio::test]
async fn a_connection_that_was_let_in_is_asked_again_when_the_lists_change() {
    let (_world, _api, mut gateway) = edge_with(|_| {}).await;
    let mut stream = tls(gateway.edge(), None, &["http/1.1"]).await.unwrap();
    let request = get("/x").replace("connection: close\r\n", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    crate::client::hear_until(&mut stream, "x-forwarded-for: 127.0.0.1").await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().addresses = lists(&[], &["127.0.0.1"]));
    let response = talk(stream, get("/x")).await;
    assert!(response.contains(" 403 ") && response.contains("address_denied"), "{response}");
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is_and_nobody_in_front_of_it() {
    let (_world, _api, gateway) = edge_with(|it| {
        it.trusted_proxies = ranges(&["127.0.0.1", "10.0.0.0/8"]);
        it.addresses = lists(&[], &["198.51.100.0/24"]);
    })
    .await;
    for (said, path, wanted) in [
        ("192.0.2.7", "/private", 200),
        ("192.0.2.7, 10.1.1.1", "/private", 200),
        ("192.0.2.66", "/private", 403),
        ("192.0.2.7, 203.0.113.9", "/private", 403),
        ("203.0.113.9", "/x", 200),
        ("198.51.100.9", "/x", 403),
        ("198.51.100.9, 203.0.113.9", "/x", 200),
        ("198.51.100.9", "/nowhere-to-be-seen", 403),
        ("203.0.113.9, nobody", "/x", 400),
    ] {
        let response = ask(&gateway, path, &format!("x-forwarded-for: {said}\r\n")).await;
        assert_eq!(status(&response), wanted, "{said} {path}: {response}");
    }
    let response = ask(&gateway, "/x", "x-forwarded-for: 6.6.6.6, 203.0.113.9, 10.1.1.1\r\n").await;
    assert!(response.contains("x-forwarded-for: 203.0.113.9\n") && !response.contains("6.6.6.6"), "{response}");
    let client = gateway.event(|e| match &e.what {
        What::Request(r) if r.status == 200 => r.client.filter(|it| it.ip().to_string() == "203.0.113.9"),
        _ => None,
    });
    client.await;
}

/// TLS behind these bytes; `Err` where the gateway closed.
async fn behind(gateway: &Guard, header: &[u8], request: String) -> Result<String, String> {
    let mut stream = plain(gateway.edge()).await;
    stream.write_all(header).await.map_err(|error| error.to_string())?;
    let client = Client::new(None, &["http/1.1"]).unwrap();
    let judge = Arc::new(|_: &[&[u8]]| Ok(()));
    let accepted = client.connect(stream, judge, PATIENCE).await.map_err(|error| error.to_string())?;
    Ok(talk(accepted.stream, request).await)
}

#[tokio::test]
async fn the_proxy_protocol_is_read_from_trusted_addresses_alone() {
    let line = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n";
    let (_world, _api, gateway) = edge_with(|_| {}).await;
    assert!(behind(&gateway, line, get("/private")).await.is_err(), "nobody is trusted, so it is no TLS");

    let (_world, _api, mut gateway) = edge_with(|it| {
        (it.trusted_proxies, it.proxy_protocol) = (ranges(&["127.0.0.1"]), true);
        it.addresses = lists(&[], &["198.51.100.0/24"]);
    })
    .await;
    assert!(tls(gateway.edge(), None, &["http/1.1"]).await.is_err(), "it has to say it");
    refused(&gateway, "proxy_header_missing").await;
    assert!(behind(&gateway, b"PROXY TCP4 192.0.2.07 127.0.0.1 1 2\r\n", get("/")).await.is_err());
    refused(&gateway, "proxy_header_line").await;
    assert!(behind(&gateway, b"PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n", get("/")).await.is_err());
    let kept_out = gateway.event(|e| match &e.what {
        What::Refused(it) if &*it.rule == "address_denied" => it.remote,
        _ => None,
    });
    assert_eq!(kept_out.await.to_string(), "198.51.100.1:1", "the client's address, before TLS");

    let response = behind(&gateway, line, get("/private")).await.unwrap();
    assert!(status(&response) == 200 && response.contains("x-forwarded-for: 192.0.2.7\n"), "{response}");
    let v2 = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"[..], &[192, 0, 2, 66, 127, 0, 0, 1, 0, 1, 0, 2]].concat();
    assert_eq!(status(&behind(&gateway, &v2, get("/private")).await.unwrap()), 403);
    let forged = get("/private").replace("connection:", "x-forwarded-for: 192.0.2.7\r\nconnection:");
    assert_eq!(status(&behind(&gateway, &v2, forged).await.unwrap()), 403, "the client itself is not trusted");
    let own = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    assert_eq!(status(&behind(&gateway, own, get("/")).await.unwrap()), 200, "the balancer looks whether we are well");

    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().trusted_proxies = ranges(&["10.0.0.1"]));
    assert!(behind(&gateway, line, get("/private")).await.is_err(), "not trusted any more");
    assert_eq!(status(&ask(&gateway, "/x", "").await), 200, "others speak TLS at once");
}
