//! Control and node in a folder of their own.

use crate::authority::name;
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::Mode;
use bartizan_core::status::{NodeToken, Reloaded, Status};
use bartizan_core::{Secret, TrustDomain};
use bartizan_runtime::control_stream::{Channel, Request};
use bartizan_runtime::workload_api::{self, SECURITY_HEADER};
use bartizan_runtime::workload_v1::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use bartizan_runtime::{control_stream, local};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) type Client = SpiffeWorkloadApiClient<Channel>;

/// A fleet of one service and the given workloads, running.
pub(crate) struct World {
    dir: tempfile::TempDir,
    control: Option<(CancellationToken, JoinHandle<()>)>,
    node: (CancellationToken, JoinHandle<()>),
    listen: SocketAddr,
}

/// Asks `look` until it answers.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "no {what} after {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A request with the header that the Workload API asks for.
pub(crate) fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(SECURITY_HEADER, "true".parse().unwrap());
    request
}

/// Our own user, as a selector.
pub(crate) fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

impl World {
    pub(crate) async fn start(workloads: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (listen, control) = {
            write_fleet(&dir, workloads);
            write_plan(&dir, addr);
            start_control(&dir).await
        };
        let token: NodeToken =
            local::post(&control_socket(&dir), "/v1/node-tokens", &serde_json::json!({})).await.unwrap();
        let options = bartizan_node::Options {
            name: name("local"),
            trust_domain: TrustDomain::parse("bank.test").unwrap(),
            control: listen.into(),
            trust_bundle: dir.path().join("data/roots.pem"),
            socket: dir.path().join("node.sock"),
            workload_socket: Some(dir.path().join("w.sock")),
            docker_socket: None,
            kubernetes: None,
            proxy_binary: "/bin/sh".into(),
            seal_secret: None,
            cache: None,
            supervisor: None,
            proof: Some(bartizan_node::Proof::Token(Secret::new(token.token))),
        };
        let stop = CancellationToken::new();
        let running = bartizan_node::run(options, stop.clone());
        let node = tokio::spawn(async move { running.await.unwrap() });
        let world = Self { dir, control: Some(control), node: (stop, node), listen };
        wait_for("workload socket", async || world.socket().exists().then_some(())).await;
        world
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("w.sock")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn client(&self) -> Client {
        workload_api::connect(&self.socket()).await.unwrap()
    }

    pub(crate) async fn channel(&self) -> control_stream::Channel {
        workload_api::channel(&self.socket()).await.unwrap()
    }

    /// Other workloads from now on.
    pub(crate) async fn reload(&self, workloads: &str) {
        write_fleet(&self.dir, workloads);
        let _: Reloaded = local::post(&control_socket(&self.dir), "/v1/reload", &serde_json::json!({})).await.unwrap();
    }

    pub(crate) async fn status(&self) -> Status {
        local::get(&control_socket(&self.dir), "/v1/status").await.unwrap()
    }

    /// Waits until the node has been sent so many entries.
    pub(crate) async fn entries(&self, count: usize) {
        wait_for("entries", async || {
            let nodes = self.status().await.nodes;
            nodes.first().is_some_and(|node| node.entries == count && !node.held.is_empty()).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop_control(&mut self) {
        let (stop, done) = self.control.take().unwrap();
        stop.cancel();
        done.await.unwrap();
    }

    /// Where it was before.
    pub(crate) async fn start_control(&mut self) {
        write_plan(&self.dir, self.listen);
        self.control = Some(start_control(&self.dir).await.1);
    }

    pub(crate) async fn stop(mut self) {
        self.node.0.cancel();
        (&mut self.node.1).await.unwrap();
        assert!(!self.socket().exists(), "the socket is gone");
        if self.control.is_some() {
            self.stop_control().await;
        }
    }
}

fn control_socket(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("data/control.sock")
}

fn write_fleet(dir: &tempfile::TempDir, workloads: &str) {
    let text = format!(
        "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: {{ at: 127.0.0.1:7102, protocol: http }}\nworkloads:\n{workloads}"
    );
    std::fs::write(dir.path().join("fleet.yaml"), text).unwrap();
}

fn write_plan(dir: &tempfile::TempDir, control: SocketAddr) {
    let mesh = [(name("accounts").into(), "127.0.0.1:9102".parse().unwrap())].into();
    let (outbound, egress, isolation) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let plan = Plan {
        mode: Mode::Full,
        control,
        console: None,
        mesh,
        outbound,
        programs: BTreeMap::new(),
        egress,
        isolation,
        added: None,
        names: None,
        captured: BTreeMap::new(),
    };
    std::fs::write(dir.path().join("plan.json"), serde_json::to_string(&plan).unwrap()).unwrap();
}

async fn start_control(dir: &tempfile::TempDir) -> (SocketAddr, (CancellationToken, JoinHandle<()>)) {
    let path = |name: &str| dir.path().join(name);
    let options = bartizan_control::Options::new(path("fleet.yaml"), path("plan.json"), path("data"));
    let stop = CancellationToken::new();
    let serving = bartizan_control::serve(options, stop.clone());
    let done = tokio::spawn(async move { serving.await.unwrap() });
    let socket = control_socket(dir);
    let status: Status = wait_for("control", async || local::get(&socket, "/v1/status").await.ok()).await;
    (status.control.listen, (stop, done))
}
