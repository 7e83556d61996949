//! Shared HTTP/2 connections: many requests at once on each, further connections only where all are full.

use super::dial::Dialled;
use super::http1::host_of;
use super::{Failure, LocalExec, Outgoing, Pools, Received, Target};
use crate::aside::Aside;
use crate::http1::ResponseRule;
use crate::ledger::Registered;
use crate::limits;
use crate::live::ALPN_HTTP2;
use crate::message::{Body, Fields, RequestHead, ResponseHead};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Open connections by target.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<HashMap<Target, Rc<Lane>>>);

#[derive(Debug, Default)]
struct Lane {
    connections: RefCell<Vec<Connection>>,
    /// Held while connecting, so that a burst opens one connection and not one each.
    connecting: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Connection {
    sender: SendRequest<Body>,
    generation: u64,
    load: Rc<Load>,
    trust: Option<Rc<Registered>>,
}

impl Connection {
    fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.trust.as_ref().is_none_or(|trust| trust.is_good_for_more())
    }
}

#[derive(Debug)]
struct Load {
    streams: Cell<u32>,
    used: Cell<Instant>,
}

/// One stream of a connection, counted until it is dropped.
#[derive(Debug)]
pub struct Lease(Rc<Load>);

impl Lease {
    fn new(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        Self(Rc::clone(load))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.used.set(Instant::now());
    }
}

impl Lane {
    /// The least loaded connection that has room, or any once there are enough.
    fn pick(&self, generation: u64) -> Option<Connection> {
        let mut connections = self.connections.borrow_mut();
        // An older generation keeps its streams: each holds a clone of the sender by its task.
        connections.retain(|c| c.generation == generation && c.is_good());
        let least = connections.iter().min_by_key(|c| c.load.streams.get())?;
        let has_room = least.load.streams.get() < limits::H2_STREAMS_MAX;
        (has_room || connections.len() >= limits::H2_CONNECTIONS_PER_PEER_MAX).then(|| least.clone())
    }
}

impl Pool {
    fn lane(&self, target: &Target) -> Rc<Lane> {
        if let Some(lane) = self.0.borrow().get(target) {
            return Rc::clone(lane);
        }
        Rc::clone(self.0.borrow_mut().entry(target.clone()).or_default())
    }

