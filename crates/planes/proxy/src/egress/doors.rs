//! The sockets of the way out, as the directory says, and the thread that serves them.

use super::resolve::Resolver;
use super::serve::serve;
use super::way::Way;
use super::{capture, dns, trip::Trip};
use crate::listeners::{self, BindError};
use crate::live::Proxy;
use bartizan_core::egress::Refusal;
use bartizan_core::snapshot::{Directory, EgressSide};
use bartizan_runtime::listen;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

/// Beyond the drain time, so that relays that stop at its end are seen to.
const DRAIN_SLACK: Duration = Duration::from_millis(200);

/// The way out of one guard: closed until a directory asks for it.
#[derive(Debug)]
pub struct Doors {
    proxy: Arc<Proxy>,
    resolver: Resolver,
    stop: CancellationToken,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    places: [SocketAddr; 2],
    /// Ports of every address that are listened on in the program's network.
    captured: BTreeSet<u16>,
    /// Takes further listeners.
    more: mpsc::UnboundedSender<TcpListener>,
    stop: CancellationToken,
}

/// What is listened on. Whoever opens them says in which network they are.
#[derive(Debug)]
pub struct Sockets {
    pub(super) proxy: Vec<TcpListener>,
    pub(super) dns_tcp: Vec<TcpListener>,
    pub(super) dns_udp: Vec<UdpSocket>,
}

impl Sockets {
    /// Opens them where `side` says, in the network of the calling thread. Must be called within a tokio runtime.
    ///
    /// The same ports of IPv6 are opened too where they can be had: what is led here goes to the loopback address of its own
    /// family, and without a listener there nobody would hear of it. It would be refused by the kernel all the same.
    ///
    /// # Errors
    /// [`BindError`], for the first that cannot be had.
    pub fn open(side: &EgressSide) -> Result<Self, BindError> {
        let mut sockets = Self {
            proxy: vec![listeners::bind(side.proxy)?],
            dns_tcp: vec![listeners::bind(side.dns)?],
            dns_udp: vec![udp(side.dns)?],
        };
        if side.proxy.ip() == Ipv4Addr::LOCALHOST {
            let six = |at: SocketAddr| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), at.port());
            sockets.proxy.extend(listeners::bind(six(side.proxy)));
            sockets.dns_tcp.extend(listeners::bind(six(side.dns)));
            sockets.dns_udp.extend(udp(six(side.dns)));
        }
        Ok(sockets)
    }
}

impl Doors {
    /// Closed ones; they close again for good when `stop` fires.
    pub fn new(proxy: Arc<Proxy>, resolver: Resolver, stop: CancellationToken) -> Self {
        Self { proxy, resolver, stop, open: None }
    }

    /// Opens and closes as `directory` says, which has to be in force already. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`] where a socket cannot be had: then nothing is open.
    pub fn follow(&mut self, directory: &Directory) -> Result<(), BindError> {
        let places = |side: &EgressSide| [side.proxy, side.dns];
        let wanted = directory.own.egress.as_ref();
        if self.open.as_ref().map(|open| open.places) == wanted.map(places) {
            self.capture(directory);
            return Ok(());
        }
        if let Some(open) = self.open.take() {
            open.stop.cancel(); // what is under way gets its time
        }
        let Some(side) = wanted else { return Ok(()) };
        let sockets = match self.proxy.inside.get() {
            Some(inside) => capture::open(inside, side)?,
            None => Sockets::open(side)?,
        };
        self.serve(sockets, places(side))?;
        self.capture(directory);
        Ok(())
    }

    /// Listens at the ports that the rules of now name, where the program has a network of its own. Ports stay: what was allowed
    /// there once is refused in words.
    fn capture(&mut self, directory: &Directory) {
        let (Some(open), Some(inside)) = (&mut self.open, self.proxy.inside.get()) else { return };
        let ports = capture::ports(directory);
        let new: Vec<_> = ports.difference(&open.captured).copied().collect();
        for listener in capture::listen(inside, new.iter().copied()) {
            // The thread that would take it is gone with the process only.
            let _ = open.more.send(listener);
        }
        open.captured.extend(new);
    }

