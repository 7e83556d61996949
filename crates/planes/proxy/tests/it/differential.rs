//! Ambiguous messages, read by a guard and by nginx, HAProxy and hyper: wherever two of them would read different requests, the
//! guard lets none of it through; and what it lets through, each of them that accepts it reads as the guard does.

use crate::client::{plain, until};
use crate::world::{PATIENCE, World, free_addr};
use bartizan_core::fleet::Protocol;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as a program has it: method, target, body.
type Seen = (String, String, String);

/// A program that notes what it is asked; it reads as hyper does.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Seen>>>);

impl Notes {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    async fn note(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = head.uri.path_and_query().map_or("*", |target| target.as_str()).to_owned();
        let seen = (head.method.to_string(), target, String::from_utf8_lossy(&body).into_owned());
        self.0.lock().unwrap().push(seen);
        Ok(Response::new(Full::new(Bytes::from_static(b"ok"))))
    }

    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, notes) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = notes.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let notes = notes.clone();
                        async move { notes.note(request).await }
                    });
                    let mut server = hyper::server::conn::http1::Builder::new();
                    let _ = server.half_close(true).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        addr
    }
}

/// A reader under test: where it listens, and what came through it.
struct Reader {
    addr: SocketAddr,
    notes: Notes,
    _process: Option<Process>,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Process {
    let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Process(
        started.unwrap_or_else(|error| panic!("{command:?}: {error}; `xtask/needs.sh nginx haproxy` installs both")),
    )
}

async fn behind(start_before: impl FnOnce(SocketAddr, SocketAddr) -> Process) -> Reader {
    let notes = Notes::default();
    let (addr, program) = (free_addr(), notes.listen().await);
    let process = start_before(addr, program);
    until("the peer listens", async || TcpStream::connect(addr).await.is_ok()).await;
    Reader { addr, notes, _process: Some(process) }
}

async fn nginx(folder: &Path) -> Reader {
    behind(|addr, program| {
        let f = folder.display();
        let text = format!(
            "daemon off; master_process off; pid {f}/nginx.pid; error_log /dev/null; events {{}}\n\
             http {{ access_log off; client_body_temp_path {f}/b; proxy_temp_path {f}/p; fastcgi_temp_path {f}/f; \
             uwsgi_temp_path {f}/u; scgi_temp_path {f}/s; server {{ listen {addr}; location / {{ \
             proxy_pass http://{program}; proxy_http_version 1.1; }} }} }}"
        );
        std::fs::write(folder.join("nginx.conf"), text).unwrap();
        start(Command::new("nginx").arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder))
    })
    .await
}

async fn haproxy(folder: &Path) -> Reader {
    behind(|addr, program| {
        let text = format!(
            "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
             frontend f\n bind {addr}\n default_backend b\nbackend b\n server s {program}\n"
        );
        std::fs::write(folder.join("haproxy.cfg"), text).unwrap();
        start(Command::new("haproxy").arg("-db").arg("-f").arg(folder.join("haproxy.cfg")))
    })
    .await
}

async fn hyper() -> Reader {
    let notes = Notes::default();
    Reader { addr: notes.listen().await, notes, _process: None }
}

impl Reader {
    /// What comes through of `message`.
    async fn read(&self, message: &[u8]) -> Vec<Seen> {
        self.notes.take();
        let mut stream = plain(self.addr).await;
        let _ = stream.write_all(message).await;
        let _ = stream.flush().await;
        // A reader that waits for more would wait for ever: a client that has no more is gone.
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(400), stream.read_to_end(&mut answer)).await;
        drop(stream);
        let answers = answer.windows(9).filter(|w| w.starts_with(b"HTTP/1.")).count();
        assert!(answers < 10, "{}", String::from_utf8_lossy(&answer));
        self.notes.take()
    }
}

