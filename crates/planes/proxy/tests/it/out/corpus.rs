//! Ways round the guard, one real attempt each: what has to be stopped, and by which word it is flagged. Those that need a
//! program without another network are in [`super::namespace`].

use super::names::{A, resolve};
use super::{Origin, Out, get_over_tls, roots, rules};
use crate::client::{hear, plain, talk};
use crate::world::World;
use bartizan_core::egress::Refusal;
use bartizan_core::event::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// From the attempt to the event.
const FLAGGED_WITHIN: Duration = Duration::from_secs(1);

/// What a program might send to the forward proxy; `{port}` is the port of a server that is listed as `api.test`.
const REQUESTS: &[(&str, &str, Refusal)] = &[
    ("a raw address", "CONNECT 8.8.8.8:443 HTTP/1.1\r\nhost: 8.8.8.8:443\r\n\r\n", Refusal::RawAddress),
    ("a raw IPv6 address", "CONNECT [2606:4700::1111]:443 HTTP/1.1\r\n\r\n", Refusal::RawAddress),
    ("loopback", "CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n", Refusal::InnerAddress),
    ("loopback in IPv6 spelling", "CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1\r\n\r\n", Refusal::InnerAddress),
    ("loopback as a number", "CONNECT 2130706433:{port} HTTP/1.1\r\n\r\n", Refusal::BadRequest),
    ("loopback with fewer dots", "CONNECT 127.1:{port} HTTP/1.1\r\n\r\n", Refusal::BadRequest),
    ("loopback in hex", "CONNECT 0x7f000001:{port} HTTP/1.1\r\n\r\n", Refusal::BadRequest),
    ("an inner network", "CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n", Refusal::InnerAddress),
    ("metadata", "GET http://169.254.169.254/latest/ HTTP/1.1\r\nhost: 169.254.169.254\r\n\r\n", Refusal::Metadata),
    ("metadata over NAT64", "CONNECT [64:ff9b::a9fe:a9fe]:80 HTTP/1.1\r\n\r\n", Refusal::Metadata),
    ("metadata over IPv6", "GET http://[fd00:ec2::254]/ HTTP/1.1\r\nhost: [fd00:ec2::254]\r\n\r\n", Refusal::Metadata),
    ("metadata as a number", "GET http://2852039166/ HTTP/1.1\r\nhost: 2852039166\r\n\r\n", Refusal::HostMismatch),
    ("metadata by name", "CONNECT metadata.test:80 HTTP/1.1\r\n\r\n", Refusal::Metadata),
    ("DNS over HTTPS", "CONNECT dns.google:443 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    ("DNS over TLS", "CONNECT dns.quad9.net:853 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    ("another port of a listed name", "CONNECT api.test:22 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    ("a label too many", "CONNECT a.b.files.test:443 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    ("the name below a star", "CONNECT files.test:443 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    ("a name that begins like a listed one", "CONNECT api.test.evil.test:443 HTTP/1.1\r\n\r\n", Refusal::Undeclared),
    (
        "a user that looks like a listed name",
        "GET http://api.test@evil.test/ HTTP/1.1\r\nhost: api.test\r\n\r\n",
        Refusal::BadRequest,
    ),
    ("a user in a tunnel", "CONNECT api.test@evil.test:443 HTTP/1.1\r\n\r\n", Refusal::BadRequest),
    ("no port", "CONNECT api.test HTTP/1.1\r\nhost: api.test\r\n\r\n", Refusal::BadRequest),
    (
        "Host says another name",
        "CONNECT api.test:{port} HTTP/1.1\r\nhost: evil.test:{port}\r\n\r\n",
        Refusal::HostMismatch,
    ),
    (
        "Host says it twice",
        "CONNECT api.test:{port} HTTP/1.1\r\nhost: api.test\r\nhost: evil.test\r\n\r\n",
        Refusal::HostMismatch,
    ),
    (
        "Host of a request says another name",
        "GET http://plain.test/ HTTP/1.1\r\nhost: evil.test\r\n\r\n",
        Refusal::HostMismatch,
    ),
    (
        "two Hosts of a request",
        "GET http://plain.test/ HTTP/1.1\r\nhost: plain.test\r\nhost: evil.test\r\n\r\n",
        Refusal::HostMismatch,
    ),
    ("a request without a target", "GET / HTTP/1.1\r\nhost: plain.test\r\n\r\n", Refusal::BadRequest),
    ("https in the clear", "GET https://api.test/ HTTP/1.1\r\nhost: api.test\r\n\r\n", Refusal::BadRequest),
    (
        "HTTP where TLS is listed",
        "GET http://api.test:{port}/ HTTP/1.1\r\nhost: api.test:{port}\r\n\r\n",
        Refusal::Protocol,
    ),
    ("a tunnel where HTTP is listed", "CONNECT plain.test:80 HTTP/1.1\r\n\r\n", Refusal::Protocol),
    ("TRACE", "TRACE http://plain.test/ HTTP/1.1\r\nhost: plain.test\r\n\r\n", Refusal::BadRequest),
    ("a name that leads inside (CNAME)", "CONNECT alias.test:443 HTTP/1.1\r\n\r\n", Refusal::InnerAddress),
    ("an inner address among good ones", "CONNECT mixed.test:443 HTTP/1.1\r\n\r\n", Refusal::InnerAddress),
    ("outside of the pinned range", "CONNECT pinned.test:443 HTTP/1.1\r\n\r\n", Refusal::NotPinned),
    ("the guard's forward proxy itself", "CONNECT wide.test:{proxy} HTTP/1.1\r\n\r\n", Refusal::OwnAddress),
    ("the guard's DNS", "CONNECT wide.test:{dns} HTTP/1.1\r\n\r\n", Refusal::OwnAddress),
];

async fn start(world: &World, server: &Origin) -> Out {
    let mut out = Out::start(world, rules("[]", &[])).await;
    let egress = format!(
        "[{{ host: api.test, ports: [{{0}}], addresses: [127.0.0.1] }}, \"*.files.test\", {{ host: plain.test, protocol: http }}, metadata.test, alias.test, mixed.test, \
         {{ host: metadata.test, ports: [80] }}, {{ host: pinned.test, addresses: [198.51.100.0/24] }}, {{ host: wide.test, ports: [{}, {}], addresses: [127.0.0.0/8] }}]",
        out.side.proxy.port(),
        out.side.dns.port()
    );
    out.change(rules(&egress, &[server]));
    out.names.set("metadata.test", &["169.254.169.254"]);
    out.names.set("alias.test", &["10.0.0.7"]);
    out.names.set("mixed.test", &["1.1.1.1", "127.0.0.1"]);
    out.names.set("pinned.test", &["1.1.1.1"]);
    out.names.set("wide.test", &["127.0.0.1"]);
    out
}

#[tokio::test]
async fn every_request_that_goes_round_is_stopped_and_flagged() {
    let world = World::new();
    let server = Origin::tls(&world, &["api.test"]).await;
    for (why, request, refusal) in REQUESTS {
        let out = start(&world, &server).await;
        let request = request
            .replace("{port}", &server.addr.port().to_string())
            .replace("{proxy}", &out.side.proxy.port().to_string())
            .replace("{dns}", &out.side.dns.port().to_string());
        let request = request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let began = Instant::now();
        let answer = out.ask(&request).await;
        assert!(answer.contains(&format!("\"reason\":\"{}\"", refusal.as_str())), "{why}: {answer}");
        let event = out.refused(*refusal).await;
        assert!(began.elapsed() < FLAGGED_WITHIN, "{why}: flagged after {:?}", began.elapsed());
        assert!(event.bytes_up == 0 && event.bytes_down == 0, "{why}");
    }
    assert!(server.heard().is_empty(), "nothing of it reached the server: {:?}", server.heard());
}

/// What a program says in a tunnel to `api.test` that was opened.
fn hellos(world: &World) -> Vec<(&'static str, Vec<u8>, Refusal)> {
    let hello = |name: &str| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    };
    // An extension more: the lengths of record, message and extensions grow with it.
    let with = |mut bytes: Vec<u8>, kind: [u8; 2]| {
        let grow = |bytes: &mut Vec<u8>, at: usize| {
            let n = u16::from_be_bytes([bytes[at], bytes[at + 1]]) + 4;
            bytes[at..at + 2].copy_from_slice(&n.to_be_bytes());
        };
        let session = usize::from(bytes[43]);
        let suites_at = 44 + session;
        let suites = usize::from(u16::from_be_bytes([bytes[suites_at], bytes[suites_at + 1]]));
        let extensions_at = suites_at + 2 + suites + 2;
        for at in [3, 7, extensions_at] {
            grow(&mut bytes, at);
        }
        bytes.extend(kind);
        bytes.extend([0, 0]);
        bytes
    };
    let _ = world;
    vec![
        ("the name of another server", hello("evil.test"), Refusal::SniMismatch),
        ("the name of another listed server", hello("a.files.test"), Refusal::SniMismatch),
        ("an address in place of a name: no name is sent", hello("127.0.0.1"), Refusal::SniMissing),
        (
            "an encrypted ClientHello beside the right name",
            with(hello("api.test"), [0xfe, 0x0d]),
            Refusal::EncryptedHello,
        ),
        ("HTTP in the tunnel", b"GET / HTTP/1.1\r\nhost: api.test\r\n\r\n".to_vec(), Refusal::NotTls),
        ("SSH in the tunnel", b"SSH-2.0-OpenSSH_9\r\n".to_vec(), Refusal::NotTls),
        ("a broken ClientHello", vec![22, 3, 1, 0, 5, 1, 0, 0, 1, 9], Refusal::BadHello),
    ]
}

#[tokio::test]
async fn what_is_said_in_a_tunnel_has_to_agree_with_what_it_was_opened_for() {
    let world = World::new();
    let server = Origin::tls(&world, &["api.test"]).await;
    let authority = format!("api.test:{}", server.addr.port());
    for (why, bytes, refusal) in hellos(&world) {
        let out = start(&world, &server).await;
        let mut tunnel = out.tunnel(&authority).await.unwrap();
        let began = Instant::now();
        tunnel.write_all(&bytes).await.unwrap();
        assert!(hear(&mut tunnel).await.len() < 10, "{why}: closed, perhaps with an alert");
        let event = out.refused(refusal).await;
        assert_eq!(event.host.as_deref(), Some("api.test"), "{why}");
        assert!(began.elapsed() < FLAGGED_WITHIN, "{why}: flagged after {:?}", began.elapsed());
    }
    assert_eq!(server.bytes(), 0, "no byte of it reached the server: {:?}", server.heard());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_changes_nothing() {
    let world = World::new();
    let server = Origin::tls(&world, &["rebind.test"]).await;
    let port = server.addr.port();
    let egress = format!(
        "[{{ host: rebind.test, ports: [{port}], addresses: [127.0.0.0/8] }}, {{ host: outside.test, ports: [{port}] }}]"
    );
    let out = Out::start(&world, rules(&egress, &[])).await;
    // Good while it was asked for, inside when it is dialled.
    out.names.set("outside.test", &["1.1.1.1"]);
    assert_eq!(resolve(out.side.dns, "outside.test", A).await.0, 0);
    out.names.set("outside.test", &["127.0.0.1"]);
    let refused = out.tunnel(&format!("outside.test:{port}")).await.unwrap_err();
    assert!(refused.contains("inner_address"), "{refused}");
    // Each connection is judged by the addresses that it is dialled by.
    out.names.set("rebind.test", &["127.0.0.1"]);
    let tunnel = out.tunnel(&format!("rebind.test:{port}")).await.unwrap();
    out.names.set("rebind.test", &["10.0.0.1"]);
    assert!(get_over_tls(&world, tunnel, "rebind.test").await.unwrap().contains("hello"), "it is dialled already");
    let refused = out.tunnel(&format!("rebind.test:{port}")).await.unwrap_err();
    assert!(refused.contains("inner_address"), "{refused}");
    assert_eq!(out.guard.proxy.egress.stats().lookups, 4, "one for each question, none behind its back");
    let _ = roots(&world);
}

#[tokio::test]
async fn a_request_hides_no_second_one() {
    let world = World::new();
    let server = Origin::plain().await;
    let port = server.addr.port();
    let egress = "[{ host: plain.test, protocol: http, ports: [{0}], addresses: [127.0.0.1], paths: [/ok] }]";
    for (why, framing, body) in [
        (
            "both lengths",
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
            "0\r\n\r\nGET /secret HTTP/1.1\r\nhost: plain.test\r\n\r\n",
        ),
        (
            "two lengths",
            "content-length: 0\r\ncontent-length: 44\r\n",
            "GET /secret HTTP/1.1\r\nhost: plain.test\r\n\r\n",
        ),
        (
            "a coding nobody knows",
            "transfer-encoding: xchunked\r\n",
            "0\r\n\r\nGET /secret HTTP/1.1\r\nhost: plain.test\r\n\r\n",
        ),
        (
            "pipelined",
            "content-length: 0\r\n",
            "GET http://plain.test:{port}/secret HTTP/1.1\r\nhost: plain.test:{port}\r\nconnection: close\r\n\r\n",
        ),
        ("an upgrade", "connection: upgrade\r\nupgrade: h2c\r\n", "GET /secret HTTP/1.1\r\nhost: plain.test\r\n\r\n"),
    ] {
        let out = Out::start(&world, rules(egress, &[&server])).await;
        let head = format!("POST http://plain.test:{port}/ok HTTP/1.1\r\nhost: plain.test:{port}\r\n{framing}\r\n");
        let answer = talk_or_end(&out, head + &body.replace("{port}", &port.to_string())).await;
        assert!(!answer.contains("/secret"), "{why}: {answer}");
        for heard in server.heard() {
            assert!(!heard.contains("GET /secret"), "{why}: a request that nobody judged went out: {heard}");
        }
        drop(out.event(|it| matches!(it.outcome, Outcome::Closed | Outcome::Refused(_))));
    }
}

/// As `talk`, and ends also where the proxy waits for more.
async fn talk_or_end(out: &Out, request: String) -> String {
    let mut stream = plain(out.side.proxy).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    hear(&mut stream).await
}

#[tokio::test]
async fn the_doors_between_services_still_open_no_tunnel() {
    let world = World::new();
    let api = world.sidecar("api", crate::programs::http().await, bartizan_core::fleet::Protocol::Http).await;
    let caller = world.caller("web", &[(&api, bartizan_core::fleet::Protocol::Http)]).await;
    let answer =
        talk(plain(caller.outbound("api")).await, "CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test:443\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}
