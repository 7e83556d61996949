//! The serving end.

use super::conn::Conn;
use crate::limits;
use crate::sds_v3::secret_discovery_service_server::{SecretDiscoveryService, SecretDiscoveryServiceServer};
use crate::workload_v1::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Says who is at the other end of a new connection; `None` closes it. Called on the serving task: return quickly.
pub type Admit<C> = Arc<dyn Fn(&UnixStream) -> Option<C> + Send + Sync>;

/// Serves both services until `stop` fires; then open calls get [`limits::DRAIN`] to end, and what is left is closed. The
/// socket's file is removed at the end.
///
/// Dropping the future closes the listener and all connections at once.
///
/// # Errors
/// Only where tonic cannot serve at all; a connection's own errors end that connection.
pub async fn serve<W, S, C>(
    listener: UnixListener,
    admit: Admit<C>,
    workloads: W,
    secrets: S,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    W: SpiffeWorkloadApi,
    S: SecretDiscoveryService,
    C: Clone + Send + Sync + 'static,
{
    let cut_off = CancellationToken::new();
    let _cut_off_when_dropped = cut_off.clone().drop_guard();
    let (ready, incoming) = mpsc::channel(1);
    let workloads = SpiffeWorkloadApiServer::new(workloads).max_decoding_message_size(limits::WORKLOAD_UP_BYTES_MAX);
    let secrets = SecretDiscoveryServiceServer::new(secrets).max_decoding_message_size(limits::WORKLOAD_UP_BYTES_MAX);
    let serving = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(limits::WORKLOAD_KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_WITHIN))
        .max_concurrent_streams(limits::WORKLOAD_CALLS_MAX)
        .http2_max_header_list_size(limits::WORKLOAD_HEADER_BYTES_MAX)
        .add_service(workloads)
        .add_service(secrets)
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
    let ((), served) = tokio::join!(accept(&listener, admit, ready, &cut_off, &stop), served);
    if let Ok(addr) = listener.local_addr()
        && let Some(path) = addr.as_pathname()
    {
        // Somebody may have tidied it away already.
        let _ = std::fs::remove_file(path);
    }
    served
}

/// Accepts until `stop` fires. There is always a turn for the next connection: whom `admit` refuses is gone at once, and
/// only those whom it let in hold a slot.
async fn accept<C>(
    listener: &UnixListener,
    admit: Admit<C>,
    ready: mpsc::Sender<Result<Conn<C>, Infallible>>,
    cut_off: &CancellationToken,
    stop: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits::WORKLOAD_CONNECTIONS_MAX));
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let Some(caller) = admit(&stream) else { continue };
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                        tracing::warn!("all connections of the workload socket are taken");
                        continue;
                    };
                    if ready.send(Ok(Conn::new(stream, caller, cut_off, slot))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "accept on the workload socket failed, pausing");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = ready.closed() => {}
        () = accepting => {}
    }
}
