//! The door for other sidecars: mutual TLS, then whatever the program speaks.

use crate::conn::{About, Caller, Carrier, Conn, Fresh, Side, Worker};
use crate::counters::as_us32;
use crate::http1::{self, Stream};
use crate::http2::serve_http2;
use crate::leg;
use crate::limits;
use crate::live::{ALPN_HTTP1, ALPN_HTTP2, ALPN_LEG, ALPN_TCP, Proxy};
use crate::plaintext;
use crate::tcp;
use bartizan_core::Timestamp;
use bartizan_core::event::{Handshake, HandshakeFailure, What};
use bartizan_core::fleet::Protocol;
use bartizan_runtime::clock;
use bartizan_runtime::tls::{self, HandshakeError, Judge, JudgeError, Records};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    if plaintext::is_taken(&fresh.worker.proxy.live()) {
        match Box::pin(plaintext::begins_with_tls(&fresh.stream)).await {
            Ok(true) => {}
            Ok(false) => return Box::pin(plaintext::serve(fresh)).await,
            Err(error) => return tracing::debug!(%error, "nothing came on a connection"),
        }
    }
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let began = Instant::now();
    worker.counters.handshake_begun();
    let shaken = match server(&worker.proxy) {
        Ok((server, protocol, own_not_after)) => {
            let accepted = Box::pin(server.accept(stream, judge(&worker.proxy), limits::HANDSHAKE_TIME)).await;
            accepted.map(|accepted| (accepted, protocol, own_not_after))
        }
        Err(not_ready) => Err(not_ready),
    };
    let (accepted, protocol, own_not_after) = match shaken {
        Ok(shaken) => shaken,
        Err(error) => return report_failure(&worker, &Side::Inbound, remote, error, began),
    };
    // Certificates are required: without one there is no `Ok`.
    let Some(caller) = accepted.peer else { return };
    report_success(&worker, &Side::Inbound, remote, Some(&caller), &accepted.about);

    // Before anything is judged on it; see `ledger`.
    let Ok(trust) = worker.ledger.register_caller(&Side::Inbound, &caller, own_not_after) else { return };

    let about = About { worker, remote, slot };
    match speaks(protocol, accepted.about.alpn.as_deref()) {
        ALPN_TCP => Box::pin(tcp::inbound(about, accepted.stream, caller, trust)).await,
        ALPN_LEG => {
            let conn = Conn::new(about, Side::Inbound, Some(caller), trust, Carrier::Leg);
            Box::pin(leg::serve(conn, Records::accepted(accepted.stream), &stop)).await;
        }
        ALPN_HTTP2 => {
            let conn = Conn::new(about, Side::Inbound, Some(caller), trust, Carrier::Http2);
            Box::pin(serve_http2(conn, accepted.stream, &stop)).await;
        }
        _ => {
            let conn = Conn::new(about, Side::Inbound, Some(caller), trust, Carrier::Http1);
            Box::pin(http1::serve(conn, Stream::Server(Box::new(accepted.stream)), &stop)).await;
        }
    }
}

/// What is spoken: what was agreed on, or what goes without saying for a client that named nothing.
fn speaks(protocol: Protocol, agreed: Option<&str>) -> &'static str {
    match (agreed, protocol) {
        (Some(ALPN_LEG), _) => ALPN_LEG,
        (Some(ALPN_TCP), _) | (None, Protocol::Tcp) => ALPN_TCP,
        (Some(ALPN_HTTP2), _) | (None, Protocol::Grpc) => ALPN_HTTP2,
        _ => ALPN_HTTP1,
    }
}

/// The TLS server of this moment, what the program speaks and the end of the certificate that is shown; none while nobody could be judged.
fn server(proxy: &Proxy) -> Result<(tls::Server, Protocol, Timestamp), HandshakeError> {
    let not_ready = |detail: &str| HandshakeError { failure: HandshakeFailure::NotReady, detail: detail.to_owned() };
    if !proxy.heard.freshness().serves() {
        return Err(not_ready("the snapshots held have expired"));
    }
    let live = proxy.live();
    let own = live.identity_at(clock::now()).ok_or_else(|| not_ready("there is no valid identity"))?;
    let inbound = live.directory.as_ref().and_then(|d| d.own.inbound.as_ref());
    let protocol = inbound.ok_or_else(|| not_ready("there is no directory"))?.protocol;
    let server = own.server(protocol).limited_to(live.tls_groups());
    let server = server.map_err(|error| not_ready(&error.to_string()))?;
    Ok((server, protocol, own.not_after))
}

/// Judges a caller by the bundles of the moment it shows its certificate.
pub(crate) fn judge(proxy: &Arc<Proxy>) -> Judge<Caller> {
    let proxy = Arc::clone(proxy);
    Arc::new(move |chain| {
        let live = proxy.live();
        let refuse = |failure, detail: String| JudgeError { failure, detail };
        let peer = live.verify(chain, clock::now()).map_err(|r| refuse(r.failure, r.detail))?;
        let id = peer.id().clone();
        let why =
            || format!("`{id}` is no service of `{}`, and the fleet declares no call of it to here", proxy.domain);
        Caller::of(peer, &proxy.domain, &live).ok_or_else(|| refuse(HandshakeFailure::WrongPeer, why()))
    })
}

/// Counts a failed handshake and writes its event.
pub(crate) fn report_failure(worker: &Worker, side: &Side, remote: SocketAddr, error: HandshakeError, began: Instant) {
    worker.counters.handshake_ended(Some(error.failure));
    let event = Handshake {
        peer: None,
        remote: Some(remote),
        failure: Some(error.failure),
        detail: Some(error.detail.into()),
        group: None,
        suite: None,
        took_us: as_us32(began.elapsed()),
    };
    worker.proxy.events.offer(side.seen_by(), None, What::Handshake(event));
}

/// Counts a finished handshake and writes its event.
pub(crate) fn report_success(
    worker: &Worker,
    side: &Side,
    remote: SocketAddr,
    caller: Option<&Caller>,
    about: &tls::About,
) {
    worker.counters.handshake_ended(None);
    let event = Handshake {
        peer: caller.map(|c| c.peer.id().clone()),
        remote: Some(remote),
        failure: None,
        detail: None,
        group: Some(Arc::clone(&about.group)),
        suite: Some(Arc::clone(&about.suite)),
        took_us: about.took_us,
    };
    worker.proxy.events.offer(side.seen_by(), None, What::Handshake(event));
}
