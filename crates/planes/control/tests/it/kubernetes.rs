//! Nodes that Kubernetes vouches for, against a stub of its API server: no cluster can run where this is tested. The stub
//! speaks HTTPS with a CA of its own and answers TokenReviews as Kubernetes 1.30 does.

use crate::support::{Connection, Place, Running};
use bartizan_control::{ControlError, Options, Psat};
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_crypto::{KeyPair, cert, csr};
use bartizan_identity::verify_peer;
use bartizan_runtime::control_stream::{Code, Status};
use bartizan_runtime::control_v1::JoinNodeRequest;
use bartizan_runtime::tls::{self, ClientAuth, Identity, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GOOD: &str = "good.pod.token";

/// What the stub says next.
#[derive(Clone, Default)]
struct Said {
    /// Status line and further headers; 201 where `None`.
    head: Option<String>,
    /// Bytes instead of a review.
    body: Option<Vec<u8>>,
    /// Node that the good token is of.
    node: String,
    /// Audiences that it is found good for.
    audiences: Vec<String>,
    /// Says nothing at all.
    silent: bool,
}

/// A stub of a Kubernetes API server.
struct Api {
    url: String,
    ca: Forged,
    said: Arc<Mutex<Said>>,
    /// Heads of the requests that came, and their bodies.
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Api {
    async fn start(host: &str) -> Self {
        let now = clock::now();
        let ca = Recipe::ca("kubernetes", now).self_signed();
        let leaf = Recipe::leaf("", now).with(|it| {
            it.uris.clear();
            it.dns_names = vec![host.to_owned()];
        });
        let leaf = leaf.signed_by(&ca);
        let server = tls::Server::new(&Identity::new(&[leaf.der], &leaf.key).unwrap(), ClientAuth::None, &["http/1.1"]);
        let server = server.unwrap();
        let listener = listen::bind("127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (said, heard) = (Arc::new(Mutex::new(Said::good())), Arc::default());
        tokio::spawn(Self::serve(listener, server, Arc::clone(&said), Arc::clone(&heard)));
        Self { url, ca, said, heard }
    }

    async fn serve(
        listener: TcpListener,
        server: tls::Server,
        said: Arc<Mutex<Said>>,
        heard: Arc<Mutex<Vec<(String, Value)>>>,
    ) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (server, said, heard) = (server.clone(), Arc::clone(&said), Arc::clone(&heard));
            tokio::spawn(async move { answer(socket, &server, &said, &heard).await });
        }
    }

    fn say(&self, change: impl FnOnce(&mut Said)) {
        let mut said = Said::good();
        change(&mut said);
        *self.said.lock().unwrap() = said;
    }
}

impl Said {
    fn good() -> Self {
        let (node, audiences) = ("worker-1".to_owned(), vec!["bartizan".to_owned()]);
        Self { node, audiences, ..Self::default() }
    }

    fn review(&self, token: &Value) -> Value {
        if token != GOOD {
            return json!({ "status": { "authenticated": false, "error": "unknown" } });
        }
        json!({ "kind": "TokenReview", "status": {
            "authenticated": true,
            "user": { "username": "system:serviceaccount:bartizan:node", "extra": {
                "authentication.kubernetes.io/node-name": [self.node],
                "authentication.kubernetes.io/node-uid": ["0f3a8b1c"],
            } },
            "audiences": self.audiences,
        } })
    }
}

async fn answer(
    socket: TcpStream,
    server: &tls::Server,
    said: &Mutex<Said>,
    heard: &Mutex<Vec<(String, Value)>>,
) -> Option<()> {
    let nobody: Judge<()> = Arc::new(|_| {
        Err(JudgeError { failure: bartizan_core::event::HandshakeFailure::Protocol, detail: String::new() })
    });
    let mut stream = server.accept(socket, nobody, Duration::from_secs(5)).await.ok()?.stream;
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let question: Value = serde_json::from_str(&body).ok()?;
    let said = said.lock().unwrap().clone();
    heard.lock().unwrap().push((head, question.clone()));
    if said.silent {
        std::future::pending::<()>().await;
    }
    let body = said.body.clone().unwrap_or_else(|| said.review(&question["spec"]["token"]).to_string().into_bytes());
    let head = said.head.unwrap_or_else(|| "HTTP/1.1 201 Created".to_owned());
    let head = format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.flush().await.ok()
}

fn options(place: &Place, url: &str, ca: &str) -> Options {
    place.write("kube.pem", ca);
    place.write("kube.token", "our-own-token\n");
    let psat = Psat {
        api: url.to_owned(),
        ca: place.path("kube.pem"),
        token: place.path("kube.token"),
        audience: "bartizan".to_owned(),
        accounts: vec!["bartizan:node".to_owned()],
    };
    Options { psat: Some(psat), ..place.options() }
}

async fn join(control: &Running, name: &str, token: &str) -> Result<String, Status> {
    let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
    let (name, kubernetes_token) = (name.to_owned(), token.to_owned());
    let request = JoinNodeRequest { name, csr, kubernetes_token, ..JoinNodeRequest::default() };
    let reply = Connection::open(control, None).await.client.join_node(request).await?;
    let chain = reply.into_inner().svid.unwrap().chain;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    Ok(verify_peer(&chain, &control.bundles, clock::now()).unwrap().id().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_makes_it_the_node_that_kubernetes_names_and_no_other() {
    let api = Api::start("localhost").await;
    let place = Place::new();
    let control = Running::start_with(&place, options(&place, &api.url, &cert::pem(&api.ca.der))).await;
    let refused = async |name: &str, token: &str, why: &str| {
        let status = join(&control, name, token).await.expect_err(why);
        assert_eq!(status.code(), Code::PermissionDenied, "{why}");
        assert!(!status.message().contains("Kubernetes"), "a stranger is told nothing: {}", status.message());
    };
    refused("worker-1", "no-token", "no token at all").await;
    refused("worker-1", &format!("{GOOD}\r\nx: y"), "more than a token").await;
    refused("worker-1", &format!("a.b.{}", "c".repeat(20_000)), "far too long").await;
    assert!(api.heard.lock().unwrap().is_empty(), "nobody was asked about those");
    refused("worker-1", "another.pod.token", "not known to Kubernetes").await;
    refused("worker-2", GOOD, "another node's name").await;
    api.say(|it| it.audiences.clear());
    refused("worker-1", GOOD, "an API server that knows no audiences").await;
    api.say(|it| it.audiences = vec!["https://kubernetes.default.svc".to_owned()]);
    refused("worker-1", GOOD, "a token for the API server itself").await;

    api.say(|_| {});
    assert_eq!(join(&control, "worker-1", GOOD).await.unwrap(), "spiffe://bank.test/bartizan/node/worker-1");
    let (head, question) = api.heard.lock().unwrap().last().unwrap().clone();
    assert!(head.starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer our-own-token\r\n"), "{head}");
    assert_eq!(question["spec"]["audiences"], json!(["bartizan"]));
    control.stop().await;
}

/// An API server that is away, slow or odd is no yes, and is asked again another time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_lets_nobody_in() {
    let api = Api::start("localhost").await;
    let place = Place::new();
    let control = Running::start_with(&place, options(&place, &api.url, &cert::pem(&api.ca.der))).await;
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: https://{}/", trap.local_addr().unwrap());
    let redirect = Said { head: Some(elsewhere), ..Said::good() };
    let forbidden = Said { head: Some("HTTP/1.1 403 Forbidden".to_owned()), ..Said::good() };
    let long = Said { body: Some(vec![b' '; 1 << 20]), ..Said::good() };
    let junk = Said { body: Some(b"<html>".to_vec()), ..Said::good() };
    let silent = Said { silent: true, ..Said::good() };
    for (said, code, why) in [
        (redirect, Code::Unavailable, "sent elsewhere"),
        (forbidden, Code::Unavailable, "we may not ask"),
        (long, Code::Unavailable, "a megabyte"),
        (junk, Code::PermissionDenied, "no review"),
        (silent, Code::Unavailable, "nothing for ever"),
    ] {
        api.say(|it| *it = said);
        let began = Instant::now();
        let status = join(&control, "worker-1", GOOD).await.expect_err(why);
        assert_eq!(status.code(), code, "{why}");
        assert!(began.elapsed() < Duration::from_secs(9), "{why}: {:?}", began.elapsed());
    }
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a redirect was followed");
    api.say(|_| {});
    join(&control, "worker-1", GOOD).await.expect("it is asked again");
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_configured_api_server_is_believed() {
    let (api, other_name) = (Api::start("localhost").await, Api::start("kube.test").await);
    for (url, ca, why) in
        [(&api.url, &other_name.ca, "of another CA"), (&other_name.url, &other_name.ca, "with another name")]
    {
        let place = Place::new();
        let control = Running::start_with(&place, options(&place, url, &cert::pem(&ca.der))).await;
        assert_eq!(join(&control, "worker-1", GOOD).await.expect_err(why).code(), Code::Unavailable, "{why}");
        control.stop().await;
    }
    assert!(api.heard.lock().unwrap().is_empty() && other_name.heard.lock().unwrap().is_empty(), "it saw a token");

    let place = Place::new();
    let control = Running::start(&place).await;
    assert_eq!(join(&control, "worker-1", GOOD).await.unwrap_err().code(), Code::PermissionDenied, "none configured");
    control.stop().await;
    for (url, ca, why) in
        [("http://localhost", cert::pem(&api.ca.der), "no TLS"), (&api.url, String::new(), "no roots")]
    {
        let refused = bartizan_control::serve(options(&place, url, &ca), Default::default()).await;
        assert!(matches!(refused, Err(ControlError::NodeRoots { .. })), "{why}: {refused:?}");
    }
}