    /// Serves on sockets that are open already, perhaps in another network; `places` is what the directory calls them.
    ///
    /// # Errors
    /// [`BindError`] where the system gives no thread.
    pub fn serve(&mut self, sockets: Sockets, places: [SocketAddr; 2]) -> Result<(), BindError> {
        let stop = self.stop.child_token();
        let (proxy, resolver, stopping) = (Arc::clone(&self.proxy), self.resolver.clone(), stop.clone());
        let (more, further) = mpsc::unbounded_channel();
        let started = std::thread::Builder::new().name("egress".to_owned()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    LocalSet::new().block_on(&runtime, work(proxy, resolver, sockets, further, stopping));
                    // A lookup that is under way is nobody's business any more.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "the way out could not start"),
            }
        });
        // It ends by the stop, in bounded time, or with the process.
        started.map_err(|source| BindError::Prepare { addr: places[0], source })?;
        tracing::info!(proxy = %places[0], dns = %places[1], "the way out is open");
        self.open = Some(Open { places, captured: BTreeSet::new(), more, stop });
        Ok(())
    }
}

fn udp(addr: SocketAddr) -> Result<UdpSocket, BindError> {
    let prepare = |source| BindError::Prepare { addr, source };
    let socket = UdpSocket::bind(addr).map_err(prepare)?;
    socket.set_nonblocking(true).map_err(prepare)?;
    Ok(socket)
}

async fn work(
    proxy: Arc<Proxy>,
    resolver: Resolver,
    sockets: Sockets,
    mut further: mpsc::UnboundedReceiver<TcpListener>,
    stop: CancellationToken,
) {
    let way = Way::new(proxy, resolver, stop);
    let Sockets { proxy, dns_tcp, dns_udp } = sockets;
    drop(way.tasks.spawn_local(close_for_a_successor(Rc::clone(&way))));
    // On the tracker too, so that the drain waits for none that still accepts.
    proxy.into_iter().for_each(|it| drop(way.tasks.spawn_local(accept(Rc::clone(&way), it))));
    dns_tcp.into_iter().for_each(|it| drop(way.tasks.spawn_local(dns::serve::over_tcp(Rc::clone(&way), it))));
    dns_udp.into_iter().for_each(|it| drop(way.tasks.spawn_local(dns::serve::over_udp(Rc::clone(&way), it))));
    while let Some(Some(listener)) = way.accepting.run_until_cancelled(further.recv()).await {
        drop(way.tasks.spawn_local(accept(Rc::clone(&way), listener)));
    }
    way.stop.cancelled().await;
    way.tasks.close();
    if tokio::time::timeout(way.proxy.drain.get() + DRAIN_SLACK, way.tasks.wait()).await.is_err() {
        tracing::warn!(left = way.tasks.len(), "drain time is over, closing");
    }
}

/// A successor of this guard opens the same places: ours close, so that it can, and what is under way goes on.
async fn close_for_a_successor(way: Rc<Way>) {
    way.stop.run_until_cancelled(way.proxy.winding_down.cancelled()).await;
    way.accepting.cancel();
}

async fn accept(way: Rc<Way>, listener: TcpListener) {
    listen::take_led_here(&listener);
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the way out could not be listened on"),
    };
    while let Some(accepted) = way.accepting.run_until_cancelled(listen::accept(&listener)).await {
        let Some((stream, _)) = accepted else { continue };
        let Ok(place) = Arc::clone(&way.connections).try_acquire_owned() else {
            Trip::to(&way, None, 0, "tcp").refused(Refusal::TooMany, None);
            continue;
        };
        let task = Rc::clone(&way);
        drop(way.tasks.spawn_local(async move {
            Box::pin(serve(task, stream)).await;
            drop(place);
        }));
    }
}
