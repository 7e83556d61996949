//! The doors for the own program: one plain listener for each declared callee. What was redirected comes this way too.

use crate::conn::{About, Carrier, Conn, Fresh, Side};
use crate::http1::{self, Stream};
use crate::limits;
use crate::serve::serve_http2;
use crate::sniff::{self, Speaks};
use crate::tcp;
use bartizan_core::ServiceName;
use bartizan_core::fleet::Protocol;

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh, callee: ServiceName) {
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let protocol = worker.proxy.live().directory.as_ref().and_then(|directory| {
        let declared = directory.peers.get(&callee).filter(|_| directory.own.outbound.contains_key(&callee));
        // Who is refused is told so in what it speaks.
        declared.map(|peer| peer.protocol).or((!directory.own.outbound.contains_key(&callee)).then_some(Protocol::Auto))
    });
    let speaks = match protocol {
        Some(Protocol::Tcp) => Ok(Speaks::Bytes),
        // After the first connection nobody waits for who does not speak first.
        Some(Protocol::Auto) if worker.server_first.borrow().contains(&callee) => sniff::at_once(&stream).await,
        Some(Protocol::Auto) => sniff::anything(&stream).await,
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
        Ok(Speaks::Bytes) => Box::pin(tcp::outbound(about, callee, stream)).await,
        Err(error) => tracing::debug!(%error, "nothing came on a connection"),
    }
}
