//! Answers queries over UDP and TCP.

use super::message::{self, Code, Kind, Query, QueryError};
use crate::egress::judge::{Asked, look_up};
use crate::egress::trip::Trip;
use crate::egress::way::Way;
use crate::limits;
use bartizan_core::egress::{Destination, Egress, HostName, Refusal};
use bartizan_runtime::listen;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Serves datagrams until the way out closes.
pub(in crate::egress) async fn over_udp(way: Rc<Way>, socket: UdpSocket) {
    let socket = match tokio::net::UdpSocket::from_std(socket) {
        Ok(socket) => Rc::new(socket),
        Err(error) => return tracing::error!(%error, "no DNS over UDP"),
    };
    let mut bytes = vec![0; limits::DNS_MESSAGE_BYTES_MAX + 1]; // one more, so that what is too long is seen to be
    while let Some(received) = way.accepting.run_until_cancelled(socket.recv_from(&mut bytes)).await {
        // An error tells of an earlier answer that nobody took.
        let Ok((length, from)) = received else { continue };
        let query = match read(&way, &bytes[..length], from) {
            Ok(query) => query,
            Err(answer) => {
                if let Some(answer) = answer {
                    let _ = socket.try_send_to(&answer, from);
                }
                continue;
            }
        };
        let (way, socket) = (Rc::clone(&way), Rc::clone(&socket));
        let tasks = way.tasks.clone();
        drop(tasks.spawn_local(async move {
            let answer = Box::pin(answer(&way, &query, true, from)).await;
            let _ = socket.send_to(&answer, from).await;
        }));
    }
}

/// Serves connections until the way out closes.
pub(in crate::egress) async fn over_tcp(way: Rc<Way>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "no DNS over TCP"),
    };
    let places = Arc::new(Semaphore::new(limits::DNS_CONNECTIONS_MAX));
    while let Some(accepted) = way.accepting.run_until_cancelled(listen::accept(&listener)).await {
        let Some((stream, from)) = accepted else { continue };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let task = Rc::clone(&way);
        drop(way.tasks.spawn_local(async move {
            task.stop.run_until_cancelled(Box::pin(connection(&task, stream, from))).await;
            drop(place);
        }));
    }
}

/// One query after the other, each behind its length (RFC 1035 section 4.2.2).
async fn connection(way: &Rc<Way>, mut stream: TcpStream, from: SocketAddr) {
    loop {
        let Ok(Ok(length)) = timeout(limits::DNS_IDLE_TIME, stream.read_u16()).await else { return };
        let mut bytes = vec![0; length.into()];
        if bytes.len() > limits::DNS_MESSAGE_BYTES_MAX {
            return report(way, None, Refusal::BadQuery, from);
        }
        let Ok(Ok(_)) = timeout(limits::DNS_IDLE_TIME, stream.read_exact(&mut bytes)).await else { return };
        let answer = match read(way, &bytes, from) {
            Ok(query) => Box::pin(answer(way, &query, false, from)).await,
            Err(Some(answer)) => answer,
            Err(None) => return,
        };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        let Ok(Ok(())) = timeout(limits::DNS_IDLE_TIME, stream.write_all(&framed)).await else { return };
    }
}

/// A query, or what to send in its place.
fn read(way: &Rc<Way>, bytes: &[u8], from: SocketAddr) -> Result<Query, Option<Vec<u8>>> {
    message::read(bytes).map_err(|error| {
        report(way, None, Refusal::BadQuery, from);
        match error {
            QueryError::Ignored => None,
            QueryError::Code { id, code } => Some(message::code(id, code)),
        }
    })
}

async fn answer(way: &Rc<Way>, query: &Query, udp: bool, from: SocketAddr) -> Vec<u8> {
    let ttl_s = u32::try_from(limits::EGRESS_ANSWER_TTL.as_secs()).unwrap_or(u32::MAX);
    let outcome = match &query.name {
        None => Err(Refusal::NameUndeclared), // no host has such a name
        Some(host) => Box::pin(addresses(way, host, query.kind)).await,
    };
    let (code, addresses) = match outcome {
        Ok(addresses) => (Code::Fine, addresses),
        Err(why) => {
            report(way, query.name.as_ref(), why, from);
            let code = match why {
                Refusal::NotReady | Refusal::TooMany => Code::Failed,
                _ => Code::NoName,
            };
            (code, Vec::new())
        }
    };
    query.answer(code, &addresses, ttl_s, udp)
}

/// The addresses of a name that the service may reach; all of them are good, or there are none.
async fn addresses(way: &Rc<Way>, host: &HostName, kind: Kind) -> Result<Vec<IpAddr>, Refusal> {
    let rules: Vec<Destination> = way.ask(|side| {
        let rules: Vec<_> = side.rules.rules_for(host).cloned().collect();
        if rules.is_empty() && !side.rules.learn { Err(Refusal::NameUndeclared) } else { Ok(rules) }
    })?;
    if matches!(kind, Kind::Other(_)) {
        return Ok(Vec::new());
    }
    let fixed: Option<Vec<_>> = rules.iter().map(Destination::fixed).collect();
    let known = fixed.map(|all| all.concat()).filter(|all| !all.is_empty());
    let fresh = || way.answers.borrow().fresh(host, Instant::now());
    let addresses = match known.or_else(fresh) {
        Some(addresses) => addresses,
        None => look_up(way, host).await?,
    };
    for address in &addresses {
        judge(&rules, *address)?;
    }
    way.answers.borrow_mut().give(host, &addresses, Instant::now());
    Ok(addresses)
}

/// Whether some rule for the name takes the address.
fn judge(rules: &[Destination], address: IpAddr) -> Result<(), Refusal> {
    if rules.is_empty() {
        return Egress::check_learned(address);
    }
    let judged: Vec<_> = rules.iter().map(|rule| rule.check_address(address)).collect();
    match judged.iter().any(Result::is_ok) {
        true => Ok(()),
        false => judged.into_iter().next().unwrap_or(Err(Refusal::NameUndeclared)),
    }
}

fn report(way: &Rc<Way>, host: Option<&HostName>, refusal: Refusal, from: SocketAddr) {
    if way.is_worth_reporting(host.map_or_else(|| from.to_string(), ToString::to_string)) {
        Trip::to(way, host.cloned().map(Asked::Name), 0, "dns").refused(refusal, None);
    } else {
        way.proxy.egress.refused(refusal);
    }
}
