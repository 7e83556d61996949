//! The HTTP side of a service: requests in, answers out, limits, and an orderly end.

use crate::limits::{BODY_BYTES_MAX, CONNECTIONS_MAX, DRAIN, HEADER_WITHIN, TRACE_BYTES_MAX};
use crate::words::Key;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after a failed `accept`: usually out of file descriptors, and trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One request, read whole.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Bytes,
}

impl Request {
    /// Method and path segments, to `match` on: `("GET", ["accounts", id])`.
    pub fn route(&self) -> (&str, Vec<&str>) {
        (self.method.as_str(), self.path.trim_matches('/').split('/').collect())
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// The answer to give: 400 with the reader's reason.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Answer::error(StatusCode::BAD_REQUEST, "bad_request", &error.to_string()))
    }

    /// The `idempotency-key` header, if there is one.
    ///
    /// # Errors
    /// The answer to give: 400 if it is not a UUID.
    pub fn key(&self) -> Result<Option<Key>, Answer> {
        let bad = |why: &str| Answer::error(StatusCode::BAD_REQUEST, "bad_request", why);
        let Some(value) = self.headers.get("idempotency-key") else { return Ok(None) };
        let text = value.to_str().map_err(|_| bad("the idempotency key is not text"))?;
        Key::parse(text).map(Some).map_err(bad)
    }

    /// [`Request::key`] where there has to be one.
    ///
    /// # Errors
    /// The answer to give: 400.
    pub fn needed_key(&self) -> Result<Key, Answer> {
        let missing = "send a header `idempotency-key` with a UUID of your own, and the same one when you ask again";
        self.key()?.ok_or_else(|| Answer::error(StatusCode::BAD_REQUEST, "key_missing", missing))
    }
}

/// What any traced program passes on from the request that it serves to the calls that it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<Box<str>>,
    /// Name of the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<Box<str>>,
}

impl Trace {
    /// The trace of a request. A value that is too long is left out: tracing is not worth a refusal.
    pub fn of(request: &Request) -> Self {
        let text = |name: &str| {
            let value = request.headers.get(name)?.to_str().ok()?;
            (value.len() <= TRACE_BYTES_MAX).then(|| value.into())
        };
        Self { traceparent: text("traceparent"), request_id: text("x-request-id") }
    }

    /// Its headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let traceparent = self.traceparent.iter().map(|value| ("traceparent", &**value));
        traceparent.chain(self.request_id.iter().map(|value| ("x-request-id", &**value)))
    }
}

/// One answer, always JSON.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with this body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_vec(body).expect("answers have text keys and no failing serializer") }
    }

    /// `{"error": code, "message": ...}`; programs read the code, people the message.
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": code, "message": message }))
    }

    /// The answer to a key that was used before with another body.
    pub fn key_reused(key: Key) -> Self {
        let message = format!("key {key} was used before, for something else; make a new one for a new request");
        Self::error(StatusCode::CONFLICT, "key_reused", &message)
    }

    /// The answer to a path or method that a service does not have.
    pub fn no_such_path() -> Self {
        Self::error(StatusCode::NOT_FOUND, "no_such_path", "there is nothing under this method and path")
    }

    /// The answer to `GET /health`.
    pub fn healthy() -> Self {
        Self::json(StatusCode::OK, &serde_json::json!({ "ok": true }))
    }
}

/// What a service does with a request.
pub trait Service: Send + Sync + 'static {
    /// The answer. The future is dropped when the client goes away; what has to be ended then gets a task of its own.
    fn answer(self: Arc<Self>, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Takes the address and says so on standard output.
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let told = |error| io::Error::other(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(told)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listener)
}

/// Serves until `stop` fires; then open requests get [`DRAIN`] to finish, and what is left is closed.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve<S: Service>(listener: TcpListener, service: Arc<S>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));

    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let slot = slot.expect("the semaphore is never closed");
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok((socket, _peer)) => {
                let (service, stop, cut_off) = (Arc::clone(&service), stop.clone(), cut_off.clone());
                connections.spawn(async move {
                    cut_off.run_until_cancelled(handle(socket, service, stop)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                eprintln!("accept failed, pausing: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        eprintln!("closing {} connections that did not finish in time", connections.len());
        cut_off.cancel();
        connections.wait().await;
    }
}

async fn handle<S: Service>(socket: TcpStream, service: Arc<S>, stop: CancellationToken) {
    // Small answers, one at a time: waiting to fill a packet only costs time.
    let _ = socket.set_nodelay(true);
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let service = Arc::clone(&service);
        async move {
            let answer = match read_whole(request).await {
                Ok(request) => service.answer(request).await,
                Err(refusal) => refusal,
            };
            Ok::<_, Infallible>(into_response(answer))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .serve_connection(TokioIo::new(socket), answer);
    let mut connection = pin!(connection);
    // A connection that breaks is the client's affair; it asks again.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn read_whole(request: hyper::Request<Incoming>) -> Result<Request, Answer> {
    let (head, body) = request.into_parts();
    let too_large =
        |_| Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is cut off or too long");
    let body = timeout(HEADER_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect())
        .await
        .map_err(|_| Answer::error(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not arrive in time"))?
        .map_err(too_large)?
        .to_bytes();
    Ok(Request { method: head.method, path: head.uri.path().to_owned(), headers: head.headers, body })
}

fn into_response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}
