//! Images of containers, as the Docker Engine on this host knows them (Podman answers to the same requests).
//!
//! A cgroup's name is a claim. It counts where the engine's own process for that container lies in the very same cgroup.

use crate::limits::{CGROUP_BYTES_MAX, CONTAINERS_MAX, ENGINE_WITHIN, IMAGE_TTL};
use bartizan_identity::container::{Container, container_of};
use bartizan_runtime::local;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Why no image is known for a container; its caller then matches no selector for one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The engine did not answer, or with something else.
    #[error("the container engine does not tell: {0}")]
    Engine(#[from] local::LocalError),
    /// It took too long.
    #[error("the container engine did not answer within {} s", ENGINE_WITHIN.as_secs())]
    Slow,
    /// Its answer names no image, or no process.
    #[error("the container engine's answer names no image or no process")]
    Answer,
    /// Its process for the container is not to be seen.
    #[error("the container's own process cannot be looked at: {0}")]
    Unseen(io::Error),
    /// The caller's cgroup only bears the container's name.
    #[error("the caller is in a cgroup named after the container, and the container is in another")]
    OtherCgroup,
}

/// Asks one engine, and remembers for a while what it said.
#[derive(Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
    /// Where processes are looked at; `/proc` but in tests.
    proc: PathBuf,
    known: Mutex<HashMap<Container, (Instant, Vec<String>)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    image: String,
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    pid: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl Engine {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self::looking_at(socket, PathBuf::from("/proc"))
    }

    fn looking_at(socket: PathBuf, proc: PathBuf) -> Self {
        Self { socket, proc, known: Mutex::default() }
    }

    /// Digests of the image of `container`: its own, and those of the manifests that it was pulled by. Blocks; to be called
    /// on a thread that may, within a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError`].
    pub(crate) fn digests(&self, container: &Container) -> Result<Vec<String>, EngineError> {
        let known = |it: &HashMap<Container, (Instant, Vec<String>)>| it.get(container).cloned();
        if let Some((at, digests)) = known(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
            && at.elapsed() < IMAGE_TTL
        {
            return Ok(digests);
        }
        let asking = tokio::time::timeout(ENGINE_WITHIN, self.ask(container));
        let digests = tokio::runtime::Handle::current().block_on(asking).map_err(|_| EngineError::Slow)??;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CONTAINERS_MAX {
            known.clear();
        }
        known.insert(container.clone(), (Instant::now(), digests.clone()));
        Ok(digests)
    }

    async fn ask(&self, container: &Container) -> Result<Vec<String>, EngineError> {
        let Inspected { image, state } = self.get(&format!("/containers/{}/json", container.id)).await?;
        if !is_digest(&image) || state.pid <= 0 {
            return Err(EngineError::Answer);
        }
        let cgroup = self.proc.join(state.pid.to_string()).join("cgroup");
        let cgroup = bounded(&cgroup).map_err(EngineError::Unseen)?;
        if container_of(&cgroup).as_ref() != Some(container) {
            return Err(EngineError::OtherCgroup);
        }
        let Image { repo_digests } = self.get(&format!("/images/{image}/json")).await?;
        let pulled = repo_digests.unwrap_or_default();
        let pulled = pulled.iter().filter_map(|name| name.rsplit_once('@')).map(|(_, digest)| digest.to_owned());
        Ok(std::iter::once(image).chain(pulled.filter(|digest| is_digest(digest))).collect())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        Ok(local::get(&self.socket, path).await?)
    }
}

fn is_digest(text: &str) -> bool {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    text.strip_prefix("sha256:").is_some_and(is_hex)
}

