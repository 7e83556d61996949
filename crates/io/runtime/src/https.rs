//! HTTPS between organisations: one document asked for, one document served. Both ends are bounded in bytes and time.

mod browsers;
mod either;
mod send;
mod service;

pub use browsers::{Front, Visitor, serve_browsers};
pub use either::{EITHER_ALPN, Ends, serve_either};
pub use send::{Sending, send};
pub use service::{Shown, serve_router};

use crate::limits;
use crate::places::Places;
use crate::tls::{Judge, Server};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// ALPN for both ends.
pub const ALPN: &[&str] = &["http/1.1"];

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The server was not reached.
    #[error("cannot connect to `{host}`: {source}")]
    Connect {
        /// Which one.
        host: String,
        /// What the kernel or the resolver said.
        source: io::Error,
    },
    /// It answered with another status than 200. Where it points elsewhere, nobody follows.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// It broke off, sent too much, or no HTTP.
    #[error("no whole answer: {0}")]
    Broken(String),
}

/// A TCP connection to `host`, a DNS name or an IP address.
///
/// # Errors
/// [`GetError::Connect`], after [`limits::CONNECT_WITHIN`] too.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, GetError> {
    let dialling = tokio::time::timeout(limits::CONNECT_WITHIN, TcpStream::connect((host, port))).await;
    dialling
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| GetError::Connect { host: host.to_owned(), source })
}

/// The same, to an address that `may` lets. The name is looked up once, so that what was judged is what is dialled.
///
/// # Errors
/// [`GetError::Connect`], also where `may` lets none.
pub async fn dial_where(
    host: &str,
    port: u16,
    may: impl Fn(IpAddr) -> Result<(), &'static str>,
) -> Result<TcpStream, GetError> {
    let dialling = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for at in tokio::net::lookup_host((host, port)).await? {
            match may(at.ip()) {
                Err(why) => last = io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is {why}", at.ip())),
                Ok(()) => match TcpStream::connect(at).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                },
            }
        }
        Err(last)
    };
    let dialled = tokio::time::timeout(limits::CONNECT_WITHIN, dialling).await;
    dialled
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| GetError::Connect { host: host.to_owned(), source })
}

/// One HTTP/1.1 connection, encrypted or not, for one request after the other. Dropping it closes the connection.
#[derive(Debug)]
pub struct Session {
    sender: client::SendRequest<Full<Bytes>>,
    authority: String,
    _driver: JoinSet<()>,
}

impl Session {
    /// Begins to speak HTTP on `stream`.
    ///
    /// # Errors
    /// [`GetError::Broken`].
    pub async fn open<S>(stream: S, authority: &str) -> Result<Self, GetError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            client::handshake(TokioIo::new(stream)).await.map_err(|e| GetError::Broken(e.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok(Self { sender, authority: authority.to_owned(), _driver: driver })
    }

    /// Whether the other end has not closed it, as far as is known here.
    pub async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Asks `it` of `path`; the status, once the whole answer was read and thrown away. Not cancel safe: open another one then.
    ///
    /// # Errors
    /// [`GetError::Broken`]; the connection is of no use then.
    pub async fn ask(&mut self, path: &str, it: &Asking) -> Result<u16, GetError> {
        let broken = |e: hyper::Error| GetError::Broken(e.to_string());
        self.sender.ready().await.map_err(broken)?;
        let mut request = Request::builder().method(&it.method).uri(path);
        request = request
            .header(header::HOST, &self.authority)
            .header(header::USER_AGENT, concat!("bartizan/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &it.fields {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(it.body.clone())).map_err(|e| GetError::Broken(e.to_string()))?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(broken)?;
        }
        Ok(status)
    }
}

/// What is asked on a [`Session`]: `GET` without anything where nothing else is said.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    method: Method,
    /// Fields beside `Host` and `User-Agent`.
    fields: Vec<(header::HeaderName, header::HeaderValue)>,
    body: Bytes,
}

impl Asking {
    /// With that method, those fields and that body.
    ///
    /// # Errors
    /// What is no method or no field, in words.
    pub fn new(method: &str, fields: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
        let field = |(name, value): &(&str, &str)| {
            let bad = || format!("`{name}` cannot be sent as a header with that value");
            let mut value = header::HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(true); // it may be a token
            Ok((header::HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value))
        };
        Ok(Self { method, fields: fields.iter().map(field).collect::<Result<_, String>>()?, body: body.into() })
    }

