//! Load on a gateway while something is done to it: requests without end on connections that stay, on new ones and on HTTP/2, each
//! with a number of its own that the answer has to carry. What is not exactly the answer to its request is a failure.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long an answer may take; a longer wait is a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// Numbers of one lane are apart from those of all others.
const NUMBERS_EACH: u64 = 1 << 32;
/// Failures that are kept in words, a count; all are counted.
const FAILURES_KEPT: usize = 20;
/// Longest head that the program behind reads, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How a lane sends its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP/1.1, one after the other on a connection that stays.
    Kept,
    /// HTTP/1.1, each on a new connection.
    New,
    /// HTTP/2, one after the other on a connection that stays.
    Http2,
}

/// Where requests go.
#[derive(Clone)]
pub struct Target {
    to: SocketAddr,
    path: Arc<str>,
    name: ServerName<'static>,
    http1: TlsConnector,
    http2: TlsConnector,
}

/// What one lane did.
#[derive(Debug, Default)]
struct Lane {
    sent: AtomicU64,
    answered: AtomicU64,
    connections: AtomicU64,
    /// Microseconds of each answer.
    took_us: Mutex<Vec<u32>>,
}

/// Lanes that send until they are told to end.
#[derive(Debug)]
pub struct Load {
    lanes: Vec<(Kind, Arc<Lane>)>,
    tasks: Vec<JoinHandle<()>>,
    failures: Arc<Failures>,
    over: Arc<AtomicBool>,
    runtime: Runtime,
}

#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
    words: Mutex<Vec<String>>,
}

/// What a load came to.
#[derive(Debug)]
pub struct Sum {
    /// By kind: lanes, requests sent, of those answered as they should be, connections opened.
    pub kinds: Vec<(Kind, [u64; 4])>,
    /// Failures, a count.
    pub failed: u64,
    /// The first of them, in words.
    pub failures: Vec<String>,
    /// Microseconds of each answer, in order.
    pub took_us: Vec<u32>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.to, self.path)
    }
}

impl Target {
    /// `path` of the gateway at `to`, whose certificate `ca` (PEM) vouches for.
    ///
    /// # Panics
    /// Where `ca` cannot be read.
    pub fn new(to: SocketAddr, ca: &Path, path: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(ca).expect("the fleet wrote its roots") {
            roots.add(root.expect("PEM")).expect("a root");
        }
        let connector = |alpn: &[u8]| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let builder = builder.expect("the provider has suites").with_root_certificates(roots.clone());
            let mut config = builder.with_no_client_auth();
            config.alpn_protocols = vec![alpn.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        let name = ServerName::from(to.ip());
        Self { to, path: path.into(), name, http1: connector(b"http/1.1"), http2: connector(b"h2") }
    }

    /// Sends `bytes` over TLS, on a connection of their own, and returns what comes back until it is closed.
    ///
    /// # Errors
    /// Why nothing does, in words.
    ///
    /// # Panics
    /// Where there can be no thread.
    pub fn say(&self, bytes: &[u8]) -> Result<String, String> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a thread");
        runtime.block_on(timed(async {
            let mut stream = self.open(&self.http1).await?.into_inner();
            stream.write_all(bytes).await.map_err(|error| format!("send: {error}"))?;
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer).await {
                Err(error) if answer.is_empty() => Err(format!("no answer: {error}")),
                _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
            }
        }))
    }

    async fn open(&self, by: &TlsConnector) -> Result<TokioIo<TlsStream<TcpStream>>, String> {
        let stream = TcpStream::connect(self.to).await.map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("connect: {error}"))?;
        let stream = by.connect(self.name.clone(), stream).await;
        Ok(TokioIo::new(stream.map_err(|error| format!("handshake: {error}"))?))
    }
}