/// A file of `/proc`, cut where it is too long.
pub(super) fn bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(CGROUP_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::Path as Segment;
    use axum::http::StatusCode;
    use axum::routing::get;
    use serde_json::json;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio_util::sync::CancellationToken;

    const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    /// A stub of the Docker Engine, since no container can run where this is tested: one container with one process.
    struct Stub {
        dir: tempfile::TempDir,
        stop: CancellationToken,
        asked: Arc<AtomicUsize>,
    }

    impl Stub {
        /// `image` and `pid` as `/containers/ID/json` has them.
        fn start(image: serde_json::Value, pid: i32) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let container = move |Segment(id): Segment<String>| {
                count.fetch_add(1, Ordering::Relaxed);
                let found =
                    (id == ID).then(|| axum::Json(json!({ "Image": image, "State": { "Pid": pid }, "Name": "/x" })));
                std::future::ready(found.ok_or(StatusCode::NOT_FOUND))
            };
            let images = |Segment(id): Segment<String>| {
                let pulled = json!({ "Id": id, "RepoDigests": [format!("bank/ledger@{}", digest('2')), "odd", "x@y"] });
                std::future::ready(axum::Json(pulled))
            };
            let router =
                Router::new().route("/containers/{id}/json", get(container)).route("/images/{id}/json", get(images));
            let listener = local::bind(&dir.path().join("docker.sock")).unwrap();
            let stop = CancellationToken::new();
            tokio::spawn(local::serve(listener, router, stop.clone()));
            Self { dir, stop, asked }
        }

        /// What the kernel says of the container's own process, number 7.
        fn cgroup(&self, text: &str) -> &Self {
            std::fs::create_dir_all(self.dir.path().join("7")).unwrap();
            std::fs::write(self.dir.path().join("7/cgroup"), text).unwrap();
            self
        }

        fn engine(&self) -> Arc<Engine> {
            let (socket, proc) = (self.dir.path().join("docker.sock"), self.dir.path().to_owned());
            Arc::new(Engine::looking_at(socket, proc))
        }
    }

    impl Drop for Stub {
        fn drop(&mut self) {
            self.stop.cancel();
        }
    }

    async fn ask(engine: &Arc<Engine>, cgroup: &str) -> Result<Vec<String>, EngineError> {
        let (engine, container) = (Arc::clone(engine), container_of(cgroup).unwrap());
        tokio::task::spawn_blocking(move || engine.digests(&container)).await.unwrap()
    }

    fn docker() -> String {
        format!("0::/system.slice/docker-{ID}.scope\n")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn refuses_what_the_engine_does_not_confirm() {
        let one = json!(digest('1'));
        let forged = format!("0::/user.slice/user-1000.slice/docker-{ID}.scope\n");
        let stub = Stub::start(one.clone(), 7);
        stub.cgroup(&docker());
        let engine = stub.engine();
        assert!(matches!(ask(&engine, &forged).await, Err(EngineError::OtherCgroup)), "a cgroup named after it");
        let other = docker().replace('a', "b");
        assert!(matches!(ask(&engine, &other).await, Err(EngineError::Engine(_))), "a container that is not there");
        stub.cgroup("0::/system.slice/sshd.service\n");
        assert!(
            matches!(ask(&engine, &docker()).await, Err(EngineError::OtherCgroup)),
            "its process is another by now"
        );
        for (image, pid, why) in [
            (json!("ledger:latest"), 7, "a tag"),
            (json!(digest('1').to_uppercase()), 7, "no digest"),
            (json!("sha256:../../x"), 7, "a path"),
            (one.clone(), 0, "it does not run"),
            (one.clone(), -7, "no process"),
        ] {
            let stub = Stub::start(image, pid);
            let answer = ask(&stub.cgroup(&docker()).engine(), &docker()).await;
            assert!(matches!(answer, Err(EngineError::Answer)), "{why}: {answer:?}");
        }
        let unseen = Stub::start(one, 7);
        assert!(matches!(ask(&unseen.engine(), &docker()).await, Err(EngineError::Unseen(_))));
        let nobody = Arc::new(Engine::new(unseen.dir.path().join("absent.sock")));
        assert!(matches!(ask(&nobody, &docker()).await, Err(EngineError::Engine(_))));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_image_is_known_by_itself_and_by_what_it_was_pulled_as() {
        let stub = Stub::start(json!(digest('1')), 7);
        let engine = stub.cgroup(&docker()).engine();
        for _ in 0..3 {
            assert_eq!(ask(&engine, &docker()).await.unwrap(), [digest('1'), digest('2')]);
        }
        // Below its container's cgroup, as with an init in there.
        let below = format!("0::/system.slice/docker-{ID}.scope/init\n");
        assert_eq!(ask(&engine, &below).await.unwrap().len(), 2);
        assert_eq!(stub.asked.load(Ordering::Relaxed), 1, "it is asked once in a while");
    }
}
