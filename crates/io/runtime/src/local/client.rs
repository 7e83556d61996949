//! The asking end.

use crate::limits;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;

/// Why a local API gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Nobody serves the socket. Start what should, or wait for it.
    #[error("nothing runs at `{}`", socket.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It answered, and not with success. The same request gets the same answer.
    #[error("refused with status {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The answer's text, for people.
        body: String,
    },
    /// It did not answer in time, broke off, or sent what nobody understands.
    #[error("no answer from `{}`: {why}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What went wrong.
        why: String,
    },
}

/// The lines of a streamed answer. Dropping it ends the request.
pub type Lines = ReceiverStream<Result<String, LocalError>>;

/// GET, with JSON as the answer. Dropping the future ends the request.
///
/// # Errors
/// [`LocalError`].
pub async fn get<T: DeserializeOwned>(socket: &Path, path_and_query: &str) -> Result<T, LocalError> {
    let call = Call { socket, method: Method::GET, path: path_and_query, body: Bytes::new() };
    call.json().await
}

/// GET, with text as the answer. Dropping the future ends the request.
///
/// # Errors
/// [`LocalError`].
pub async fn get_text(socket: &Path, path_and_query: &str) -> Result<String, LocalError> {
    let call = Call { socket, method: Method::GET, path: path_and_query, body: Bytes::new() };
    let bytes = call.whole().await?;
    String::from_utf8(bytes.into()).map_err(|_| call.broken("the answer is not UTF-8"))
}

/// POST of JSON, with JSON as the answer. Dropping the future ends the waiting; the server may act all the same.
///
/// # Errors
/// [`LocalError`].
pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(
    socket: &Path,
    path_and_query: &str,
    body: &B,
) -> Result<T, LocalError> {
    let mut call = Call { socket, method: Method::POST, path: path_and_query, body: Bytes::new() };
    call.body = serde_json::to_vec(body).map_err(|e| call.broken(format!("the request is no JSON: {e}")))?.into();
    call.json().await
}

/// GET of newline-separated records, each handed out as it comes, for as long as the server sends.
///
/// # Errors
/// [`LocalError`], also as the last item where the stream breaks; a clean end is just the end.
pub async fn lines(socket: &Path, path_and_query: &str) -> Result<Lines, LocalError> {
    lines_with(socket, path_and_query, "").await.map(|(lines, _)| lines)
}

/// As [`lines`], with what stands in the header `name` of the answer.
///
/// # Errors
/// As [`lines`].
pub async fn lines_with(
    socket: &Path,
    path_and_query: &str,
    name: &str,
) -> Result<(Lines, Option<String>), LocalError> {
    let call = Call { socket, method: Method::GET, path: path_and_query, body: Bytes::new() };
    let (answer, connection) = call.in_time(call.send()).await?;
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (tx, rx) = mpsc::channel(limits::LOCAL_LINES_WAITING_MAX);
    let socket = socket.to_owned();
    tokio::spawn(async move {
        let _connection = connection;
        tokio::select! {
            () = tx.closed() => {}
            () = split(answer.into_body(), &socket, &tx) => {}
        }
    });
    Ok((ReceiverStream::new(rx), value))
}

/// Cuts a body into lines, until it ends or nobody listens any more.
async fn split(mut body: Incoming, socket: &Path, out: &mpsc::Sender<Result<String, LocalError>>) {
    let broken = |why: String| LocalError::Broken { socket: socket.to_owned(), why };
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => {
                let _ = out.send(Err(broken(error.to_string()))).await;
                return;
            }
        };
        // Only what is new can hold a newline.
        let mut from = rest.len();
        rest.extend_from_slice(&data);
        while let Some(at) = rest[from..].iter().position(|b| *b == b'\n') {
            let line = rest.split_to(from + at + 1);
            from = 0;
            let line =
                String::from_utf8(line[..line.len() - 1].to_vec()).map_err(|_| broken("a line is not UTF-8".into()));
            let last = line.is_err();
            if out.send(line).await.is_err() || last {
                return;
            }
        }
        if rest.len() > limits::LOCAL_LINE_BYTES_MAX {
            let _ =
                out.send(Err(broken(format!("a line is longer than {} bytes", limits::LOCAL_LINE_BYTES_MAX)))).await;
            return;
        }
    }
    if !rest.is_empty() {
        let _ = out.send(Err(broken("the last line was cut short".into()))).await;
    }
}

/// One request.
struct Call<'a> {
    socket: &'a Path,
    method: Method,
    path: &'a str,
    body: Bytes,
}

/// Drives the connection; dropping it closes the connection.
type Connection = JoinSet<()>;

impl Call<'_> {
    async fn json<T: DeserializeOwned>(&self) -> Result<T, LocalError> {
        let bytes = self.whole().await?;
        serde_json::from_slice(&bytes).map_err(|e| self.broken(format!("the answer was not understood: {e}")))
    }

    async fn whole(&self) -> Result<Bytes, LocalError> {
        self.in_time(async {
            let (answer, _connection) = self.send().await?;
            self.collect(answer.into_body(), limits::LOCAL_ANSWER_BYTES_MAX).await
        })
        .await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, LocalError>>) -> Result<T, LocalError> {
        let within = limits::LOCAL_ANSWER_WITHIN;
        match tokio::time::timeout(within, work).await {
            Ok(done) => done,
            Err(_) => Err(self.broken(format!("it took longer than {} s", within.as_secs()))),
        }
    }

    /// Up to the head of a successful answer.
    async fn send(&self) -> Result<(Response<Incoming>, Connection), LocalError> {
        let stream = match UnixStream::connect(self.socket).await {
            Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(LocalError::NotRunning { socket: self.socket.to_owned(), source });
            }
            stream => stream.map_err(|e| self.broken(e.to_string()))?,
        };
        let request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(self.body.clone()))
            .map_err(|e| self.broken(e.to_string()))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.broken(e.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its error reaches us through the request.
            let _ = connection.await;
        });
        let answer = sender.send_request(request).await.map_err(|e| self.broken(e.to_string()))?;
        let status = answer.status();
        if !status.is_success() {
            let text = self.collect(answer.into_body(), limits::LOCAL_REFUSAL_BYTES_MAX).await?;
            return Err(LocalError::Refused {
                status: status.as_u16(),
                body: String::from_utf8_lossy(&text).into_owned(),
            });
        }
        Ok((answer, driver))
    }

    async fn collect(&self, body: Incoming, bytes_max: usize) -> Result<Bytes, LocalError> {
        match Limited::new(body, bytes_max).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.broken(format!("the answer is longer than {bytes_max} bytes")))
            }
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    fn broken(&self, why: impl Into<String>) -> LocalError {
        LocalError::Broken { socket: self.socket.to_owned(), why: why.into() }
    }
}
