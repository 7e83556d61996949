//! Tunnels: a program asks the forward proxy to connect it, and speaks TLS (or, where a rule says so, anything) through it.
//!
//! What was asked for, what is said in the ClientHello and what is dialled have to be the same; nothing that the program sends
//! goes out before that is known.

use super::body::OutBody;
use super::dial::dial;
use super::hello::{self, Hello};
use super::judge::{Asked, Leave, judge, still};
use super::serve::{answer, refusal};
use super::trip::Trip;
use super::way::Way;
use crate::limits;
use crate::relay;
use bartizan_core::egress::{Outside, Refusal};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// First byte of TLS: a record with a handshake message.
const TLS: u8 = 22;

/// Answers `CONNECT`.
pub(super) async fn tunnel(way: Rc<Way>, request: Request<Incoming>) -> Response<OutBody> {
    let wish = wish(&request);
    let (asked, port) = match wish {
        Ok(wish) => wish,
        Err(why) => {
            Trip::to(&way, None, 0, "https").refused(why, None);
            return refusal(why);
        }
    };
    let trip = Trip::to(&way, Some(asked.clone()), port, "https");
    let leave = match Box::pin(judge(&way, &asked, port, &[Outside::Https, Outside::Tcp], None)).await {
        Ok(leave) => leave,
        Err(why) => {
            trip.refused(why, None);
            return refusal(why);
        }
    };
    let (upstream, at) = match dial(&leave.to).await {
        Ok(dialled) => dialled,
        Err(error) => {
            trip.failed(&error.to_string());
            return answer(StatusCode::BAD_GATEWAY, "nobody answers there", "unreachable");
        }
    };
    let task = Rc::clone(&way);
    drop(way.tasks.spawn_local(async move {
        match hyper::upgrade::on(request).await {
            Ok(stream) => Box::pin(pass(task, trip, TokioIo::new(stream), upstream, at, asked, leave)).await,
            Err(error) => trip.failed(&error.to_string()),
        }
    }));
    Response::new(OutBody::Own(Full::new(Bytes::new())))
}

/// `host:port`, and a `Host` that says the same where there is one.
fn wish(request: &Request<Incoming>) -> Result<(Asked, u16), Refusal> {
    let authority = request.uri().authority().ok_or(Refusal::BadRequest)?;
    let port = authority.port_u16().filter(|port| *port != 0).ok_or(Refusal::BadRequest)?;
    if authority.as_str().contains('@') || request.uri().path_and_query().is_some() {
        return Err(Refusal::BadRequest);
    }
    let asked = Asked::parse(authority.host()).ok_or(Refusal::BadRequest)?;
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok((asked, port)),
        (Some(host), None) => {
            let same = host.to_str().is_ok_and(|host| {
                let (name, said) = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).unwrap_or((host, ""));
                Asked::parse(name).as_ref() == Some(&asked) && (said.is_empty() || said.parse() == Ok(port))
            });
            if same { Ok((asked, port)) } else { Err(Refusal::HostMismatch) }
        }
        (Some(_), Some(_)) => Err(Refusal::HostMismatch),
    }
}

/// Passes bytes on in both directions, once their beginning was looked at.
pub(super) async fn pass<S>(
    way: Rc<Way>,
    mut trip: Trip,
    mut stream: S,
    mut upstream: TcpStream,
    at: SocketAddr,
    asked: Asked,
    leave: Leave,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let learned = leave.rule.is_none();
    let begun = match leave.rule.map(|rule| rule.protocol) {
        Some(Outside::Tcp) => Ok((Outside::Tcp, Vec::new())),
        Some(_) => tls(&mut stream, &asked).await.map(|bytes| (Outside::Https, bytes)),
        None => learn(&mut stream, &asked).await,
    };
    let (protocol, first) = match begun {
        Ok(begun) => begun,
        Err(why) => return trip.refused(why, None),
    };
    trip.speaks(protocol.as_str());
    trip.opened(at, learned);
    if let Err(error) = upstream.write_all(&first).await {
        return trip.closed(0, 0, Some(&error.to_string()));
    }
    let over = way.until_over(|side| still(&side.rules, &asked, protocol, at, learned));
    let stop = relay::Stop { stop: &way.stop, drain: &way.proxy.drain };
    let relayed = relay::run(stream, upstream, stop, over).await;
    trip.closed(relayed.bytes_up + first.len() as u64, relayed.bytes_down, relayed.error);
}

/// The first bytes of TLS to `asked`.
async fn tls<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, asked: &Asked) -> Result<Vec<u8>, Refusal> {
    let hello = hello::read(stream, Vec::new()).await?;
    same_name(stream, hello, asked).await
}

async fn same_name<S: AsyncWrite + Unpin>(stream: &mut S, hello: Hello, asked: &Asked) -> Result<Vec<u8>, Refusal> {
    if matches!(asked, Asked::Name(name) if *name == hello.name) {
        return Ok(hello.bytes);
    }
    hello::refuse(stream).await;
    Err(Refusal::SniMismatch)
}

/// What a destination that no rule names is spoken to in. A name that is contradicted is refused here too.
async fn learn<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    asked: &Asked,
) -> Result<(Outside, Vec<u8>), Refusal> {
    let mut first = Vec::with_capacity(1 << 10);
    match timeout(limits::SNIFF_TIME, stream.read_buf(&mut first)).await {
        Ok(Ok(1..)) if first.first() == Some(&TLS) && matches!(asked, Asked::Name(_)) => {
            let hello = hello::read(stream, first).await?;
            same_name(stream, hello, asked).await.map(|bytes| (Outside::Https, bytes))
        }
        Ok(Ok(0) | Err(_)) => Err(Refusal::NotTls),
        Ok(Ok(_)) | Err(_) => Ok((Outside::Tcp, first)),
    }
}
