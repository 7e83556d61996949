//! Interim responses to clients of HTTP/2, and from a real program to a real client over each way that there is.

use crate::client::plain;
use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::fleet::Protocol;
use bartizan_proxy::limits;
use http::{HeaderMap, Request, StatusCode};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// A program that says `ahead` before each answer, and two guards before it.
async fn behind(ahead: String) -> (World, Guard, Guard) {
    let program = programs::custom(move |mut stream| {
        let answer = format!("{ahead}HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
        async move {
            let mut head = [0; 2048];
            while stream.read(&mut head).await.is_ok_and(|n| n > 0) {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    });
    let world = World::new();
    let callee = world.sidecar("api", program.await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    (world, caller, callee)
}

/// What a client of HTTP/2 hears: interim responses, then the status and body of the response.
async fn ask(at: SocketAddr) -> (Vec<(StatusCode, HeaderMap)>, StatusCode, String) {
    let (mut send, connection) = h2::client::handshake(plain(at).await).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = Request::get("http://api/x").body(()).unwrap();
    let (mut response, _) = send.send_request(request, true).unwrap();
    let mut interim = Vec::new();
    while let Some(heard) = poll_fn(|cx| response.poll_informational(cx)).await {
        let heard = heard.unwrap();
        interim.push((heard.status(), heard.headers().clone()));
    }
    let response = response.await.unwrap();
    let (status, mut body) = (response.status(), response.into_body());
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    driving.abort();
    (interim, status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn more_or_larger_ones_than_may_be_and_a_switch_that_nobody_asked_for_do_not_reach_a_client_of_http2() {
    let many = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n".repeat(3 * limits::INTERIM_MAX);
    let (_world, caller, _callee) = behind(many).await;
    let (interim, status, body) = ask(caller.outbound("api")).await;
    assert_eq!((interim.len(), status.as_u16(), body.as_str()), (limits::INTERIM_MAX, 200, "abc"));

    let value = "x".repeat(limits::INTERIM_BYTES_MAX);
    let large = format!("HTTP/1.1 103 Early Hints\r\nlink: {value}\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
    let (_world, caller, _callee) = behind(large).await;
    let (interim, status, _) = ask(caller.outbound("api")).await;
    let heard: Vec<_> = interim.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!((heard, status.as_u16()), (vec![102], 200), "the large one alone is left out");

    let (_world, caller, _callee) = behind("HTTP/1.1 100 Continue\r\n\r\n".to_owned()).await;
    let (interim, status, _) = ask(caller.outbound("api")).await;
    assert_eq!((interim.len(), status.as_u16()), (0, 200), "100 is each hop's own");
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n".to_owned();
    let (_world, caller, _callee) = behind(switched).await;
    let (interim, status, _) = ask(caller.outbound("api")).await;
    assert_eq!((interim.len(), status.as_u16()), (0, 502), "nobody asked for a switch");
}

#[tokio::test]
async fn hints_reach_a_client_of_http2_ahead_of_the_response_and_without_what_is_for_one_hop() {
    let ahead =
        "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\n\r\n";
    let (_world, caller, _callee) = behind(ahead.to_owned()).await;
    let (interim, status, body) = ask(caller.outbound("api")).await;
    let [(hint, fields)] = interim.as_slice() else { panic!("one: {interim:?}") };
    assert_eq!((hint.as_u16(), status.as_u16(), body.as_str()), (103, 200, "abc"));
    assert_eq!(fields.get("link").unwrap(), "</a>; rel=preload");
    assert_eq!(fields.len(), 1, "{fields:?}");
}

/// Says a hint and that it is at work, then its answer. Prints its port.
const HINTING: &str = "
const server = require('http').createServer((request, response) => {
  response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
  response.writeProcessing();
  setTimeout(() => response.end('said by node'), 20);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";

async fn node() -> (Child, SocketAddr) {
    let mut child = Command::new("node")
        .args(["-e", HINTING])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Node.js is installed");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("node says its port: {line}"));
    (child, SocketAddr::from(([127, 0, 0, 1], port)))
}

async fn curl(args: &[&str], url: String) -> String {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--insecure", "--max-time", "30", "--dump-header", "-"])
        .args(args)
        .arg(url);
    let output = command.output().await.expect("curl is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn what_node_says_ahead_is_heard_by_curl_on_every_way() {
    let (_node, program) = node().await;
    let world = World::new();
    let callee = world.sidecar("api", program, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let gateway = world.gateway(&callee, "").await;
    let inside = || format!("http://{}/x", caller.outbound("api"));
    let outside = || format!("https://{}/api/x", gateway.edge());
    // What is of no use to a client of HTTP/1.0 does not come.
    let old = curl(&["--http1.0"], inside()).await;
    assert!(!old.contains(" 103 ") && old.contains(" 200 ") && old.ends_with("said by node"), "{old}");
    for (args, url) in [
        (&["--http1.1"][..], inside()),
        (&["--http2-prior-knowledge"], inside()),
        (&["--http1.1"], outside()),
        (&["--http2"], outside()),
    ] {
        let version = if args[0].starts_with("--http2") { "HTTP/2" } else { "HTTP/1.1" };
        let said = curl(args, url).await;
        let heads: Vec<&str> = said.split("\r\n\r\n").collect();
        let [hints, progress, response, "said by node"] = heads.as_slice() else { panic!("{args:?}: {said}") };
        assert!(hints.starts_with(&format!("{version} 103")), "{args:?}: {said}");
        assert!(hints.to_ascii_lowercase().contains("link: </style.css>; rel=preload; as=style"), "{said}");
        assert!(progress.starts_with(&format!("{version} 102")), "{args:?}: {said}");
        assert!(response.starts_with(&format!("{version} 200")), "{args:?}: {said}");
    }
    // An answer to HEAD has no content, a refusal of ours neither.
    let head = curl(&["--head", "--http2"], format!("https://{}/nowhere", gateway.edge())).await;
    assert!(head.starts_with("HTTP/2 404") && !head.contains('{'), "{head}");
}
