//! The listeners that are served, shared between who opens them and who hands them over.

use crate::limits;
use crate::worker::{Door, Listen};
use bartizan_runtime::process;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// What a listener is for, and where it is.
pub type Key = (Door, SocketAddr);

/// All of them.
#[derive(Debug)]
pub struct Doors {
    workers: Vec<mpsc::Sender<Listen>>,
    inner: Mutex<Inner>,
    /// Cancelled once nothing is accepted any more, though what was goes on.
    closed: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    /// Kept, so that they can be handed over.
    listeners: BTreeMap<Key, (TcpListener, CancellationToken)>,
    /// Not served yet.
    waiting: Option<Vec<Key>>,
}

impl Doors {
    /// None yet; `workers` will share each. With `shut`, none is served before [`Doors::open`].
    pub fn new(workers: Vec<mpsc::Sender<Listen>>, shut: bool) -> Self {
        let inner = Inner { listeners: BTreeMap::new(), waiting: shut.then(Vec::new) };
        Self { workers, inner: Mutex::new(inner), closed: CancellationToken::new() }
    }

    /// Serves on `listener` until `stop`, or keeps it until all are opened.
    pub async fn add(&self, key: Key, listener: TcpListener, stop: CancellationToken) {
        let now = {
            let mut inner = self.lock();
            if let Some(waiting) = &mut inner.waiting {
                waiting.push(key.clone());
            }
            inner.listeners.insert(key.clone(), (listener, stop));
            inner.waiting.is_none()
        };
        if now {
            self.serve(&key).await;
        }
    }

    /// Closes the listener of `key`, and tells its connections.
    pub fn remove(&self, key: &Key) {
        if let Some((_, stop)) = self.lock().listeners.remove(key) {
            stop.cancel();
        }
    }

    /// Whether there is one, or a successor has it.
    pub fn has(&self, key: &Key) -> bool {
        self.closed.is_cancelled() || self.lock().listeners.contains_key(key)
    }

    /// Those that there are.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().listeners.keys().cloned().collect()
    }

    /// Serves on all that wait.
    pub async fn open(&self) {
        let waiting = self.lock().waiting.take().unwrap_or_default();
        for key in waiting {
            self.serve(&key).await;
        }
    }

    /// Accepts nothing more. The listeners live on where they were handed over.
    pub fn close(&self) {
        self.closed.cancel();
        self.lock().listeners.clear();
    }

    /// Copies of all listeners, for a successor.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn listeners(&self) -> io::Result<Vec<(Key, TcpListener)>> {
        let inner = self.lock();
        inner.listeners.iter().map(|(key, (listener, _))| Ok((key.clone(), listener.try_clone()?))).collect()
    }

    async fn serve(&self, key: &Key) {
        let (door, addr) = key;
        // Each connection may need another one upstream, and accepting without descriptors helps nobody.
        let most = usize::try_from(process::descriptors_max().saturating_sub(limits::DESCRIPTORS_KEPT) / 2);
        let slots = Arc::new(Semaphore::new(most.unwrap_or(usize::MAX).clamp(1, limits::CONNECTIONS_MAX)));
        for worker in &self.workers {
            let copy = match self.lock().listeners.get(key) {
                Some((listener, stop)) => listener.try_clone().map(|listener| (listener, stop.clone())),
                None => return, // taken out meanwhile
            };
            let (listener, stop) = match copy {
                Ok(copy) => copy,
                Err(error) => {
                    tracing::error!(%error, %addr, "a worker got no copy of a listener");
                    continue;
                }
            };
            let closed = self.closed.clone();
            // A worker that is gone stops with the process.
            let _ = worker.send(Listen { door: door.clone(), listener, slots: Arc::clone(&slots), stop, closed }).await;
        }
        tracing::info!(%addr, ?door, "listening");
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
