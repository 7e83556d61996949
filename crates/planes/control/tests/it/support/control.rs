//! A running control, asked as the command line asks.

use crate::support::{Node, Place, Proxy, wait_for};
use bartizan_control::{ControlError, Options};
use bartizan_core::TrustDomain;
use bartizan_core::status::{NodeToken, ProxyStatus, Reloaded, Status};
use bartizan_identity::TrustBundles;
use bartizan_runtime::local::{self, LocalError};
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Running {
    pub(crate) listen: SocketAddr,
    pub(crate) domain: TrustDomain,
    pub(crate) bundles: Arc<TrustBundles>,
    socket: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ControlError>>,
}

impl Running {
    pub(crate) async fn start(place: &Place) -> Self {
        Self::start_with(place, place.options()).await
    }

    pub(crate) async fn start_with(place: &Place, options: Options) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(bartizan_control::serve(options, stop.clone()));
        let socket = place.socket();
        let mut task = Some(task);
        let status: Status = wait_for("control", async || {
            if task.as_ref().is_some_and(JoinHandle::is_finished) {
                panic!("control ended: {:?}", task.take().unwrap().await);
            }
            local::get(&socket, "/v1/status").await.ok()
        })
        .await;
        let roots = std::fs::read_to_string(place.data().join("roots.pem")).unwrap();
        let bundles = TrustBundles::from_pem(&status.trust_domain, &roots).unwrap();
        Self {
            listen: status.control.listen,
            domain: status.trust_domain,
            bundles: Arc::new(bundles),
            socket,
            stop,
            task: task.unwrap(),
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.try_get(path).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    pub(crate) async fn try_get<T: DeserializeOwned>(&self, path: &str) -> Result<T, LocalError> {
        local::get(&self.socket, path).await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        local::get_text(&self.socket, path).await.unwrap()
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, LocalError> {
        local::post(&self.socket, path, body).await
    }

    pub(crate) fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    pub(crate) async fn reload(&self) -> Result<Reloaded, (u16, String)> {
        match self.post("/v1/reload", &serde_json::json!({})).await {
            Ok(reloaded) => Ok(reloaded),
            Err(LocalError::Refused { status, body }) => Err((status, body)),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub(crate) async fn status(&self) -> Status {
        self.get("/v1/status").await
    }

    pub(crate) async fn proxy(&self, service: &str) -> ProxyStatus {
        let status = self.status().await;
        status.proxies.into_iter().find(|proxy| proxy.member().to_string() == service).unwrap()
    }

    pub(crate) async fn token(&self) -> String {
        self.post::<NodeToken>("/v1/node-tokens", &serde_json::json!({})).await.unwrap().token
    }

    /// A node that has joined.
    pub(crate) async fn node(&self) -> Node {
        Node::join(self, "local", &self.token().await).await.unwrap()
    }

    /// A proxy that a fresh node vouched for, with its identity and all snapshots.
    pub(crate) async fn proxy_of(&self, service: &str) -> Proxy {
        Proxy::come(self, &self.node().await, service).await
    }

    /// Waits until exactly `count` records fit a query: what control does itself is recorded a moment later.
    pub(crate) async fn wait_for_events(&self, query: &str, count: usize) {
        wait_for("number of events", async || {
            let found = self.events(query).await.len();
            assert!(found <= count, "{found} events for {query}, expected {count}");
            (found == count).then_some(())
        })
        .await;
    }

    /// OCSF records that fit a query.
    pub(crate) async fn events(&self, query: &str) -> Vec<serde_json::Value> {
        let text = self.text(&format!("/v1/events{query}")).await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