    /// Whether asking twice does what asking once does (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }
}

/// GET of `path` on an encrypted stream; the whole answer, at most `bytes_max`. The caller bounds the time.
///
/// # Errors
/// [`GetError`]. Redirects are a status like any other: where a document is, is for its owner and us to say.
pub async fn get<S>(stream: S, authority: &str, path: &str, bytes_max: usize) -> Result<Bytes, GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    get_as(stream, authority, path, None, bytes_max).await
}

/// The same with `Authorization`, where there is one.
///
/// # Errors
/// As [`get`].
pub async fn get_as<S>(
    stream: S,
    authority: &str,
    path: &str,
    authorization: Option<&str>,
    bytes_max: usize,
) -> Result<Bytes, GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| GetError::Broken(e.to_string());
    let mut request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("bartizan/", env!("CARGO_PKG_VERSION")));
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Full::<Bytes>::default()).map_err(|e| GetError::Broken(e.to_string()))?;
    let (mut sender, connection) = client::Builder::new()
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken)?;
    if answer.status() != StatusCode::OK {
        return Err(GetError::Status(answer.status().as_u16()));
    }
    let body = Limited::new(answer.into_body(), bytes_max).collect().await;
    Ok(body.map_err(|e| GetError::Broken(e.to_string()))?.to_bytes())
}

/// What is sent with [`post`].
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The parameters, as they go (`application/x-www-form-urlencoded`).
    pub body: &'a str,
    /// `Authorization`, where there is one.
    pub authorization: Option<&'a str>,
}

/// POST of a form to `path` on an encrypted stream: the status, and the whole answer, at most `bytes_max`. The caller bounds the time.
///
/// # Errors
/// [`GetError::Broken`].
pub async fn post<S>(
    stream: S,
    authority: &str,
    path: &str,
    form: Form<'_>,
    bytes_max: usize,
) -> Result<(u16, Bytes), GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut fields = vec![("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
    fields.extend(form.authorization.map(|authorization| ("authorization", authorization)));
    let sending = Sending { authority, path, fields: &fields };
    send(stream, sending, Bytes::copy_from_slice(form.body.as_bytes()), bytes_max).await
}

/// Serves one document, whatever the path, until `stop` fires. `ends` gives the TLS end of the moment and `document` what
/// is to be had; a connection for which one of them is not there is closed.
pub async fn serve_document(
    listener: TcpListener,
    ends: impl Fn() -> Option<Server> + Send + Sync + 'static,
    document: impl Fn() -> Option<Bytes> + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let each = Places::default();
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::DOCUMENT_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept on the bundle endpoint failed, pausing");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        // One stranger must not keep the others out.
        let Some(place) = each.take(remote.ip(), limits::DOCUMENT_CONNECTIONS_EACH_MAX) else { continue };
        let (Some(end), Some(document)) = (ends(), document()) else { continue };
        let stop = stop.clone();
        connections.spawn(async move {
            let serving = tokio::time::timeout(limits::DOCUMENT_WITHIN, one(stream, end, document));
            let _ = stop.run_until_cancelled(serving).await; // how a stranger's connection ends is the stranger's business
            drop((slot, place));
        });
    }
    connections.close();
    connections.wait().await;
}

async fn one(stream: TcpStream, end: Server, document: Bytes) {
    let nobody: Judge<()> = Arc::new(|_| Ok(()));
    let Ok(accepted) = end.accept(stream, nobody, limits::HANDSHAKE_WITHIN).await else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), document.clone());
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = server::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(accepted.stream), service)
        .await;
}

fn answer(method: &Method, document: Bytes) -> Response<Full<Bytes>> {
    let (status, body) = match *method {
        Method::GET | Method::HEAD => (StatusCode::OK, document),
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    };
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}
