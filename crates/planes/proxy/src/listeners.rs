//! The sockets that the directory asks for: bound before it is enforced, closed once it no longer names them.

use crate::conn::Side;
use crate::doors::Doors;
use crate::handover::Inherited;
use crate::inside::is_for_the_program;
use crate::worker::{Door, Listen};
use bartizan_core::snapshot::Directory;
use bartizan_runtime::inside::Inside;
use bartizan_runtime::listen::{self, ListenError};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Every listener in use. Dropping it closes none; the process's stop does.
#[derive(Debug)]
pub struct Listeners {
    doors: Arc<Doors>,
    stop: CancellationToken,
    /// Makes the program's sockets, where it has a network namespace of its own.
    inside: Option<Arc<Inside>>,
    /// Those of the process before us; of use where the directory asks for the same.
    inherited: Inherited,
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
        Self::behind(Arc::new(Doors::new(workers, false)), stop)
    }

    /// As [`Listeners::new`], by doors that others have too. Must be called within a tokio runtime.
    pub fn behind(doors: Arc<Doors>, stop: CancellationToken) -> Self {
        // Who comes while the last are served has to hear at once that nobody is here.
        let (stopped, at_stop) = (stop.clone(), Arc::downgrade(&doors));
        tokio::spawn(async move {
            stopped.cancelled().await;
            if let Some(doors) = at_stop.upgrade() {
                doors.close();
            }
        });
        Self { doors, stop, inside: None, inherited: Inherited::new() }
    }

    /// With what is for the program alone in its namespace.
    pub fn with_inside(self, inside: Option<Arc<Inside>>) -> Self {
        Self { inside, ..self }
    }

    /// Fires when the process stops.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// With the listeners of the process before us.
    pub fn with_inherited(self, inherited: Inherited) -> Self {
        Self { inherited, ..self }
    }

    /// Binds what `directory` asks for and is not bound yet. Nothing is served on it before [`Listeners::serve`].
    ///
    /// Must be called within a tokio runtime. With what could be had comes the first error about what could not.
    pub fn bind(&mut self, directory: &Directory) -> (Bound, Option<BindError>) {
        let wanted = wanted(directory);
        // An address that changes its meaning must be free first.
        for key in self.doors.keys() {
            if !wanted.contains(&key) && wanted.iter().any(|(_, addr)| *addr == key.1) {
                self.doors.remove(&key);
            }
        }
        let (mut new, mut failed) = (Vec::new(), None);
        let missing: Vec<_> = wanted.iter().filter(|key| !self.doors.has(key)).collect();
        for key in missing {
            match self.bind_one(key) {
                Ok(listener) => new.push((key.clone(), listener)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        (Bound { new, wanted }, failed)
    }

    fn bind_one(&mut self, key: &(Door, SocketAddr)) -> Result<std::net::TcpListener, BindError> {
        if let Some(inherited) = self.inherited.remove(key) {
            return Ok(inherited);
        }
        let (door, addr) = key;
        let inside = self.inside.as_ref().filter(|_| is_for_the_program(door));
        if *door == Door::Captured {
            return bind_captured(inside.map(AsRef::as_ref), *addr);
        }
        Ok(match inside {
            Some(inside) => inside.bind(*addr)?,
            None => bind(*addr)?,
        })
    }

    /// Serves on what was bound, and stops serving on what is not wanted any more; connections there are drained.
    pub async fn serve(&mut self, bound: Bound) {
        for key in self.doors.keys() {
            if !bound.wanted.contains(&key) {
                self.doors.remove(&key);
            }
        }
        for (key, listener) in bound.new {
            self.doors.add(key, listener, self.stop.child_token()).await;
        }
        // Whatever the directory does not name any more is closed with its last copy.
        self.inherited.clear();
    }
}

fn wanted(directory: &Directory) -> Vec<(Door, SocketAddr)> {
    let own = &directory.own;
    let inbound = own.inbound.iter().map(|i| (Side::Inbound, i.mesh));
    let outbound = own.outbound.iter().map(|(callee, addr)| (Side::Outbound(callee.clone()), *addr));
    let gateway = own.gateway.iter().map(|g| (Side::Gateway, g.listen));
    let traffic = inbound.chain(outbound).chain(gateway).map(|(side, addr)| (Door::Traffic(side), addr));
    let asked = own.inbound.iter().filter_map(|i| Some((Door::ExtAuthz, i.ext_authz?)));
    let captured = own.captured.iter().map(|it| (Door::Captured, it.at));
    traffic.chain(asked).chain(captured).collect()
}

/// Listens for what is redirected, and for what is led here by TPROXY where that can be had: which of them comes, if either does,
/// is for whoever made the rule to say.
fn bind_captured(inside: Option<&Inside>, addr: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let Some(inside) = inside else {
        let listener = bind(addr)?;
        listen::take_led_here(&listener);
        return Ok(listener);
    };
    match inside.bind_led(addr) {
        Err(ListenError::Refused { source, .. }) => {
            tracing::debug!(error = %source, "nothing can be led here by TPROXY");
            Ok(inside.bind(addr)?)
        }
        bound => Ok(bound?),
    }
}

/// Listens on `addr`, for another thread's runtime. Must be called within a tokio runtime.
pub(crate) fn bind(addr: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    listen::bind(addr)?.into_std().map_err(|source| BindError::Prepare { addr, source })
}
