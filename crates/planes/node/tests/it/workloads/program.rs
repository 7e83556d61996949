//! A process of its own that connects to the socket and hands the connection to the test: to the node, that process is the
//! caller, whoever reads and writes. It can end, or become another program, while the connection is open.

use crate::workloads::world::{Client, World};
use bartizan_runtime::control_stream::Channel;
use hyper_util::rt::TokioIo;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::future::{Ready, ready};
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use tonic::codegen::http::Uri;
use tonic::transport::Endpoint;

/// Connects to the first argument, passes that on to the second, then waits for a line and becomes `sleep`.
const CODE: &str = r#"
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
test = socket.socket(socket.AF_UNIX)
test.connect(sys.argv[2])
socket.send_fds(test, [b"x"], [s.fileno()])
if sys.stdin.readline():
    os.execv("/bin/sleep", ["sleep", "60"])
"#;

pub(crate) struct Program {
    child: Child,
}

/// The interpreter as the kernel will name it.
pub(crate) fn python() -> PathBuf {
    let out = Command::new("python3").args(["-c", "import os; print(os.readlink('/proc/self/exe'))"]).output().unwrap();
    PathBuf::from(String::from_utf8(out.stdout).unwrap().trim())
}

impl Program {
    /// Starts it, and gives its connection.
    pub(crate) async fn start(world: &World) -> (Self, Client) {
        let (program, channel) = Self::start_with_channel(world).await;
        (program, Client::new(channel))
    }

    pub(crate) async fn start_with_channel(world: &World) -> (Self, Channel) {
        let path = world.path("fd.sock");
        let _ = std::fs::remove_file(&path);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let child = Command::new(python())
            .args(["-c", CODE])
            .arg(world.socket())
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stream = tokio::task::spawn_blocking(move || take(&listener)).await.unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let channel = Endpoint::from_static("http://localhost")
            .connect_with_connector(Once(Some(TokioIo::new(stream))))
            .await
            .unwrap();
        (Self { child }, channel)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Becomes another program, the connection still open.
    pub(crate) fn exec(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// Ends, and is gone from the table of processes.
    pub(crate) fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The descriptor that comes over the next connection.
fn take(listener: &std::os::unix::net::UnixListener) -> std::os::unix::net::UnixStream {
    let (from, _) = listener.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty()).unwrap();
    let fds: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| if let RecvAncillaryMessage::ScmRights(fds) = message { Some(fds) } else { None })
        .flatten()
        .collect();
    fds.into_iter().next().expect("one descriptor").into()
}

struct Once(Option<TokioIo<tokio::net::UnixStream>>);

impl tower_service::Service<Uri> for Once {
    type Response = TokioIo<tokio::net::UnixStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::other("there is one connection, and it has ended")))
    }
}
