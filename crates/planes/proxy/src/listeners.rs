//! The sockets that the directory asks for: bound before it is enforced, closed once it no longer names them.

use crate::conn::Side;
use crate::inside::is_for_the_program;
use crate::limits;
use crate::worker::{Door, Listen};
use bartizan_core::snapshot::Directory;
use bartizan_runtime::inside::Inside;
use bartizan_runtime::listen::{self, ListenError};
use bartizan_runtime::process;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Every listener in use. Dropping it closes none; the process's stop does.
#[derive(Debug)]
pub struct Listeners {
    workers: Vec<mpsc::Sender<Listen>>,
    running: BTreeMap<(Door, SocketAddr), CancellationToken>,
    stop: CancellationToken,
    /// Makes the program's sockets, where it has a network namespace of its own.
    inside: Option<Arc<Inside>>,
}

/// Sockets bound for a directory that is not enforced yet.
#[derive(Debug)]
pub struct Bound {
    new: Vec<((Door, SocketAddr), std::net::TcpListener)>,
    wanted: Vec<(Door, SocketAddr)>,
}

/// Why a directory's sockets cannot be had. The same directory may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is in use, or not ours.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The kernel refused a detail.
    #[error("the listener on {addr} could not be prepared")]
    Prepare {
        /// Its address.
        addr: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Listeners {
    /// No listeners yet; `workers` will share each.
    pub fn new(workers: Vec<mpsc::Sender<Listen>>, stop: CancellationToken) -> Self {
        Self { workers, running: BTreeMap::new(), stop, inside: None }
    }

    /// With what is for the program alone in its namespace.
    pub fn with_inside(self, inside: Option<Arc<Inside>>) -> Self {
        Self { inside, ..self }
    }

    /// Fires when the process stops.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Binds what `directory` asks for and is not bound yet. Nothing is served on it before [`Listeners::serve`].
    ///
    /// Must be called within a tokio runtime. With what could be had comes the first error about what could not.
    pub fn bind(&mut self, directory: &Directory) -> (Bound, Option<BindError>) {
        let wanted = wanted(directory);
        // An address that changes its meaning must be free first.
        self.running.retain(|key, stop| {
            let moves = !wanted.contains(key) && wanted.iter().any(|(_, addr)| *addr == key.1);
            if moves {
                stop.cancel();
            }
            !moves
        });
        let (mut new, mut failed) = (Vec::new(), None);
        for key in wanted.iter().filter(|key| !self.running.contains_key(key)) {
            match self.bind_one(key) {
                Ok(listener) => new.push((key.clone(), listener)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        (Bound { new, wanted }, failed)
    }

    fn bind_one(&self, (door, addr): &(Door, SocketAddr)) -> Result<std::net::TcpListener, BindError> {
        match self.inside.as_ref().filter(|_| is_for_the_program(door)) {
            Some(inside) => Ok(inside.bind(*addr)?),
            None => bind(*addr),
        }
    }

    /// Serves on what was bound, and stops serving on what is not wanted any more; connections there are drained.
    pub async fn serve(&mut self, bound: Bound) {
        self.running.retain(|key, stop| {
            let keep = bound.wanted.contains(key);
            if !keep {
                stop.cancel();
            }
            keep
        });
        for ((door, addr), listener) in bound.new {
            let stop = self.stop.child_token();
            // Each connection may need another one upstream, and accepting without descriptors helps nobody.
            let most = usize::try_from(process::descriptors_max().saturating_sub(limits::DESCRIPTORS_KEPT) / 2);
            let slots = Arc::new(Semaphore::new(most.unwrap_or(usize::MAX).clamp(1, limits::CONNECTIONS_MAX)));
            for worker in &self.workers {
                let listener = match listener.try_clone() {
                    Ok(copy) => copy,
                    Err(error) => {
                        tracing::error!(%error, %addr, "a worker got no copy of a listener");
                        continue;
                    }
                };
                let listen = Listen { door: door.clone(), listener, slots: Arc::clone(&slots), stop: stop.clone() };
                // A worker that is gone stops with the process.
                let _ = worker.send(listen).await;
            }
            tracing::info!(%addr, ?door, "listening");
            self.running.insert((door, addr), stop);
        }
    }
}

fn wanted(directory: &Directory) -> Vec<(Door, SocketAddr)> {
    let own = &directory.own;
    let inbound = own.inbound.iter().map(|i| (Side::Inbound, i.mesh));
    let outbound = own.outbound.iter().map(|(callee, addr)| (Side::Outbound(callee.clone()), *addr));
    let gateway = own.gateway.iter().map(|g| (Side::Gateway, g.listen));
    let traffic = inbound.chain(outbound).chain(gateway).map(|(side, addr)| (Door::Traffic(side), addr));
    let asked = own.inbound.iter().filter_map(|i| Some((Door::ExtAuthz, i.ext_authz?)));
    traffic.chain(asked).collect()
}

/// Listens on `addr`, for another thread's runtime. Must be called within a tokio runtime.
pub(crate) fn bind(addr: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    listen::bind(addr)?.into_std().map_err(|source| BindError::Prepare { addr, source })
}
