//! One request with a body to a server that our own configuration names.

use super::GetError;
use crate::limits;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1 as client;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// What is sent with [`send`].
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// `Host`.
    pub authority: &'a str,
    /// Path, with its query where there is one.
    pub path: &'a str,
    /// Fields beside `Host`, `User-Agent` and those of the body's length.
    pub fields: &'a [(&'a str, &'a str)],
}

/// POST of `body`: the status, and the whole answer, at most `bytes_max`. The caller bounds the time.
///
/// # Errors
/// [`GetError::Broken`].
pub async fn send<S>(stream: S, it: Sending<'_>, body: Bytes, bytes_max: usize) -> Result<(u16, Bytes), GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| GetError::Broken(with_causes(&e));
    let mut request = Request::post(it.path)
        .header(header::HOST, it.authority)
        .header(header::USER_AGENT, concat!("bartizan/", env!("CARGO_PKG_VERSION")));
    for (name, value) in it.fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).map_err(|e| GetError::Broken(e.to_string()))?;
    let (mut sender, connection) = client::Builder::new()
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), bytes_max).collect().await;
    Ok((status, body.map_err(|e| GetError::Broken(e.to_string()))?.to_bytes()))
}

/// hyper says where it broke off; why, such as the alert of a server that refuses our certificate, is what caused that.
fn with_causes(error: &hyper::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