impl Load {
    /// Begins with so many lanes of each kind, each of which pauses for `pause` after an answer.
    ///
    /// # Panics
    /// Where there can be no thread.
    pub fn begin(target: &Target, lanes: &[(Kind, usize)], pause: Duration) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let (failures, over) = (Arc::<Failures>::default(), Arc::<AtomicBool>::default());
        let kinds = lanes.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        let (mut all, mut tasks) = (Vec::new(), Vec::new());
        for (number, kind) in (0u64..).zip(kinds) {
            let lane = Arc::<Lane>::default();
            all.push((kind, Arc::clone(&lane)));
            let (target, failures, over) = (target.clone(), Arc::clone(&failures), Arc::clone(&over));
            tasks.push(runtime.spawn(async move {
                let mut number = number * NUMBERS_EACH;
                while !over.load(SeqCst) {
                    let opened = timed(open(&target, kind)).await;
                    lane.connections.fetch_add(1, SeqCst);
                    let sent = match opened {
                        Err(why) => Err(why),
                        Ok(mut sender) => drive(&target, kind, &mut sender, &mut number, (&lane, &over, pause)).await,
                    };
                    if let Err(why) = sent {
                        failures.add(format!("{kind:?}, request {number}: {why}"));
                    }
                }
            }));
        }
        Self { lanes: all, tasks, failures, over, runtime }
    }

    /// Answers so far, by lane.
    pub fn answered(&self) -> Vec<u64> {
        self.lanes.iter().map(|(_, lane)| lane.answered.load(SeqCst)).collect()
    }

    /// Whether every lane sent a request after `before` was taken, and got its answer.
    pub fn went_on_since(&self, before: &[u64]) -> bool {
        // The first further answer may be to a request that was sent before.
        self.answered().iter().zip(before).all(|(now, before)| *now >= before + 2)
    }

    /// Failures so far, a count.
    pub fn failed(&self) -> u64 {
        self.failures.count.load(SeqCst)
    }

    /// Ends it: what is under way is waited for.
    pub fn end(self) -> Sum {
        self.over.store(true, SeqCst);
        for task in self.tasks {
            self.runtime.block_on(task).expect("a lane does not panic");
        }
        let mut took_us = Vec::new();
        let mut kinds: Vec<(Kind, [u64; 4])> = Vec::new();
        for (kind, lane) in &self.lanes {
            if kinds.last().is_none_or(|(last, _)| last != kind) {
                kinds.push((*kind, [0; 4]));
            }
            let it = &mut kinds.last_mut().expect("just added").1;
            it[0] += 1;
            it[1] += lane.sent.load(SeqCst);
            it[2] += lane.answered.load(SeqCst);
            it[3] += lane.connections.load(SeqCst);
            took_us.append(&mut lane.took_us.lock().unwrap_or_else(PoisonError::into_inner));
        }
        took_us.sort_unstable();
        let failures = std::mem::take(&mut *self.failures.words.lock().unwrap_or_else(PoisonError::into_inner));
        Sum { kinds, failed: self.failures.count.load(SeqCst), failures, took_us }
    }
}

impl Sum {
    /// The time in microseconds that a share of the answers did not exceed.
    pub fn quantile_us(&self, share: f64) -> u32 {
        let at = ((self.took_us.len() as f64 * share) as usize).min(self.took_us.len().saturating_sub(1));
        self.took_us.get(at).copied().unwrap_or_default()
    }
}

impl Failures {
    fn add(&self, what: String) {
        self.count.fetch_add(1, SeqCst);
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() < FAILURES_KEPT {
            words.push(what);
        }
    }
}

/// The sending end of a connection.
#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

async fn open(target: &Target, kind: Kind) -> Result<Sender, String> {
    let failed = |error: hyper::Error| format!("handshake of HTTP: {error}");
    match kind {
        Kind::Kept | Kind::New => {
            let (sender, driver) = http1::handshake(target.open(&target.http1).await?).await.map_err(failed)?;
            tokio::spawn(driver);
            Ok(Sender::Http1(sender))
        }
        Kind::Http2 => {
            let stream = target.open(&target.http2).await?;
            let (sender, driver) = http2::handshake(TokioExecutor::new(), stream).await.map_err(failed)?;
            tokio::spawn(driver);
            Ok(Sender::Http2(sender))
        }
    }
}

