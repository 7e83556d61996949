//! A pool of idle HTTP/1.1 connections; the last one given back is the first one used again.

use super::dial::Dialled;
use super::{Failure, Outgoing, Pools, Received, Target, is_idempotent};
use crate::http1::{Exchange, Finished, Io, Stream};
use crate::interim::Interims;
use crate::ledger::Registered;
use crate::limits;
use crate::live::ALPN_HTTP1;
use crate::message::{Body, RequestHead};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// Idle connections by target.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<HashMap<Target, Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    connection: Connection,
    until: Instant,
}

/// An open connection on which nothing is under way.
#[derive(Debug)]
pub(super) struct Connection {
    pub io: Io,
    pub generation: u64,
    pub trust: Option<Rc<Registered>>,
}

impl Connection {
    /// Whether it may be used: trusted, open, and silent.
    fn is_good(&mut self) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.is_good_for_more()) && self.io.is_quiet()
    }
}

/// Takes a connection back into its pool.
#[derive(Debug)]
struct Back {
    pools: Pools,
    target: Target,
    generation: u64,
    trust: Option<Rc<Registered>>,
}

impl Finished for Back {
    fn finished(&mut self, io: Io, patience: Option<Duration>) {
        let ours = match self.target {
            Target::Program(_) | Target::Plain(_) => limits::POOL_PROGRAM_IDLE,
            Target::Peer(..) => limits::POOL_PEER_IDLE,
        };
        let until = Instant::now() + patience.map_or(ours, |theirs| theirs.min(ours));
        let connection = Connection { io, generation: self.generation, trust: self.trust.take() };
        let mut idle = self.pools.0.http1.0.borrow_mut();
        if let Some(idle) = idle.get_mut(&self.target) {
            if idle.len() >= limits::POOL_IDLE_MAX {
                idle.remove(0);
            }
            return idle.push(Idle { connection, until });
        }
        idle.insert(self.target.clone(), vec![Idle { connection, until }]);
    }
}

impl Pool {
    fn take(&self, target: &Target, generation: u64) -> Option<Connection> {
        let mut idle = self.0.borrow_mut();
        let idle = idle.get_mut(target)?;
        let now = Instant::now();
        while let Some(Idle { mut connection, until }) = idle.pop() {
            if now < until && connection.generation == generation && connection.is_good() {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn sweep(&self, now: Instant, generation: u64) {
        self.0.borrow_mut().retain(|target, idle| {
            let is_program = target.is_program();
            idle.retain_mut(|i| {
                now < i.until && (is_program || i.connection.generation == generation) && i.connection.is_good()
            });
            !idle.is_empty()
        });
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

impl Pools {
    pub(super) async fn send_http1(&self, target: &Target, request: &mut Outgoing) -> Result<Received, Failure> {
        name_host(&mut request.head, target);
        if let Some(pooled) = self.0.http1.take(target, self.generation_for(target)) {
            let (head, body, interims) = request.hand_over();
            // Kept where it may be sent again.
            let again = body.as_whole().filter(|_| is_idempotent(&head.method));
            match self.exchange(target, pooled, head, (body, interims)).await {
                Err((Failure::Broken(_), false)) if again.is_some() => request.body = again.map(Body::whole),
                Err((failure, _)) => return Err(failure),
                Ok(received) => return Ok(received),
            }
        }
        let fresh = Box::pin(self.connect_http1(target)).await?;
        let (head, body, interims) = request.hand_over();
        self.exchange(target, fresh, head, (body, interims)).await.map_err(|(failure, _)| failure)
    }

    /// Sends a request over a connection of a peer that was just dialled and does not speak our leg.
    pub(super) async fn send_http1_on(
        &self,
        target: &Target,
        dialled: Dialled,
        request: &mut Outgoing,
    ) -> Result<Received, Failure> {
        name_host(&mut request.head, target);
        let (head, body, interims) = request.hand_over();
        self.exchange(target, connection(dialled), head, (body, interims)).await.map_err(|(failure, _)| failure)
    }

    /// One request and the head of its response. With a failure comes whether anything had been heard by then.
    async fn exchange(
        &self,
        target: &Target,
        connection: Connection,
        head: &RequestHead,
        body: (Body, Interims),
    ) -> Result<Received, (Failure, bool)> {
        let Connection { io, generation, trust } = connection;
        let back = Back { pools: self.clone(), target: target.clone(), generation, trust: trust.clone() };
        let alarms = self.0.alarms.clone();
        let mut exchange = Box::new(Exchange::new(io, head, body, alarms, Some(Box::new(back))));
        let sent = Instant::now();
        let over = super::http2::until_over(trust.as_deref());
        let response = tokio::select! {
            biased;
            response = poll_fn(|cx| exchange.poll_head(cx)) => response,
            () = over => Err(Failure::Broken("trust in the connection ended".to_owned())),
        };
        match response {
            Ok(head) => {
                let received = Instant::now();
                Ok(Received { head, body: Body::http1_response(exchange), sent, received, peer: trust })
            }
            Err(failure) => Err((failure, exchange.is_answered())),
        }
    }

    async fn connect_http1(&self, target: &Target) -> Result<Connection, Failure> {
        let plain = |stream| Connection { io: Io::new(Stream::Plain(stream)), generation: 0, trust: None };
        match target {
            Target::Program(addr) => self.dial_program(*addr).await.map(plain),
            Target::Plain(addr) => self.dial_plain(*addr).await.map(plain),
            Target::Peer(id, mesh) => Ok(connection(self.dial_peer(id, *mesh, &[ALPN_HTTP1]).await?)),
        }
    }

    /// Whether an idle HTTP/1.1 connection to `target` is there: its peer speaks no leg.
    pub(super) fn has_http1(&self, target: &Target) -> bool {
        self.0.http1.0.borrow().contains_key(target)
    }
}

fn connection(dialled: Dialled) -> Connection {
    let Dialled { stream, trust, generation, .. } = dialled;
    Connection { io: Io::new(Stream::Client(Box::new(stream))), generation, trust: Some(Rc::new(trust)) }
}

/// HTTP/1.1 names the host in a header (RFC 9112 section 3.2).
pub(super) fn name_host(head: &mut RequestHead, target: &Target) {
    if head.fields.contains("host") {
        return;
    }
    let host = head.authority().map(<[u8]>::to_vec).unwrap_or_else(|| host_of(target).into_bytes());
    head.fields.append("host", &host);
}

/// The host for a request that named none (HTTP/1.0 need not): the address it goes to.
pub(super) fn host_of(target: &Target) -> String {
    target.addr().to_string()
}