/// What follows each message, and must never be taken for a part of it, nor a part of it for this.
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Forms that readers are known to differ in, and a few plain ones.
fn corpus() -> BTreeMap<&'static str, String> {
    let post = |lines: &str, body: &str| format!("POST /m HTTP/1.1\r\nhost: a\r\n{lines}\r\n{body}");
    BTreeMap::from([
        ("plain get", "GET /m HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        ("plain length", post("content-length: 3\r\n", "abc")),
        ("plain chunks", post("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")),
        ("chunk extension", post("transfer-encoding: chunked\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n")),
        ("trailer", post("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")),
        ("leading zeros in a size", post("transfer-encoding: chunked\r\n", "0003\r\nabc\r\n000\r\n\r\n")),
        (
            "CL.TE",
            post("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\nGET /s HTTP/1.1\r\nhost: a\r\n\r\n"),
        ),
        (
            "TE.CL",
            post(
                "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
                "5c\r\nGET /s HTTP/1.1\r\nhost: a\r\n\r\n0\r\n\r\n",
            ),
        ),
        ("TE.TE second unknown", post("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n", "0\r\n\r\n")),
        ("TE list", post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        ("TE identity", post("transfer-encoding: identity\r\ncontent-length: 3\r\n", "abc")),
        ("TE with tab", post("transfer-encoding:\tchunked\r\n", "0\r\n\r\n")),
        ("TE with vertical tab", post("transfer-encoding:\x0bchunked\r\n", "0\r\n\r\n")),
        ("TE quoted", post("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n")),
        ("TE space before colon", post("transfer-encoding : chunked\r\n", "0\r\n\r\n")),
        ("TE folded", post("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        ("TE with underscore", post("transfer_encoding: chunked\r\ncontent-length: 3\r\n", "abc")),
        ("TE in HTTP/1.0", "POST /m HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("CL twice, equal", post("content-length: 3\r\ncontent-length: 3\r\n", "abc")),
        ("CL twice, different", post("content-length: 3\r\ncontent-length: 0\r\n", "abc")),
        ("CL list", post("content-length: 3, 3\r\n", "abc")),
        ("CL with plus", post("content-length: +3\r\n", "abc")),
        ("CL negative", post("content-length: -1\r\n", "abc")),
        ("CL hexadecimal", post("content-length: 0x3\r\n", "abc")),
        ("CL overflow", post("content-length: 18446744073709551619\r\n", "abc")),
        ("CL empty", post("content-length: \r\n", "")),
        ("CL with a space inside", post("content-length: 1 2\r\n", "abcabcabcabc")),
        ("bare LF lines", "GET /m HTTP/1.1\nhost: a\n\n".to_owned()),
        ("bare CR in a value", post("x: a\rcontent-length: 3\r\n", "")),
        ("CR CR LF", "GET /m HTTP/1.1\r\r\nhost: a\r\n\r\n".to_owned()),
        ("NUL in a value", post("x: a\0b\r\n", "")),
        ("folded header", post("x: a\r\n b\r\n", "")),
        ("header without colon", post("x\r\n", "")),
        ("empty name", post(": x\r\n", "")),
        ("white space before the first header", "GET /m HTTP/1.1\r\n x: y\r\nhost: a\r\n\r\n".to_owned()),
        ("host twice", "GET /m HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned()),
        ("no host", "GET /m HTTP/1.1\r\n\r\n".to_owned()),
        ("absolute target", "GET http://b/m HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        ("target with a space", "GET /m m HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        ("two spaces", "GET  /m HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /m\r\n".to_owned()),
        ("HTTP/1.2", "GET /m HTTP/1.2\r\nhost: a\r\n\r\n".to_owned()),
        ("lower-case method", "get /m HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
        ("chunk size with a sign", post("transfer-encoding: chunked\r\n", "+3\r\nabc\r\n0\r\n\r\n")),
        ("chunk size with 0x", post("transfer-encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n")),
        ("chunk size overflow", post("transfer-encoding: chunked\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n")),
        ("chunk with bare LF", post("transfer-encoding: chunked\r\n", "3\nabc\n0\n\n")),
        ("chunk data too long", post("transfer-encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n")),
        ("chunk extension with a line end", post("transfer-encoding: chunked\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n")),
        ("space after a size", post("transfer-encoding: chunked\r\n", "3 \r\nabc\r\n0\r\n\r\n")),
        ("trailer that frames", post("transfer-encoding: chunked\r\n", "0\r\ncontent-length: 5\r\n\r\n")),
        ("GET with a body", "GET /m HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".to_owned()),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_readers_would_read_differently_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new();
    let (ours, program) = (Notes::default(), Notes::default());
    let callee = world.sidecar("api", program.listen().await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    drop(ours);
    let guard = Reader { addr: caller.outbound("api"), notes: program, _process: None };
    let peers =
        [("nginx", nginx(folder.path()).await), ("haproxy", haproxy(folder.path()).await), ("hyper", hyper().await)];

    let (mut passed, mut disputed) = (0, 0);
    for (name, message) in corpus() {
        let bytes = [message.as_bytes(), NEXT.as_bytes()].concat();
        let by_guard = tokio::time::timeout(PATIENCE, guard.read(&bytes)).await.unwrap();
        let mut readings = BTreeMap::new();
        for (peer, reader) in &peers {
            readings.insert(*peer, reader.read(&bytes).await);
        }
        let accepting: Vec<_> = readings.values().filter(|seen| !seen.is_empty()).collect();
        let differ = accepting.windows(2).any(|two| two[0] != two[1]);
        disputed += usize::from(!accepting.is_empty() && accepting.len() < peers.len());
        if by_guard.is_empty() {
            continue;
        }
        passed += 1;
        assert!(!differ, "{name}: the guard lets pass what others read in two ways: {by_guard:?} among {readings:?}");
        for (peer, seen) in readings.iter().filter(|(_, seen)| !seen.is_empty()) {
            assert_eq!(*seen, by_guard, "{name}: {peer} reads it differently");
        }
    }
    // The corpus has to have both kinds, or this proves nothing.
    assert!(passed >= 8 && disputed >= 5, "{passed} passed, {disputed} were accepted by some alone");
}
