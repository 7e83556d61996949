//! A connection to a receiver that does not speak HTTP, with or without TLS.

use crate::limits::OUTPUT_WITHIN;
use bartizan_runtime::https;
use bartizan_runtime::tls::WebClient;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Its stream.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

/// Dials.
///
/// # Errors
/// The text says why there is none.
pub(super) async fn dial(host: &str, port: u16, tls: Option<&WebClient>) -> Result<Box<dyn Wire>, String> {
    let stream = https::dial(host, port).await.map_err(|error| error.to_string())?;
    let Some(client) = tls else { return Ok(Box::new(stream)) };
    let stream = client.connect(stream, host, OUTPUT_WITHIN).await.map_err(|error| error.to_string())?;
    Ok(Box::new(stream))
}

/// Writes all of `bytes`.
///
/// # Errors
/// What the kernel or TLS says.
pub(super) async fn write(wire: &mut (impl Wire + ?Sized), bytes: &[u8]) -> Result<(), String> {
    let written = async {
        wire.write_all(bytes).await?;
        wire.flush().await
    };
    written.await.map_err(|error: std::io::Error| error.to_string())
}
