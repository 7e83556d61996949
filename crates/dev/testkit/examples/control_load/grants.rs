//! Client-credential grants per second and core: each a request over a connection that stays, by the certificate that it was opened with.
//!
//! Each client may ask 200 times a second, so 64 of them ask.

use crate::control::{Control, ENTRIES};
use crate::node::{Node, Stream, Target};
use bartizan_crypto::{KeyPair, csr};
use bartizan_runtime::control_v1::{IssueWorkload, NodeUp, node_down, node_up};
use bartizan_testkit::free_ports;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

/// Long enough for every connection to be open and for the first answers.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) async fn run(seconds: u64) {
    let port = free_ports(1)[0];
    let clients: String = (0..ENTRIES).map(|n| format!("    w{n}: {{ scopes: [read] }}\n")).collect();
    let more =
        format!("authorization:\n  listen: 127.0.0.1:{port}\n  audience: https://api.load.test\n  clients:\n{clients}");
    let control = Control::start_with(&more).await;
    let target = Target::of(&control);
    let node = Node::join(&target, "n0", control.token().await).await.unwrap();
    let mut stream = node.attach(&target).await.unwrap();
    let roots = control.roots();
    let (answered, mut open) = (Arc::new(AtomicU64::new(0)), Vec::new());
    for entry in 0..ENTRIES {
        open.push((entry, connect(port, &roots, &mut stream, entry).await));
    }
    let until = Instant::now() + WARM_UP + Duration::from_secs(seconds);
    let tasks: Vec<_> = open
        .into_iter()
        .map(|(entry, mut sender)| {
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                while Instant::now() < until {
                    ask(&mut sender, entry).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(WARM_UP).await;
    let (began, cpu, before) = (Instant::now(), control.cpu(), answered.load(Ordering::Relaxed));
    for task in tasks {
        task.await.unwrap();
    }
    let (wall, used) = (began.elapsed().as_secs_f64(), (control.cpu() - cpu).as_secs_f64());
    let count = (answered.load(Ordering::Relaxed) - before) as f64;
    println!(
        "{count} tokens in {wall:.1} s over {ENTRIES} connections of as many clients (mutual TLS 1.3, HTTP/1.1, ES256)"
    );
    println!("{:.0} a second (load and control share the cores)", count / wall);
    println!("{:.0} a CPU second of control, {:.1} µs each", count / used, 1e6 * used / count);
    println!("control: {} MiB resident, peak {}", control.mib("VmRSS"), control.mib("VmHWM"));
}

/// A connection of the client `entry`, with a certificate that its node got for it.
pub(crate) async fn connect(port: u16, roots: &[u8], stream: &mut Stream, entry: usize) -> SendRequest<Full<Bytes>> {
    let key = KeyPair::generate().unwrap();
    let ask = IssueWorkload {
        request: entry as u64 + 1,
        entry: format!("w{entry}"),
        spiffe_id: format!("spiffe://load.test/workload/w{entry}"),
        csr: csr::make(&key).unwrap(),
    };
    stream.ups.send(NodeUp { message: Some(node_up::Message::Issue(ask)) }).await.unwrap();
    let chain = loop {
        match stream.downs.message().await.unwrap().unwrap().message {
            Some(node_down::Message::Svid(svid)) => break svid.svid.unwrap().chain,
            Some(node_down::Message::Refusal(no)) => panic!("refused: {}", no.why),
            _ => {}
        }
    };
    let mut trusted = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        trusted.add(root.unwrap()).unwrap();
    }
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::try_from(key.pkcs8().expose().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(trusted)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let tls = TlsConnector::from(Arc::new(config));
    // The listener opens a moment after the local API.
    for _ in 0..200 {
        if let Ok(tcp) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            tcp.set_nodelay(true).unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let (sender, connection) = handshake(TokioIo::new(tls.connect(name, tcp).await.unwrap())).await.unwrap();
            tokio::spawn(connection);
            return sender;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the authorization server does not listen")
}

/// Asks for a token; status and text of the answer.
pub(crate) async fn post(sender: &mut SendRequest<Full<Bytes>>, entry: usize) -> (u16, Bytes) {
    let body = format!("grant_type=client_credentials&client_id=w{entry}&scope=read");
    sender.ready().await.unwrap();
    let request = hyper::Request::post("/token")
        .header("host", "127.0.0.1")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.into_body().collect().await.unwrap().to_bytes())
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, entry: usize) {
    loop {
        let (status, text) = post(sender, entry).await;
        match status {
            200 => return assert!(text.windows(12).any(|part| part == b"access_token")),
            // It may ask 200 times a second.
            429 => tokio::time::sleep(Duration::from_millis(5)).await,
            other => panic!("{other}: {}", String::from_utf8_lossy(&text)),
        }
    }
}
