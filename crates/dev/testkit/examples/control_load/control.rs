//! A real control in a folder of its own, and what the kernel says of it.

use bartizan_core::TrustDomain;
use bartizan_core::status::{NodeToken, Status};
use bartizan_identity::TrustBundles;
use bartizan_runtime::local;
use bartizan_testkit::{binary, free_ports};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Entries that every node serves, so that there is something to issue.
pub(crate) const ENTRIES: usize = 64;

pub(crate) struct Control {
    dir: tempfile::TempDir,
    child: Child,
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) domain: TrustDomain,
    pub(crate) bundles: Arc<TrustBundles>,
}

impl Control {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more at the end of its fleet file.
    pub(crate) async fn start_with(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let workloads: String =
            (0..ENTRIES).map(|n| format!("  w{n}: {{ selectors: {{ uid: {} }} }}\n", 10_000 + n)).collect();
        let fleet = format!(
            "fleet: load\ntrust_domain: load.test\nservices:\n  one: {{ at: \"127.0.0.1:9\", protocol: tcp, owner: load }}\n\
             workloads:\n{workloads}{more}"
        );
        std::fs::write(dir.path().join("fleet.yaml"), fleet).unwrap();
        let (control, mesh) = (free_ports(1)[0], free_ports(1)[0]);
        let plan = format!(
            r#"{{"mode":"full","control":"127.0.0.1:{control}","mesh":{{"one":"127.0.0.1:{mesh}"}},"outbound":{{}}}}"#
        );
        std::fs::write(dir.path().join("plan.json"), plan).unwrap();
        let child = spawn(&dir);
        let domain = TrustDomain::parse("load.test").unwrap();
        let listen = ([127, 0, 0, 1], control).into();
        let mut it = Self { dir, child, listen, domain, bundles: Arc::default() };
        it.ready().await;
        let roots = std::fs::read_to_string(it.data().join("roots.pem")).unwrap();
        it.bundles = Arc::new(TrustBundles::from_pem(&it.domain, &roots).unwrap());
        it
    }

    async fn ready(&mut self) {
        while local::get::<Status>(&self.socket(), "/v1/status").await.is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "control ended; see its log above");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `kill -9`, and another one in its place.
    pub(crate) async fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = std::fs::remove_file(self.socket());
        self.child = spawn(&self.dir);
        self.ready().await;
    }

    /// The roots of its CA, PEM.
    pub(crate) fn roots(&self) -> Vec<u8> {
        std::fs::read(self.data().join("roots.pem")).unwrap()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn socket(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    pub(crate) async fn token(&self) -> String {
        let none = std::collections::BTreeMap::<String, String>::new();
        local::post::<_, NodeToken>(&self.socket(), "/v1/node-tokens", &none).await.unwrap().token
    }

    pub(crate) async fn status(&self) -> Status {
        local::get(&self.socket(), "/v1/status").await.unwrap()
    }

    /// CPU time used so far, of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10) // 100 ticks a second, see sysconf(_SC_CLK_TCK)
    }

    /// A line of /proc/PID/status in MiB: `VmRSS`, `VmHWM`.
    pub(crate) fn mib(&self, what: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

fn spawn(dir: &tempfile::TempDir) -> Child {
    let at = |name: &str| dir.path().join(name);
    Command::new(binary("bartizan"))
        .args(["control", "--keep-running", "--fleet"])
        .arg(at("fleet.yaml"))
        .arg("--plan")
        .arg(at("plan.json"))
        .arg("--data")
        .arg(at("data"))
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
