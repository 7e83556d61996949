//! A pool of idle HTTP/1.1 connections; the last one given back is the first one used again.

use super::dial::Dialled;
use super::{Failure, Pools, Received, Target};
use crate::body::Upload;
use crate::ledger::Registered;
use crate::limits;
use crate::live::ALPN_HTTP1;
use http::{HeaderMap, Request, Response, header::HeaderName};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

/// Idle connections by target.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<HashMap<Target, Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    connection: Connection,
    until: Instant,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Upload>,
    generation: u64,
    trust: Option<Rc<Registered>>,
}

impl Connection {
    fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.trust.as_ref().is_none_or(|trust| trust.is_good_for_more())
    }
}

/// A connection while its response is read.
#[derive(Debug)]
pub struct Lease {
    pools: Pools,
    target: Target,
    connection: Connection,
    /// How long the other end keeps it open, as far as it told.
    patience: Duration,
}

impl Lease {
    pub(super) fn trust(&self) -> Option<Rc<Registered>> {
        self.connection.trust.clone()
    }

    pub(super) fn give_back(self) {
        let Self { pools, target, connection, patience } = self;
        if !connection.is_good() {
            return;
        }
        let mut idle = pools.0.http1.0.borrow_mut();
        let idle = idle.entry(target).or_default();
        if idle.len() >= limits::POOL_IDLE_MAX {
            idle.remove(0);
        }
        idle.push(Idle { connection, until: Instant::now() + patience });
    }
}

impl Pool {
    fn take(&self, target: &Target, generation: u64) -> Option<Connection> {
        let mut idle = self.0.borrow_mut();
        let idle = idle.get_mut(target)?;
        let now = Instant::now();
        while let Some(Idle { connection, until }) = idle.pop() {
            if now < until && connection.generation == generation && connection.is_good() {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn sweep(&self, now: Instant, generation: u64) {
        self.0.borrow_mut().retain(|target, idle| {
            let current = |c: &Connection| matches!(target, Target::Program(_)) || c.generation == generation;
            idle.retain(|i| now < i.until && current(&i.connection) && i.connection.is_good());
            !idle.is_empty()
        });
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl Pools {
    pub(super) async fn send_http1(&self, target: &Target, request: Request<Upload>) -> Result<Received, Failure> {
        let mut request = request;
        if let Some(mut pooled) = self.0.http1.take(target, self.generation_for(target))
            // Not ready at once where the request before is still being sent, though it was answered.
            && timeout(limits::POOL_READY_TIME, pooled.sender.ready()).await.is_ok_and(|ready| ready.is_ok())
        {
            let sent = Instant::now();
            match pooled.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.received(target, pooled, response, sent)),
                // Closed while it was idle, and nothing was sent: a new connection gets it.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Failure::Broken(describe(error.error()))),
                },
            }
        }
        let mut fresh = self.connect_http1(target).await?;
        let sent = Instant::now();
        match fresh.sender.try_send_request(request).await {
            Ok(response) => Ok(self.received(target, fresh, response, sent)),
            Err(error) => Err(Failure::Broken(describe(error.error()))),
        }
    }

    async fn connect_http1(&self, target: &Target) -> Result<Connection, Failure> {
        match target {
            Target::Program(addr) => {
                let stream = self.dial_program(*addr).await?;
                Ok(Connection { sender: start(stream, None).await?, generation: 0, trust: None })
            }
            Target::Peer(id, mesh) => {
                let Dialled { stream, trust, generation } = self.dial_peer(id, *mesh, ALPN_HTTP1).await?;
                let trust = Some(Rc::new(trust));
                Ok(Connection { sender: start(stream, trust.clone()).await?, generation, trust })
            }
        }
    }

    fn received(
        &self,
        target: &Target,
        connection: Connection,
        response: Response<Incoming>,
        sent: Instant,
    ) -> Received {
        let ours = match target {
            Target::Program(_) => limits::POOL_PROGRAM_IDLE,
            Target::Peer(..) => limits::POOL_PEER_IDLE,
        };
        let patience = keep_alive(response.headers()).map_or(ours, |theirs| theirs.min(ours));
        let lease = Lease { pools: self.clone(), target: target.clone(), connection, patience };
        Received { response, lease: super::Lease::Http1(lease), sent, received: Instant::now() }
    }
}

/// Speaks HTTP/1.1 on a new stream; its task ends with the connection, at the latest with trust in it.
async fn start<S>(stream: S, trust: Option<Rc<Registered>>) -> Result<SendRequest<Upload>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder.max_buf_size(limits::RESPONSE_HEAD_BYTES_MAX);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| Failure::Broken(describe(&error)))?;
    tokio::task::spawn_local(async move {
        tokio::select! {
            ended = connection.with_upgrades() => if let Err(error) = ended {
                tracing::debug!(%error, "upstream connection ended");
            },
            () = until_over(trust.as_deref()) => {}
        }
    });
    Ok(sender)
}

/// Never, for a connection to the own program.
pub(super) async fn until_over(trust: Option<&Registered>) {
    match trust {
        Some(trust) => trust.until_over().await,
        None => std::future::pending().await,
    }
}

/// How long the other end keeps the connection, less a second for the way: `Keep-Alive: timeout=5`.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(HeaderName::from_static("keep-alive"))?.to_str().ok()?;
    let timeout = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    let seconds: u64 = timeout.parse().ok()?;
    Some(Duration::from_secs(seconds.saturating_sub(1)))
}

/// An error with its causes, for the log.
pub(super) fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_long_the_other_end_waits() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", http::HeaderValue::from_static(value));
            keep_alive(&headers).map(|d| d.as_secs())
        };
        assert_eq!(read("timeout=5, max=100"), Some(4));
        assert_eq!(read("max=100,timeout=1"), Some(0));
        assert_eq!(read("timeout=x"), None);
    }
}