    pub(super) fn sweep(&self, now: Instant, generation: u64) {
        self.0.borrow_mut().retain(|target, lane| {
            let current = |c: &Connection| target.is_program() || c.generation == generation;
            let in_use = |c: &Connection| c.load.streams.get() > 0 || now < c.load.used.get() + limits::POOL_PEER_IDLE;
            lane.connections.borrow_mut().retain(|c| current(c) && in_use(c) && c.is_good());
            !lane.connections.borrow().is_empty() || Rc::strong_count(lane) > 1
        });
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl Pools {
    /// Whether an HTTP/2 connection to `target` is there: its peer speaks no leg.
    pub(super) fn has_http2(&self, target: &Target) -> bool {
        let lane = self.0.http2.0.borrow().get(target).cloned();
        lane.is_some_and(|lane| lane.pick(self.generation_for(target)).is_some())
    }

    /// Keeps a connection of a peer that was just dialled and does not speak our leg.
    pub(super) async fn keep_http2(&self, target: &Target, dialled: Dialled) -> Result<(), Failure> {
        let Dialled { stream, trust, generation, .. } = dialled;
        let connection = start(stream, generation, Some(Rc::new(trust))).await?;
        self.0.http2.lane(target).connections.borrow_mut().push(connection);
        Ok(())
    }

    pub(super) async fn send_http2(&self, target: &Target, request: &mut Outgoing) -> Result<Received, Failure> {
        for last_try in [false, true] {
            let mut connection = self.http2_connection(target).await?;
            let (head, body, _) = request.hand_over(); // hyper knows no interim responses there
            let said = said(head, body, target)?;
            let lease = Lease::new(&connection.load);
            let sent = Instant::now();
            match connection.sender.try_send_request(said).await {
                Ok(response) => {
                    let (parts, incoming) = response.into_parts();
                    if parts.headers.len() > limits::HEADERS_MAX {
                        return Err(Failure::Malformed(ResponseRule::TooLarge));
                    }
                    let head = ResponseHead { status: parts.status, fields: Fields::from_map(&parts.headers) };
                    let body = Body::http2_response(incoming, lease);
                    return Ok(Received { head, body, sent, received: Instant::now(), peer: None });
                }
                Err(mut error) => {
                    request.body = error.take_message().map(Request::into_body);
                    if last_try || request.body.is_none() {
                        return Err(Failure::Broken(describe(error.error())));
                    }
                }
            }
        }
        Err(Failure::Broken("two connections in a row were closed before use".to_owned()))
    }

    async fn http2_connection(&self, target: &Target) -> Result<Connection, Failure> {
        let lane = self.0.http2.lane(target);
        if let Some(connection) = lane.pick(self.generation_for(target)) {
            return Ok(connection);
        }
        let _alone = lane.connecting.lock().await;
        if let Some(connection) = lane.pick(self.generation_for(target)) {
            return Ok(connection);
        }
        let connection = match target {
            Target::Program(addr) => start(self.dial_program(*addr).await?, 0, None).await?,
            Target::Plain(addr) => start(self.dial_plain(*addr).await?, 0, None).await?,
            Target::Peer(id, mesh) => {
                let Dialled { stream, trust, generation, .. } = self.dial_peer(id, *mesh, &[ALPN_HTTP2]).await?;
                start(stream, generation, Some(Rc::new(trust))).await?
            }
        };
        lane.connections.borrow_mut().push(connection.clone());
        Ok(connection)
    }
}

/// Speaks HTTP/2 on a new stream; its task ends with the connection, at the latest with trust in it.
async fn start<S>(stream: S, generation: u64, trust: Option<Rc<Registered>>) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = Builder::new(LocalExec);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::H2_PING)
        .keep_alive_timeout(limits::H2_PING)
        .max_header_list_size(limits::H2_HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(limits::H2_WINDOW_BYTES)
        // Room for every stream: a client that does not read stops its own stream and nobody else's.
        .initial_connection_window_size(limits::H2_STREAMS_MAX * limits::H2_WINDOW_BYTES)
        .max_send_buf_size(limits::H2_SEND_BYTES_MAX);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| Failure::Broken(describe(&error)))?;
    let held = trust.clone();
    tokio::task::spawn_local(async move {
        let over = Aside::new(until_over(held.as_deref()));
        tokio::select! {
            biased;
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "upstream connection ended");
            },
            () = over => {}
        }
    });
    let load = Rc::new(Load { streams: Cell::new(0), used: Cell::new(Instant::now()) });
    Ok(Connection { sender, generation, load, trust })
}

/// The request as HTTP/2 has it.
fn said(head: &RequestHead, body: Body, target: &Target) -> Result<Request<Body>, Failure> {
    let unfit = |_| Failure::Broken("the request cannot be said in HTTP/2".to_owned());
    let authority = head.authority().or_else(|| head.fields.get("host")).map(<[u8]>::to_vec);
    let authority = authority.unwrap_or_else(|| host_of(target).into_bytes());
    let authority = Authority::try_from(authority.as_slice()).map_err(unfit)?;
    let path = PathAndQuery::try_from(head.target()).map_err(unfit)?;
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build();
    let mut request = Request::new(body);
    *request.uri_mut() = uri.map_err(|_| Failure::Broken("the request cannot be said in HTTP/2".to_owned()))?;
    *request.method_mut() = head.method.clone();
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = head.fields.to_map();
    request.headers_mut().remove(http::header::HOST);
    Ok(request)
}

/// Never, for a connection to the own program.
pub(super) async fn until_over(trust: Option<&Registered>) {
    match trust {
        Some(trust) => trust.until_over().await,
        None => std::future::pending().await,
    }
}

/// An error with its causes.
fn describe(error: &hyper::Error) -> String {
    crate::intake::describe(error)
}
