//! The pods of this machine, as the Kubernetes API server that our own configuration names knows them.
//!
//! The API server rather than the kubelet: it has a certificate of the cluster's CA, and a right to list pods is enough for it,
//! while the kubelet's own certificate is often signed by nobody, and asking it takes a right that also opens every container.

use crate::limits::{KUBERNETES_FILE_BYTES_MAX, PODS_FRESH, PODS_KEPT, PODS_TTL, PODS_WAITING_MAX};
use bartizan_core::Secret;
use bartizan_crypto::cert;
use bartizan_identity::container::Container;
use bartizan_identity::limits::POD_LIST_BYTES_MAX;
use bartizan_identity::pod::{self, Pod, PodError, Pods};
use bartizan_runtime::files;
use bartizan_runtime::web_api::{Https, HttpsError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Whom to ask for the pods of this machine.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// The API server, `https://HOST` or `https://HOST:PORT`.
    pub api: String,
    /// Its roots, PEM.
    pub ca: PathBuf,
    /// Our own token for it; read anew for each question, since Kubernetes replaces it.
    pub token: PathBuf,
    /// Name of this machine in Kubernetes.
    pub node: String,
}

/// Why no pod is known for a container; its caller then matches no selector for one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file cannot be used.
    #[error("`{}` cannot be used: {why}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The API server did not answer, or with something else.
    #[error("the Kubernetes API server does not tell: {0}")]
    Api(Arc<HttpsError>),
    /// Its answer is no list of our pods.
    #[error(transparent)]
    List(#[from] PodError),
    /// Too many wait for it.
    #[error("{PODS_WAITING_MAX} callers wait for the Kubernetes API server already")]
    Busy,
    /// The caller's cgroup bears a pod's name, and is not where the kubelet puts pods.
    #[error("the caller's cgroup is not one that the kubelet made")]
    NotByKubelet,
    /// The API server lists no such pod, or not this container as one that runs in it.
    #[error("no pod of this machine says that the container runs in it")]
    NotListed,
}

/// Whether a caller was attested by its pod before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Not,
    Before,
}

/// Asks one API server, one question at a time, and remembers for a while what it said.
#[derive(Debug)]
pub(crate) struct Cluster {
    api: Https,
    token: PathBuf,
    node: String,
    path: String,
    waiting: Semaphore,
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// The last list, and when it was asked for.
    list: Option<(Instant, Arc<Pods>)>,
    /// Since then, when it was clear that there is no answer, and why.
    failure: Option<(Instant, ClusterError)>,
}

impl Cluster {
    /// Takes up what is configured; nobody is asked yet.
    ///
    /// # Errors
    /// [`ClusterError::File`], [`ClusterError::Api`] where the address or the roots are none, [`ClusterError::List`] where the
    /// node's name is none.
    pub(crate) fn open(options: &Kubernetes) -> Result<Self, ClusterError> {
        let Kubernetes { api, ca, token, node } = options.clone();
        let roots = cert::from_pem(&text_of(&ca)?);
        let roots = roots.map_err(|error| ClusterError::File { path: ca, why: error.to_string() })?;
        let api = Https::new(&api, &roots).map_err(|error| ClusterError::Api(Arc::new(error)))?;
        let path = pod::path(&node)?;
        let (waiting, turn, last) = (Semaphore::new(PODS_WAITING_MAX), tokio::sync::Mutex::default(), Mutex::default());
        Ok(Self { api, token, node, path, waiting, turn, last })
    }

    /// The pod that `container` runs in. Blocks; to be called on a thread that may, within a tokio runtime.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub(super) fn pod_of(&self, container: &Container, known: Known) -> Result<Pod, ClusterError> {
        if container.pod_uid.is_none() || !container.is_placed_by_kubelet() {
            return Err(ClusterError::NotByKubelet);
        }
        let silence = match Handle::current().block_on(self.look_up(container)) {
            Ok(Some(pod)) => return Ok(pod),
            Ok(None) => return Err(ClusterError::NotListed),
            Err(silence) => silence,
        };
        // An API server that is away for a moment ends nobody's streams; it lets nobody in either.
        let list = self.last().list.clone().filter(|(at, _)| known == Known::Before && at.elapsed() < PODS_KEPT);
        list.and_then(|(_, pods)| pods.of(container).cloned()).ok_or(silence)
    }

    async fn look_up(&self, container: &Container) -> Result<Option<Pod>, ClusterError> {
        let arrived = Instant::now();
        let _place = self.waiting.try_acquire().map_err(|_| ClusterError::Busy)?;
        if let Some(pod) = self.pods(arrived, PODS_TTL).await?.of(container) {
            return Ok(Some(pod.clone()));
        }
        // It may have been started since.
        Ok(self.pods(arrived, PODS_FRESH).await?.of(container).cloned())
    }

    /// A list that is younger than `age_max`, or was asked for after `arrived`. Who waited for an answer that did not come, or
    /// comes soon after, does not ask again.
    async fn pods(&self, arrived: Instant, age_max: Duration) -> Result<Arc<Pods>, ClusterError> {
        let _turn = self.turn.lock().await;
        match &*self.last() {
            Last { failure: Some((at, error)), .. } if *at >= arrived || at.elapsed() < PODS_TTL => {
                return Err(error.clone());
            }
            Last { failure: None, list: Some((at, pods)) } if *at >= arrived || at.elapsed() < age_max => {
                return Ok(Arc::clone(pods));
            }
            _ => {}
        }
        let asked_at = Instant::now();
        let answer = self.ask().await.map(Arc::new);
        let mut last = self.last();
        match &answer {
            Ok(pods) => *last = Last { list: Some((asked_at, Arc::clone(pods))), failure: None },
            Err(error) => last.failure = Some((Instant::now(), error.clone())),
        }
        answer
    }

    async fn ask(&self) -> Result<Pods, ClusterError> {
        let token = Secret::new(text_of(&self.token)?);
        let token = Secret::new(token.expose().trim().to_owned());
        let answer = self.api.get(&self.path, &token, POD_LIST_BYTES_MAX).await;
        let answer = answer.map_err(|error| ClusterError::Api(Arc::new(error)))?;
        Ok(Pods::read(&answer, &self.node)?)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text_of(path: &Path) -> Result<String, ClusterError> {
    let refuse = |why: String| ClusterError::File { path: path.to_owned(), why };
    let bytes = files::read_bounded(path, KUBERNETES_FILE_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| refuse("it is no text".to_owned()))
}

#[cfg(test)]
mod tests;
