//! Calls to a neighbour over connections that are kept open.

use crate::limits::{BODY_BYTES_MAX, IDLE_MAX};
use crate::server::Trace;
use crate::words::Key;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde::Serialize;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Why a neighbour's URL is of no use.
#[derive(Debug, thiserror::Error)]
#[error("`{url}` is not a URL to call: {why}")]
pub struct UrlError {
    url: String,
    why: &'static str,
}

/// Why a call has no answer. The neighbour may have done what was asked all the same.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or one that broke.
    #[error("connection to `{neighbour}` failed: {why}")]
    Broken {
        /// Whom we called.
        neighbour: String,
        /// What happened.
        why: String,
    },
    /// No answer in time.
    #[error("`{neighbour}` did not answer within {within_ms} ms")]
    Slow {
        /// Whom we called.
        neighbour: String,
        /// How long we waited, in milliseconds.
        within_ms: u128,
    },
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    key: Option<Key>,
    trace: Option<&'a Trace>,
}

impl<'a> Call<'a> {
    /// A GET.
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: Bytes::new(), key: None, trace: None }
    }

    /// A POST of JSON.
    pub fn post(path: &'a str, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("requests have text keys and no failing serializer");
        Self { method: Method::POST, body: body.into(), ..Self::get(path) }
    }

    /// Under this idempotency key.
    pub fn key(self, key: Key) -> Self {
        Self { key: Some(key), ..self }
    }

    /// As part of this trace.
    pub fn trace(self, trace: &'a Trace) -> Self {
        Self { trace: Some(trace), ..self }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Bytes,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connection = SendRequest<Full<Bytes>>;

/// A neighbour.
pub struct Client {
    host: String,
    port: u16,
    authority: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    within: Duration,
    slots: Semaphore,
    /// The most recently used last, so that what is not needed grows old and goes.
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Client {
    /// A neighbour at `url`, called over at most `connections_max` connections, each call within `within`.
    /// An `https` URL needs `tls`.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(
        url: &str,
        connections_max: usize,
        within: Duration,
        tls: Option<TlsConnector>,
    ) -> Result<Self, UrlError> {
        let refuse = |why| UrlError { url: url.to_owned(), why };
        let parsed: Uri = url.parse().map_err(|_| refuse("it does not parse"))?;
        let authority = parsed.authority().ok_or_else(|| refuse("it has no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, port) = match (parsed.scheme_str(), tls) {
            (Some("http"), _) => (None, 80),
            (Some("https"), Some(connector)) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| refuse("its host is no name for TLS"))?;
                (Some((connector, name)), 443)
            }
            (Some("https"), None) => return Err(refuse("https needs the file of the authority to trust, --ca")),
            _ => return Err(refuse("it begins neither with http:// nor with https://")),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| refuse("its host is no header value"))?,
            host,
            tls,
            within,
            slots: Semaphore::new(connections_max),
            idle: Mutex::default(),
        })
    }

    /// The neighbour that the environment variable `<NAME>_URL` tells of.
    ///
    /// # Errors
    /// A text for whoever starts the program.
    pub fn from_env(name: &str) -> Result<Self, String> {
        let variable = format!("{}_URL", name.to_uppercase());
        let url = std::env::var(&variable).map_err(|_| {
            format!("{variable} is not set: give the place of {name}, such as {variable}=http://127.0.0.1:7100")
        })?;
        Self::new(&url, crate::limits::NEIGHBOUR_CONNECTIONS_MAX, crate::limits::CALL_WITHIN, None)
            .map_err(|error| format!("{variable}: {error}"))
    }

    /// One attempt.
    ///
    /// # Errors
    /// [`CallError`]. Dropping the future closes the connection; the neighbour may have acted.
    pub async fn call(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        let slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let answered = match timeout(self.within, self.attempt(call)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(why)) => Err(CallError::Broken { neighbour: self.neighbour(), why }),
            Err(_) => Err(CallError::Slow { neighbour: self.neighbour(), within_ms: self.within.as_millis() }),
        };
        drop(slot);
        answered
    }

    /// One attempt, and a second on a fresh connection if the first one broke: a kept connection may have been closed
    /// while it was idle. Only for what may be done twice, which everything in this bank may.
    ///
    /// # Errors
    /// [`CallError`] of the second attempt.
    pub async fn call_twice(&self, call: &Call<'_>) -> Result<Reply, CallError> {
        match self.call(call).await {
            Err(CallError::Broken { .. }) => {
                self.idle().clear(); // They lead to the same process, and it is probably gone.
                self.call(call).await
            }
            other => other,
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Reply, String> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => self.connect().await.map_err(|error| error.to_string())?,
        };
        let response = connection.send_request(self.request(call)).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        self.idle().push((connection, Instant::now()));
        Ok(Reply { status, body })
    }

    async fn kept(&self) -> Option<Connection> {
        loop {
            let (mut connection, used) = self.idle().pop()?;
            if used.elapsed() < IDLE_MAX && connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), socket).await?),
            None => Box::new(socket),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends with the sender, or when the neighbour closes; an error shows at the next call.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, call: &Call<'_>) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(&call.method).uri(call.path).header(HOST, &self.authority);
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key.to_string());
        }
        for (name, value) in call.trace.into_iter().flat_map(Trace::headers) {
            request = request.header(name, value);
        }
        request.body(Full::new(call.body.clone())).expect("paths are built from ids, and values were headers before")
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn neighbour(&self) -> String {
        self.authority.to_str().unwrap_or("?").to_owned()
    }
}
