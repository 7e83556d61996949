//! The door for clients from outside the fleet: TLS, HTTP/1.1 and HTTP/2. Clients are asked for a certificate only where a route
//! is for some of them alone; who shows one is judged as whom it names.

use crate::access;
use crate::conn::{About, Carrier, Conn, Fresh, Side, Worker};
use crate::http1::{self, Stream};
use crate::http2::serve_http2;
use crate::inbound::{judge, report_failure, report_success};
use crate::limits;
use crate::live::ALPN_HTTP2;
use bartizan_core::Timestamp;
use bartizan_core::event::HandshakeFailure;
use bartizan_runtime::clock;
use bartizan_runtime::tls::{self, ClientAuth, HandshakeError};
use std::time::Instant;

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    let Some(fresh) = Box::pin(access::admitted(fresh)).await else { return };
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let began = Instant::now();
    worker.counters.handshake_begun();
    let shaken = match server(&worker) {
        Ok((server, own_not_after)) => {
            let accepted = Box::pin(server.accept(stream, judge(&worker.proxy), limits::HANDSHAKE_TIME)).await;
            accepted.map(|accepted| (accepted, own_not_after))
        }
        Err(not_ready) => Err(not_ready),
    };
    let (accepted, own_not_after) = match shaken {
        Ok(accepted) => accepted,
        Err(error) => return report_failure(&worker, &Side::Gateway, remote, error, began),
    };
    let caller = accepted.peer;
    report_success(&worker, &Side::Gateway, remote, caller.as_ref(), &accepted.about);
    let trust = match &caller {
        None => Ok(worker.ledger.register_plain(&Side::Gateway)),
        Some(caller) => worker.ledger.register_caller(&Side::Gateway, caller, own_not_after),
    };
    let Ok(trust) = trust else { return };
    let about = About { worker, remote, slot };
    let server_name = accepted.about.server_name;
    if accepted.about.alpn.as_deref() == Some(ALPN_HTTP2) {
        let conn = Conn::at_edge(about, caller, trust, Carrier::Http2, server_name);
        Box::pin(serve_http2(conn, accepted.stream, &stop)).await;
    } else {
        let conn = Conn::at_edge(about, caller, trust, Carrier::Http1, server_name);
        Box::pin(http1::serve(conn, Stream::Server(Box::new(accepted.stream)), &stop)).await;
    }
}

/// The TLS server of this moment, and the end of its certificate. Expired snapshots are no reason to refuse here: the client is told with a 503.
fn server(worker: &Worker) -> Result<(tls::Server, Timestamp), HandshakeError> {
    let live = worker.proxy.live();
    let gateway = live.directory.as_ref().and_then(|directory| directory.own.gateway.as_ref());
    let asks = gateway.is_some_and(|gateway| !gateway.callers.is_empty());
    let auth = if asks { ClientAuth::Optional } else { ClientAuth::None };
    let edge = live.edge.as_ref().filter(|edge| clock::now() < edge.not_after);
    edge.map(|edge| (edge.server.asking(auth), edge.not_after)).ok_or_else(|| HandshakeError {
        failure: HandshakeFailure::NotReady,
        detail: "there is no valid certificate for outside clients".to_owned(),
    })
}