/// Sends on one connection until it takes no more, which is no failure where nothing was sent.
async fn drive(
    target: &Target,
    kind: Kind,
    sender: &mut Sender,
    number: &mut u64,
    (lane, over, pause): (&Lane, &AtomicBool, Duration),
) -> Result<(), String> {
    loop {
        let ready = match sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        if ready.is_err() || over.load(SeqCst) {
            return Ok(());
        }
        *number += 1;
        lane.sent.fetch_add(1, SeqCst);
        let began = Instant::now();
        timed(exchange(target, sender, *number)).await?;
        let took_us = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        lane.took_us.lock().unwrap_or_else(PoisonError::into_inner).push(took_us);
        lane.answered.fetch_add(1, SeqCst);
        tokio::time::sleep(pause).await;
        if kind == Kind::New {
            return Ok(());
        }
    }
}

async fn exchange(target: &Target, sender: &mut Sender, number: u64) -> Result<(), String> {
    let path = &*target.path;
    let request = request(target.to, path, sender).header("x-number", number);
    let (head, body) = send(sender, request).await?.into_parts();
    let body = body.collect().await.map_err(|error| format!("cut short: {error:?}"))?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    match head.status.as_u16() {
        200 if text == format!("{path} {number}") => Ok(()),
        status => Err(format!("{status} with {text:?}")),
    }
}

fn request(to: SocketAddr, path: &str, by: &Sender) -> http::request::Builder {
    match by {
        Sender::Http1(_) => http::Request::builder().uri(path).header("host", to.to_string()),
        Sender::Http2(_) => http::Request::builder().uri(format!("https://{to}{path}")),
    }
}

async fn send(sender: &mut Sender, request: http::request::Builder) -> Result<http::Response<Incoming>, String> {
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let ready = match sender {
        Sender::Http1(sender) => sender.ready().await,
        Sender::Http2(sender) => sender.ready().await,
    };
    ready.map_err(|error| format!("the connection takes no more: {error:?}"))?;
    let answer = match sender {
        Sender::Http1(sender) => sender.send_request(request).await,
        Sender::Http2(sender) => sender.send_request(request).await,
    };
    answer.map_err(|error| format!("no answer: {error:?}"))
}

async fn timed<T>(what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, what).await.unwrap_or_else(|_| Err(format!("nothing within {PATIENCE:?}")))
}

/// The program behind: says of each request its path and number. It ends when it is dropped.
#[derive(Debug)]
pub struct Echo {
    _runtime: Runtime,
}

impl Echo {
    /// Listens at `at`.
    ///
    /// # Panics
    /// Where it cannot.
    pub fn start(at: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let listener = runtime.block_on(TcpListener::bind(at)).expect("a free port");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        Self { _runtime: runtime }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            if bytes.len() > HEAD_BYTES_MAX || !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes.drain(..end + 4);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let number = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("x-number").then_some(value)
        });
        let body = format!("{path} {}", number.unwrap_or("without a number"));
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One connection that stays open, for requests one after the other.
#[derive(Debug)]
pub struct Connection {
    runtime: Runtime,
    sender: Sender,
    to: SocketAddr,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// Why that is not possible, in words.
    ///
    /// # Panics
    /// Where there can be no thread.
    pub fn open(target: &Target, kind: Kind) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread");
        let sender = runtime.block_on(timed(open(target, kind)))?;
        Ok(Self { runtime, sender, to: target.to })
    }

    /// The status of a GET with `fields`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<u16, String> {
        let (sender, to) = (&mut self.sender, self.to);
        self.runtime.block_on(timed(async move {
            let mut request = request(to, path, sender);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (head, body) = send(sender, request).await?.into_parts();
            body.collect().await.map_err(|error| format!("cut short: {error:?}"))?;
            Ok(head.status.as_u16())
        }))
    }
}
