//! The accepting end: handshakes side by side, then tonic.

use super::conn::{Conn, PeerInfo};
use crate::control_v1::control_server::{Control, ControlServer};
use crate::tls::{self, HandshakeError, Judge};
use crate::{limits, listen};
use arc_swap::ArcSwap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Told of each handshake that failed, with the client's address. Called on the serving task: return quickly.
pub type OnFailure = Arc<dyn Fn(SocketAddr, HandshakeError) + Send + Sync>;

/// Serves `service` until `stop` fires; then open calls get [`limits::DRAIN`] to end, and what is left is closed.
///
/// `tls` is read for each new connection, so a renewed identity counts from the next one on. Clients without a
/// certificate are let in where `tls` was made with [`tls::ClientAuth::Optional`]; handlers look at [`PeerInfo`].
///
/// Dropping the future closes the listener and all connections at once.
///
/// # Errors
/// Only where tonic cannot serve at all; a connection's own errors end that connection.
pub async fn serve<S, P>(
    listener: TcpListener,
    tls: Arc<ArcSwap<tls::Server>>,
    judge: Judge<P>,
    service: S,
    on_failure: OnFailure,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    S: Control,
    P: Clone + Send + Sync + 'static,
{
    let cut_off = CancellationToken::new();
    let _cut_off_when_dropped = cut_off.clone().drop_guard();
    let (ready, incoming) = mpsc::channel(limits::HANDSHAKES_MAX);
    let door = Door { tls, judge, on_failure, cut_off: cut_off.clone(), ready };

    let service = ControlServer::new(service)
        .max_decoding_message_size(limits::UP_BYTES_MAX)
        .max_encoding_message_size(limits::DOWN_BYTES_MAX);
    let serving = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(limits::KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_WITHIN))
        .max_concurrent_streams(limits::STREAMS_MAX)
        .initial_stream_window_size(limits::CONTROL_WINDOW_BYTES)
        .initial_connection_window_size(2 * limits::CONTROL_WINDOW_BYTES)
        .http2_max_header_list_size(limits::CONTROL_HEADER_BYTES_MAX)
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop.clone().cancelled_owned());

    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(limits::DRAIN).await;
        cut_off.cancel();
    };
    let served = async {
        let mut serving = pin!(serving);
        tokio::select! {
            served = &mut serving => served,
            () = drained => serving.await,
        }
    };
    let ((), served) = tokio::join!(door.admit(listener, &stop), served);
    served
}

/// What every new connection needs on its way in.
#[derive(Clone)]
struct Door<P> {
    tls: Arc<ArcSwap<tls::Server>>,
    judge: Judge<P>,
    on_failure: OnFailure,
    cut_off: CancellationToken,
    ready: mpsc::Sender<Result<Conn<P>, Infallible>>,
}

impl<P: Clone + Send + Sync + 'static> Door<P> {
    /// Accepts until `stop` fires; handshakes under way are then given up.
    async fn admit(self, listener: TcpListener, stop: &CancellationToken) {
        let connections = Arc::new(Semaphore::new(limits::CONTROL_CONNECTIONS_MAX));
        let under_way = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
        let mut handshakes = JoinSet::new();
        let accepting = async {
            loop {
                // Both slots come before `accept`: when we are full, clients wait in the kernel's queue.
                let slot = Arc::clone(&connections).acquire_owned().await.expect("the semaphore is never closed");
                let turn = Arc::clone(&under_way).acquire_owned().await.expect("the semaphore is never closed");
                let Some((socket, remote)) = listen::accept(&listener).await else { continue };
                while handshakes.try_join_next().is_some() {}
                let door = self.clone();
                handshakes.spawn(async move {
                    let tls = door.tls.load_full();
                    match tls.accept(socket, door.judge, limits::HANDSHAKE_WITHIN).await {
                        Ok(accepted) => {
                            let info = PeerInfo { peer: accepted.peer, remote };
                            // Fails only when we are stopping.
                            let _ = door.ready.send(Ok(Conn::new(accepted.stream, info, &door.cut_off, slot))).await;
                        }
                        Err(error) => (door.on_failure)(remote, error),
                    }
                    drop(turn);
                });
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.ready.closed() => {}
            () = accepting => {}
        }
    }
}
