//! A folder with a fleet file, policies, a plan and a data folder.

use bartizan_control::Options;
use bartizan_core::ServiceName;
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::Mode;
use std::collections::BTreeMap;
use std::path::PathBuf;

const FLEET: &str = "
fleet: bank
trust_domain: bank.test
policies: policies
services:
  accounts:
    listen: 127.0.0.1:7102
    run: [bank, accounts]
    protocol: http
    owner: core-banking
    data: [pii]
    calls: [ledger]
    routes:
      balance: GET /accounts/*/balance
  payment:
    listen: 127.0.0.1:7104
    run: [bank, payment]
    protocol: http
    owner: payments
    calls: [accounts]
  ledger:
    at: 127.0.0.1:7103
    protocol: tcp
    owner: core-banking
gateway:
  listen: 127.0.0.1:8443
  routes:
    - { path: /api/accounts/**, to: accounts }
";

pub(crate) fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

pub(crate) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// The bank of three services, without policies of its own.
    pub(crate) fn new() -> Self {
        let it = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(it.data()).unwrap();
        std::fs::create_dir(it.path("policies")).unwrap();
        it.write("fleet.yaml", FLEET);
        it.write_plan(|_| {});
        it
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data().join("control.sock")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Changes a piece of the fleet file.
    pub(crate) fn edit_fleet(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("fleet.yaml")).unwrap();
        assert!(text.contains(from), "`{from}` is not in the fleet file");
        self.write("fleet.yaml", &text.replace(from, to));
    }

    pub(crate) fn write_plan(&self, change: impl FnOnce(&mut Plan)) {
        let addr = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let mesh = [("accounts", 9102), ("payment", 9104), ("ledger", 9103)];
        let outbound = [("accounts", "ledger", 9203), ("payment", "accounts", 9202)];
        let mut plan = Plan {
            mode: Mode::Full,
            control: addr(0),
            console: None,
            mesh: mesh.map(|(name, port)| (service(name).into(), addr(port))).into(),
            outbound: outbound
                .map(|(from, to, port)| (service(from).into(), BTreeMap::from([(service(to), addr(port))])))
                .into(),
            isolation: BTreeMap::new(),
            added: None,
            names: None,
            captured: BTreeMap::new(),
            egress: BTreeMap::new(),
            programs: BTreeMap::new(),
        };
        change(&mut plan);
        self.write("plan.json", &serde_json::to_string(&plan).unwrap());
    }

    /// Changes the plan as it lies there.
    pub(crate) fn edit_plan(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan: Plan = serde_json::from_str(&std::fs::read_to_string(self.path("plan.json")).unwrap()).unwrap();
        change(&mut plan);
        self.write("plan.json", &serde_json::to_string(&plan).unwrap());
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.path("fleet.yaml"), self.path("plan.json"), self.data())
    }
}
