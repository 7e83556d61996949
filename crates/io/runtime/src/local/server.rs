//! The serving end.

use crate::limits;
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// The process at the other end of a local API, as the kernel knows it (SO_PEERCRED), at the time it connected.
/// A handler takes it as `Extension<Caller>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Process id, in our own pid namespace; it may have ended since, and the number may be somebody else's.
    pub pid: Option<i32>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Listens on `path` with mode 0600 from the first moment.
///
/// A socket that nobody serves any more is replaced; one that is served, and anything that is no socket, is left
/// alone. Two processes that find the same dead socket at the same instant can both succeed; the later one serves.
///
/// # Errors
/// `AddrInUse` where a living process serves `path`, `AlreadyExists` where it is no socket, `InvalidInput` where the
/// path is too long for a socket; else what the kernel says. Must be called within a tokio runtime.
pub fn bind(path: &Path) -> Result<UnixListener> {
    bind_as(path, Mode::RUSR | Mode::WUSR)
}

/// As [`bind`], with mode 0666: every user that reaches the folder may connect. For servers that ask the kernel about each
/// caller and refuse by that.
///
/// # Errors
/// As [`bind`].
pub fn bind_for_all(path: &Path) -> Result<UnixListener> {
    bind_as(path, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH)
}

fn bind_as(path: &Path, mode: Mode) -> Result<UnixListener> {
    if path.as_os_str().len() > limits::SOCKET_PATH_BYTES_MAX {
        let text = format!(
            "socket path `{}` has {} bytes, the kernel takes {}; choose a shorter data folder",
            path.display(),
            path.as_os_str().len(),
            limits::SOCKET_PATH_BYTES_MAX
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    remove_dead(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Before `bind`: the file is then made with this mode, and there is no moment in which others can connect.
    fchmod(&socket, mode)?;
    socket
        .bind(&SockAddr::unix(path)?)
        .map_err(|e| Error::new(e.kind(), format!("cannot listen on `{}`: {e}", path.display())))?;
    // Again, by name: the first one was cut by the process' umask when the file was made.
    rustix::fs::chmod(path, mode)?;
    socket.listen(limits::ACCEPT_QUEUE)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)))
}

/// Makes way for a new socket, where what is there is a dead one.
fn remove_dead(path: &Path) -> Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        let text = format!("`{}` exists and is not a socket; move it away", path.display());
        return Err(Error::new(ErrorKind::AlreadyExists, text));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            let text = format!("`{}` is served by a running process; stop it first", path.display());
            Err(Error::new(ErrorKind::AddrInUse, text))
        }
    }
}

/// Serves `router` until `stop` fires; then requests under way get [`limits::DRAIN`], and what is left is closed.
/// The socket's file is removed at the end.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve(listener: UnixListener, router: Router, stop: CancellationToken) {
    let router = router.layer(DefaultBodyLimit::max(limits::LOCAL_BODY_BYTES_MAX));
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let slots = Arc::new(Semaphore::new(limits::LOCAL_CONNECTIONS_MAX));

    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let slot = slot.expect("the semaphore is never closed");
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        match accepted {
            Ok((socket, _)) => {
                let (router, stop, cut_off) = (router.clone(), stop.clone(), cut_off.clone());
                connections.spawn(async move {
                    cut_off.run_until_cancelled(handle(socket, router, stop)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept on a local socket failed, pausing");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }

    if let Ok(addr) = listener.local_addr()
        && let Some(path) = addr.as_pathname()
    {
        // Somebody may have tidied it away already.
        let _ = std::fs::remove_file(path);
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits::DRAIN, connections.wait()).await.is_err() {
        cut_off.cancel();
        connections.wait().await;
    }
}

async fn handle(socket: UnixStream, router: Router, stop: CancellationToken) {
    let caller = match socket.peer_cred() {
        Ok(cred) => Caller { pid: cred.pid(), uid: cred.uid(), gid: cred.gid() },
        Err(error) => {
            // Without it no handler could say whether the caller may.
            tracing::warn!(%error, "the kernel does not say who calls, closing");
            return;
        }
    };
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller);
        let request = request.map(|body| Body::new(Limited::new(body, limits::LOCAL_BODY_BYTES_MAX)));
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a local connection ended early");
    }
}
