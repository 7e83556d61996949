//! The door for clients from outside the fleet: TLS without client certificates, HTTP/1.1 and HTTP/2.

use crate::conn::{About, Conn, Fresh, Side, Worker};
use crate::inbound::{report_failure, report_success};
use crate::limits;
use crate::live::ALPN_HTTP2;
use crate::serve::{serve_http1, serve_http2};
use crate::strict_io::Notes;
use bartizan_core::event::HandshakeFailure;
use bartizan_runtime::clock;
use bartizan_runtime::tls::{self, HandshakeError, Judge, JudgeError};
use std::sync::Arc;
use std::time::Instant;

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let began = Instant::now();
    worker.counters.handshake_begun();
    let shaken = match server(&worker) {
        Ok(server) => Box::pin(server.accept(stream, nobody(), limits::HANDSHAKE_TIME)).await,
        Err(not_ready) => Err(not_ready),
    };
    let accepted = match shaken {
        Ok(accepted) => accepted,
        Err(error) => return report_failure(&worker, &Side::Gateway, remote, error, began),
    };
    report_success(&worker, &Side::Gateway, remote, None, &accepted.about);
    let trust = worker.ledger.register_plain(&Side::Gateway);
    let about = About { worker, remote, slot };
    if accepted.about.alpn.as_deref() == Some(ALPN_HTTP2) {
        let conn = Conn::new(about, Side::Gateway, None, trust, None);
        Box::pin(serve_http2(conn, accepted.stream, &stop)).await;
    } else {
        let conn = Conn::new(about, Side::Gateway, None, trust, Some(Notes::default()));
        Box::pin(serve_http1(conn, accepted.stream, &stop)).await;
    }
}

/// The TLS server of this moment. Expired snapshots are no reason to refuse here: the client is told with a 503.
fn server(worker: &Worker) -> Result<tls::Server, HandshakeError> {
    let live = worker.proxy.live();
    let edge = live.edge.as_ref().filter(|edge| clock::now() < edge.not_after);
    edge.map(|edge| edge.server.clone()).ok_or_else(|| HandshakeError {
        failure: HandshakeFailure::NotReady,
        detail: "there is no valid certificate for outside clients".to_owned(),
    })
}

/// Never asked, since no certificate is: and if it were, the answer is no.
fn nobody() -> Judge<()> {
    Arc::new(|_| {
        Err(JudgeError { failure: HandshakeFailure::Protocol, detail: "no certificate was asked for".to_owned() })
    })
}
