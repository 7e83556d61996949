//! Control and node are killed, and the node comes back alone: real processes, and a SPIFFE client that is not ours.

use crate::bartizan::{command, run};
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::{Kind, Mode};
use bartizan_core::status::Status;
use bartizan_core::{Secret, ServiceName};
use bartizan_node::api::Health;
use bartizan_runtime::{local, ports};
use spiffe::{SpiffeId, TrustDomain, WorkloadApiClient};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "no {what} after {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A process that is killed at the end, whatever happens.
pub(crate) struct Part(Child);

impl Part {
    /// As with `kill -9`: it has no time to write anything down.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Place {
    dir: tempfile::TempDir,
    control: SocketAddr,
    _claimed: ports::Claimed,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let claimed = ports::claim_loopback_ports(2).unwrap();
        let at = |i: usize| SocketAddr::from(([127, 0, 0, 1], claimed.ports[i]));
        let mesh = [(ServiceName::parse("accounts").unwrap().into(), at(1))].into();
        let (outbound, programs) = (BTreeMap::new(), BTreeMap::new());
        let (egress, isolation) = (BTreeMap::new(), BTreeMap::new());
        let plan = Plan {
            mode: Mode::Full,
            control: at(0),
            console: None,
            mesh,
            outbound,
            programs,
            egress,
            isolation,
            added: None,
            names: None,
            captured: BTreeMap::new(),
        };
        std::fs::write(dir.path().join("plan.json"), serde_json::to_string(&plan).unwrap()).unwrap();
        let uid = rustix::process::getuid().as_raw();
        let fleet = format!(
            "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: {{ at: 127.0.0.1:7102, protocol: http }}\n\
             workloads:\n  us: {{ selectors: {{ uid: {uid} }}, jwt: true }}\n"
        );
        std::fs::write(dir.path().join("fleet.yaml"), fleet).unwrap();
        Self { dir, control: plan.control, _claimed: claimed }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, args: &[&str], input: Stdio, log: &str) -> Part {
        let log = File::create(self.path(log)).unwrap();
        let mut command = command(self.dir.path(), args);
        command.env("BARTIZAN_LOG", "info,bartizan_node=debug");
        Part(command.stdin(input).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    async fn control(&self) -> Part {
        self.control_with(&[]).await
    }

    pub(crate) async fn control_with(&self, more: &[&str]) -> Part {
        let args = ["control", "--fleet", "fleet.yaml", "--plan", "plan.json", "--data", "data", "--keep-running"];
        let part = self.start(&[&args, more].concat(), Stdio::null(), "control.log");
        let socket = self.path("data/control.sock");
        wait_for("control", async || local::get::<Status>(&socket, "/v1/status").await.ok()).await;
        part
    }

    /// `token` is what its standard input holds; nothing at all where `None`.
    fn node(&self, token: Option<&Secret<String>>, log: &str) -> Part {
        let input = token.map_or_else(Stdio::null, |token| {
            std::fs::write(self.path("token"), token.expose()).unwrap();
            File::open(self.path("token")).unwrap().into()
        });
        self.start_node(&["--cache", "node.cache"], input, log)
    }

    pub(crate) fn start_node(&self, more: &[&str], input: Stdio, log: &str) -> Part {
        let control = self.control.to_string();
        let args = [
            ["node", "--keep-running", "--name", "local", "--trust-domain", "bank.test"].as_slice(),
            &["--control", &control, "--trust-bundle", "data/roots.pem", "--proxy-binary", "/bin/sh"],
            &["--socket", "node.sock", "--workload-socket", "w.sock"],
            &["--seal-secret", "node.secret"],
            more,
        ];
        self.start(&args.concat(), input, log)
    }

    fn token(&self) -> Secret<String> {
        let made = run(self.dir.path(), &["token", "node", "--data", "data"]);
        assert_eq!(made.code, 0, "{made:?}");
        Secret::new(made.out)
    }

    pub(crate) async fn client(&self) -> WorkloadApiClient {
        let endpoint = format!("unix:{}", self.path("w.sock").display());
        wait_for("workload socket", async || WorkloadApiClient::connect_to(endpoint.clone()).await.ok()).await
    }

    pub(crate) async fn health(&self) -> Health {
        wait_for("health", async || local::get(&self.path("node.sock"), "/v1/health").await.ok()).await
    }

    async fn status(&self) -> Status {
        local::get(&self.path("data/control.sock"), "/v1/status").await.unwrap()
    }

    pub(crate) async fn logged(&self, log: &str, text: &str) {
        let path = self.path(log);
        wait_for(text, async || std::fs::read_to_string(&path).ok().filter(|said| said.contains(text))).await;
    }
}

fn us() -> SpiffeId {
    SpiffeId::try_from("spiffe://bank.test/workload/us").unwrap()
}

/// The serial number of the identity that the client is given.
pub(crate) async fn fetched(client: &WorkloadApiClient) -> Option<Vec<u8>> {
    let context = client.fetch_x509_context().await.ok()?;
    let svid = context.default_svid()?;
    assert_eq!(*svid.spiffe_id(), us());
    assert!(context.bundle_set().get(&TrustDomain::try_from("bank.test").unwrap()).is_some());
    Some(svid.cert_chain()[0].as_bytes().to_vec())
}

#[tokio::test]
async fn after_a_power_cut_the_node_serves_without_control_and_renews_with_it() {
    let place = Place::new();
    let control = place.control().await;
    let node = place.node(Some(&place.token()), "node.log");
    let before = wait_for("identity", async || fetched(&place.client().await).await).await;
    let token = place.client().await.fetch_jwt_svid(["ledger"], Some(&us())).await.unwrap();
    place.logged("node.log", "the cache is written workloads=1").await;
    control.kill();
    node.kill();

    // The node alone, without a token.
    let node = place.node(None, "alone.log");
    let client = place.client().await;
    assert_eq!(fetched(&client).await.unwrap(), before, "the very identity that the workload had");
    let keys = client.fetch_jwt_bundles().await.unwrap();
    assert!(
        keys.get(&TrustDomain::try_from("bank.test").unwrap()).is_some_and(|keys| keys.jwt_authorities().count() > 0)
    );
    let valid = client.validate_jwt_token("ledger", token.token()).await.unwrap();
    assert_eq!(*valid.spiffe_id(), us(), "a token from before is checked by the keys from the cache");
    let cached = place.health().await;
    place.logged("alone.log", "serving from the cache").await;

    // Control comes back, at another second than the first identity was issued in.
    wait_for("another second", async || {
        (bartizan_runtime::clock::now().as_secs() > cached.not_after.as_secs() - 3600 + 1).then_some(())
    })
    .await;
    let control = place.control().await;
    wait_for("attachment", async || {
        let status = place.status().await;
        let node = status.nodes.first()?.clone();
        (node.attached && node.held.get(&Kind::Bundles) == status.epochs.get(&Kind::Bundles)).then_some(())
    })
    .await;
    wait_for("renewal", async || (place.health().await.not_after > cached.not_after).then_some(())).await;
    place.client().await.fetch_jwt_svid(["ledger"], Some(&us())).await.expect("control signs again");
    node.kill();
    control.kill();
}

/// What the deny list says counts for a node that comes out of its cache as well, with a token and without.
#[tokio::test]
async fn a_denied_node_stays_denied_over_its_restart() {
    let place = Place::new();
    let control = place.control().await;
    let node = place.node(Some(&place.token()), "node.log");
    wait_for("identity", async || fetched(&place.client().await).await).await;
    place.logged("node.log", "the cache is written workloads=1").await;
    let cached = place.health().await;
    node.kill();
    let token = place.token();
    let denied = run(place.dir.path(), &["revoke", "node:local", "--reason", "taken over", "--data", "data"]);
    assert_eq!(denied.code, 0, "{denied:?}");

    let node = place.node(Some(&token), "denied.log");
    place.logged("denied.log", "the proof did not help").await;
    assert_eq!(place.health().await.not_after, cached.not_after, "nothing new for it");
    assert!(place.status().await.nodes.iter().all(|node| !node.attached));
    let refused = place.client().await.fetch_jwt_svid(["ledger"], Some(&us())).await;
    assert!(refused.is_err(), "control signs nothing for it");
    node.kill();
    control.kill();
}
