//! The calling end.

use crate::limits;
use crate::workload_v1::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::UnixStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// A client of the Workload API at `socket`. Calls carry [`super::SECURITY_HEADER`] only where the caller adds it.
///
/// # Errors
/// Where nobody serves the socket.
pub async fn connect(socket: &Path) -> Result<SpiffeWorkloadApiClient<Channel>, tonic::transport::Error> {
    let client = SpiffeWorkloadApiClient::new(channel(socket).await?);
    Ok(client.max_decoding_message_size(limits::WORKLOAD_DOWN_BYTES_MAX))
}

/// A connection to `socket`, which is made anew where it breaks.
///
/// # Errors
/// Where nobody serves the socket.
pub async fn channel(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_static("http://localhost").connect_timeout(limits::CONNECT_WITHIN);
    endpoint.connect_with_connector(Dial(socket.to_owned())).await
}

struct Dial(PathBuf);

impl tower_service::Service<Uri> for Dial {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { Ok(TokioIo::new(UnixStream::connect(path).await?)) })
    }
}
