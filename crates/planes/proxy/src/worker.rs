//! The threads that serve traffic: each has its own single-threaded runtime, its own pools and counters, and a copy of
//! every listening socket. Nothing on the way of a request is shared between them but what never changes.

use crate::alarm::Alarms;
use crate::balance::guard::Balance;
use crate::conn::{Fresh, Side, Slot, Worker};
use crate::ledger::Ledger;
use crate::limits;
use crate::live::Proxy;
use crate::upstream::Pools;
use crate::users::Memory;
use crate::{capture, ext_authz, gateway, inbound, outbound, shortage};
use bartizan_runtime::listen;
use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Listeners that wait to be taken over by a worker, a count.
const COMMANDS_MAX: usize = 64;
/// Beyond the drain time, so that relays that stop at its end are seen to.
const DRAIN_SLACK: Duration = Duration::from_millis(200);

/// What is served on a listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Traffic.
    Traffic(Side),
    /// What the own program opened to names; each connection says whose.
    Captured,
    /// Questions of an Envoy about its own traffic.
    ExtAuthz,
}

/// A listening socket for a worker.
#[derive(Debug)]
pub struct Listen {
    /// What is served on it.
    pub door: Door,
    /// This worker's copy of the socket.
    pub listener: std::net::TcpListener,
    /// Slots for connections, shared among the workers.
    pub slots: Arc<Semaphore>,
    /// Cancelled when the listener is not wanted any more.
    pub stop: CancellationToken,
    /// Cancelled when nothing more is accepted, while connections go on.
    pub closed: CancellationToken,
}

/// A running worker.
#[derive(Debug)]
pub struct Handle {
    /// Takes listeners.
    pub listen: mpsc::Sender<Listen>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Waits for the thread to end, which it does in bounded time after `stop`. Blocks.
    pub fn join(self) {
        drop(self.listen);
        if self.thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
}

/// Starts a worker, which serves until `stop`, then gives open connections [`Proxy::drain`].
///
/// # Errors
/// Where the system has no thread to give.
pub fn start(proxy: &Arc<Proxy>, number: usize, stop: &CancellationToken) -> io::Result<Handle> {
    let (listen, listeners) = mpsc::channel(COMMANDS_MAX);
    let (proxy, stop) = (Arc::clone(proxy), stop.clone());
    let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => LocalSet::new().block_on(&runtime, work(proxy, listeners, stop)),
            Err(error) => tracing::error!(%error, "a worker could not start"),
        }
    })?;
    Ok(Handle { listen, thread })
}

async fn work(proxy: Arc<Proxy>, mut listeners: mpsc::Receiver<Listen>, stop: CancellationToken) {
    let counters = proxy.new_counters();
    let ledger = Ledger::new(Arc::clone(&proxy), Arc::clone(&counters));
    let alarms = Alarms::default();
    let pools = Pools::new(Arc::clone(&proxy), Arc::clone(&counters), ledger.clone(), alarms.clone());
    let looking = tokio::task::spawn_local(keep_looking(proxy.changes(), ledger.clone()));
    let balance = Balance::new(Arc::clone(&counters));
    let (tasks, copies, told) = (TaskTracker::new(), Cell::new(0), stop.clone());
    let (lanes, speaks_first) = <(Rc<_>, _)>::default();
    let users = Memory::new(proxy.domain.clone()).into();
    let worker = Rc::new(Worker {
        proxy,
        counters,
        ledger,
        pools,
        balance,
        users,
        speaks_first,
        copies,
        lanes,
        alarms,
        tasks,
        stop: told,
    });
    let mut report = tokio::time::interval(limits::STATS_EVERY);
    let mut sweep = tokio::time::interval(limits::POOL_SWEEP);
    let mut tick = tokio::time::interval(limits::ALARM_TICK);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = sweep.tick() => worker.pools.sweep(),
            _ = tick.tick() => worker.alarms.tick(),
            _ = report.tick() => worker.balance.report(&worker.proxy.live()),
            listen = listeners.recv() => match listen {
                Some(listen) => drop(tokio::task::spawn_local(accept(Rc::clone(&worker), listen))),
                None => break,
            },
        }
    }
    worker.lanes.close();
    worker.tasks.close();
    let drained = async {
        tokio::select! {
            () = worker.tasks.wait() => {}
            () = keep_ticking(&worker.alarms) => {}
        }
    };
    if tokio::time::timeout(worker.proxy.drain.get() + DRAIN_SLACK, drained).await.is_err() {
        tracing::warn!(left = worker.tasks.len(), "drain time is over, closing");
    }
    looking.abort();
    worker.pools.clear();
    // Whatever is left ends with the runtime.
}

/// Deadlines go on while the last are served.
async fn keep_ticking(alarms: &Alarms) {
    let mut tick = tokio::time::interval(limits::ALARM_TICK);
    loop {
        tick.tick().await;
        alarms.tick();
    }
}

/// Looks through the ledger at every change of the picture, and ever so often at the clock.
async fn keep_looking(mut changes: watch::Receiver<u64>, ledger: Ledger) {
    let mut look = tokio::time::interval(limits::LEDGER_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            _ = look.tick() => {}
        }
        ledger.look().await;
    }
}

/// Accepts until the listener is not wanted any more. Connections are told by the same token.
async fn accept(worker: Rc<Worker>, listen: Listen) {
    let Listen { door, listener, slots, stop, closed } = listen;
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listener could not be used"),
    };
    // The slot comes before `accept`: when all are taken, clients wait in the kernel's queue instead of holding sockets.
    let no_more = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = closed.cancelled() => {}
        }
    };
    let mut no_more = pin!(no_more);
    loop {
        let next = async { (Arc::clone(&slots).acquire_owned().await, listen::try_accept(&listener).await) };
        let (permit, accepted) = tokio::select! {
            () = no_more.as_mut() => break,
            next = next => next,
        };
        let Ok(permit) = permit else { break };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                drop(permit);
                // Whoever came waits in the kernel's queue, and is let in as soon as there is room.
                match listen::shortage(&error) {
                    Some(shortage) => shortage::tell(&worker.proxy, shortage, None),
                    None => tracing::warn!(%error, "accept failed, pausing"),
                }
                tokio::select! {
                    () = no_more.as_mut() => break,
                    () = listen::until_room(limits::ACCEPT_PAUSE) => continue,
                }
            }
        };
        let slot = Slot { permit, open: worker.counters.connection() };
        let fresh = Fresh { worker: Rc::clone(&worker), stream, remote, slot, stop: stop.clone() };
        match door.clone() {
            Door::Traffic(Side::Inbound) => drop(worker.tasks.spawn_local(inbound::serve(fresh))),
            Door::Traffic(Side::Outbound(callee)) => drop(worker.tasks.spawn_local(outbound::serve(fresh, callee))),
            Door::Traffic(Side::Gateway) => drop(worker.tasks.spawn_local(gateway::serve(fresh))),
            Door::Captured => drop(worker.tasks.spawn_local(capture::serve(fresh))),
            Door::ExtAuthz => drop(worker.tasks.spawn_local(ext_authz::serve(fresh))),
        }
    }
}
