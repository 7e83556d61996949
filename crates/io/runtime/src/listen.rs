//! TCP sockets: listeners with clear errors, accepted and dialled connections without Nagle's delay.

use crate::{limits, proc_net};
use bartizan_core::stats::Shortage;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there already. Stop that process or choose another address.
    #[error("address {addr} is in use{}", by(holder))]
    InUse {
        /// The address.
        addr: SocketAddr,
        /// Who holds it, as process id and name, where the kernel tells us.
        holder: Option<(u32, String)>,
    },
    /// Anything else: no such address on this machine, or no right to a port below 1024.
    #[error("cannot listen on {addr}: {source}")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

fn by(holder: &Option<(u32, String)>) -> String {
    holder.as_ref().map(|(pid, name)| format!(" (by pid {pid}, `{name}`)")).unwrap_or_default()
}

impl ListenError {
    fn of(addr: SocketAddr, source: io::Error) -> Self {
        if source.kind() != io::ErrorKind::AddrInUse {
            return Self::Refused { addr, source };
        }
        let rival = |l: &proc_net::Listening| {
            l.addr.port() == addr.port()
                && (l.addr.ip() == addr.ip() || l.addr.ip().is_unspecified() || addr.ip().is_unspecified())
        };
        let holder = proc_net::listening().into_iter().find(rival).and_then(|l| proc_net::holder(l.inode));
        Self::InUse { addr, holder }
    }
}

/// Listens on `addr`. Must be called within a tokio runtime.
///
/// # Errors
/// [`ListenError`], which names the process in the way where it can.
pub fn bind(addr: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = socket(addr, false).and_then(TcpListener::from_std);
    listener.map_err(|source| ListenError::of(addr, source))
}

/// `count` listeners on the same address (SO_REUSEPORT), among which the kernel spreads connections: one per
/// single-threaded runtime. They are non-blocking; each runtime makes its own with `TcpListener::from_std`.
///
/// Port 0 chooses one port for all.
///
/// # Errors
/// [`ListenError`]. A rival without SO_REUSEPORT is always seen; so is one that listened before us.
pub fn bind_shared(addr: SocketAddr, count: usize) -> Result<Vec<std::net::TcpListener>, ListenError> {
    let refuse = |source| ListenError::of(addr, source);
    // Alone first: with SO_REUSEPORT a process of the same user would be joined, not reported.
    let alone = socket(addr, false).map_err(refuse)?;
    let addr = alone.local_addr().map_err(refuse)?;
    drop(alone);
    (0..count).map(|_| socket(addr, true).map_err(refuse)).collect()
}

fn socket(addr: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // A restarted process must not wait for the connections of the one before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(limits::ACCEPT_QUEUE)?;
    Ok(socket.into())
}

/// The next connection, without Nagle's delay. `None` where accepting failed: it was logged and paused for, call again.
///
/// Cancel safe: a dropped future takes no connection.
pub async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((socket, remote)) => {
            // Fails only on a connection that is gone already, which the first read says.
            let _ = socket.set_nodelay(true);
            Some((socket, remote))
        }
        Err(error) => {
            tracing::warn!(%error, "accept failed, pausing");
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The next connection, without Nagle's delay.
///
/// Cancel safe: a dropped future takes no connection.
///
/// # Errors
/// What the kernel says. Where it has no descriptor to give, accepting again at once would spin: see [`until_room`].
pub async fn try_accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, remote) = listener.accept().await?;
    let _ = socket.set_nodelay(true); // see `accept`
    Ok((socket, remote))
}

/// Told when this process gave a descriptor back, as far as somebody waits for that.
static ROOM: Notify = Notify::const_new();
/// How many wait for it.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A descriptor was given back, or will be at once.
pub fn gave_back() {
    if WAITING.load(Ordering::Relaxed) > 0 {
        ROOM.notify_waiters();
    }
}

/// Waits until somebody gave a descriptor back, at most `within`: other processes give some back too, and do not say so.
pub async fn until_room(within: Duration) {
    struct Waits;
    impl Drop for Waits {
        fn drop(&mut self) {
            WAITING.fetch_sub(1, Ordering::Relaxed);
        }
    }
    WAITING.fetch_add(1, Ordering::Relaxed);
    let _waits = Waits;
    let _ = tokio::time::timeout(within, ROOM.notified()).await;
}

/// What there is none of, where that is why something could not be opened.
pub fn shortage(error: &io::Error) -> Option<Shortage> {
    match rustix::io::Errno::from_io_error(error)? {
        rustix::io::Errno::MFILE | rustix::io::Errno::NFILE => Some(Shortage::Descriptors),
        rustix::io::Errno::ADDRNOTAVAIL => Some(Shortage::Ports),
        _ => None,
    }
}

/// Has a listener take also what a rule of TPROXY leads to it, whatever address that was meant for. Where this process may not,
/// the kernel goes on to lead nothing to it, and what is redirected comes all the same.
pub fn take_led_here(listener: &std::net::TcpListener) {
    let is_v6 = listener.local_addr().is_ok_and(|at| at.is_ipv6());
    if let Err(error) = may_be_led_here(listener, is_v6) {
        tracing::debug!(%error, "nothing can be led here by TPROXY");
    }
}

/// Lets a socket listen for what was meant for other addresses (IP_TRANSPARENT).
///
/// # Errors
/// Where this process has no `CAP_NET_ADMIN` in the network that the socket was made in.
pub fn may_be_led_here(socket: &impl AsFd, is_v6: bool) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if is_v6 { socket.set_ip_transparent_v6(true) } else { socket.set_ip_transparent_v4(true) }
}

/// Where the other end of an accepted connection wanted to go: by the kernel's record of a redirected one (SO_ORIGINAL_DST),
/// else by its own address, which is where a transparent proxy's (IP_TRANSPARENT) is somebody else's.
pub fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let socket = SockRef::from(stream);
    let original = if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    let original = original.ok().and_then(|at| at.as_socket()).unwrap_or(local);
    Some(SocketAddr::new(original.ip().to_canonical(), original.port()))
}

/// Dials `addr`, without Nagle's delay.
///
/// # Errors
/// `TimedOut` after `within`; else what the kernel says.
pub async fn connect(addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    match tokio::time::timeout(within, TcpStream::connect(addr)).await {
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} ms", within.as_millis()))),
        Ok(socket) => {
            let socket = socket?;
            socket.set_nodelay(true)?;
            Ok(socket)
        }
    }
}

/// Whether something on this machine listens on `port` at an address that is not loopback, so that other machines
/// may reach it. `false` where /proc cannot be read: it serves a warning, so it fails open.
pub fn wildcard_listener(port: u16) -> bool {
    proc_net::listening().iter().any(|l| l.addr.port() == port && !l.addr.ip().is_loopback())
}
