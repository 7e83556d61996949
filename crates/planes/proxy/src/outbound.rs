//! The doors for the own program: one plain listener for each declared callee. What was redirected comes this way too.

use crate::conn::{About, Carrier, Conn, Fresh, Side, Worker};
use crate::http1::{self, Stream};
use crate::http2::serve_http2;
use crate::limits;
use crate::relay::First;
use crate::sniff::{self, Speaks};
use crate::tcp::{self, Early};
use bartizan_core::ServiceName;
use bartizan_core::fleet::Protocol;
use std::io;
use std::pin::pin;
use tokio::net::TcpStream;

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh, callee: ServiceName) {
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let mut early = None;
    let protocol = worker.proxy.live().directory.as_ref().and_then(|directory| {
        let declared = directory.peers.get(&callee).filter(|_| directory.own.outbound.contains_key(&callee));
        // Who is refused is told so in what it speaks.
        declared.map(|peer| peer.protocol).or((!directory.own.outbound.contains_key(&callee)).then_some(Protocol::Auto))
    });
    let speaks = match protocol {
        Some(Protocol::Tcp) => Ok(Speaks::Bytes),
        Some(Protocol::Auto) => {
            let known = worker.speaks_first.borrow().get(&callee).copied();
            match known {
                // After the first connection nobody waits for who does not speak first.
                Some(First::Service) => sniff::at_once(&stream).await,
                Some(First::Caller) => sniff::anything(&stream).await,
                None => Box::pin(sniff_and_dial(&worker, &callee, &stream, &mut early)).await,
            }
        }
        // Without a directory there is nobody to call; HTTP can at least be told so.
        Some(Protocol::Http | Protocol::Grpc) | None => tokio::select! {
            speaks = sniff::http_version(&stream, limits::IDLE_TIME) => speaks,
            () = stop.cancelled() => return,
        },
    };
    let side = Side::Outbound(callee.clone());
    let trust = worker.ledger.register_plain(&side);
    let about = About { worker, remote, slot };
    match speaks {
        Ok(Speaks::Http1) => {
            let conn = Conn::new(about, side, None, trust, Carrier::Http1);
            Box::pin(http1::serve(conn, Stream::Plain(stream), &stop)).await;
        }
        Ok(Speaks::Http2) => {
            let conn = Conn::new(about, side, None, trust, Carrier::Http2);
            Box::pin(serve_http2(conn, stream, &stop)).await;
        }
        Ok(Speaks::Bytes) => Box::pin(tcp::outbound(about, callee, stream, early)).await,
        Err(error) => tracing::debug!(%error, "nothing came on a connection"),
    }
}

/// Looks what the program begins with, and opens a connection to the callee meanwhile: one that speaks first is heard at once, the
/// first time too. What is learned by that spares later ones the second connection.
///
/// # Errors
/// Where the program's connection breaks or ends first.
async fn sniff_and_dial(
    worker: &Worker,
    callee: &ServiceName,
    stream: &TcpStream,
    early: &mut Option<Early>,
) -> io::Result<Speaks> {
    // What is here already tells without another connection. The event loop has to look for that once.
    tokio::task::yield_now().await;
    let speaks = match sniff::already(stream).await? {
        Some(speaks) => speaks,
        None => race(worker, callee, stream, early).await?,
    };
    if speaks != Speaks::Bytes {
        *early = None;
        tcp::learn(worker, callee, First::Caller);
    }
    Ok(speaks)
}

async fn race(
    worker: &Worker,
    callee: &ServiceName,
    stream: &TcpStream,
    early: &mut Option<Early>,
) -> io::Result<Speaks> {
    let (mut sniffing, mut dialling) = (pin!(sniff::anything(stream)), pin!(Early::open(worker, callee)));
    let opened = tokio::select! {
        biased;
        speaks = sniffing.as_mut() => {
            let speaks = speaks?;
            if speaks == Speaks::Bytes {
                *early = dialling.await;
            }
            return Ok(speaks);
        }
        opened = dialling.as_mut() => opened,
    };
    // Whom nobody reaches, or may call, is no reason not to look on: HTTP can be told so.
    let Some(opened) = opened else { return sniffing.await };
    let opened = early.insert(opened);
    let greeted = tokio::select! {
        biased;
        speaks = sniffing.as_mut() => return speaks,
        greeted = opened.is_greeted() => greeted,
    };
    if greeted {
        return Ok(Speaks::Bytes);
    }
    *early = None;
    sniffing.await
}
