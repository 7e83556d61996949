//! Starts, kills and restarts the services, each on a port of its own.

use bank::client::{Call, Client, Reply};
use bank::words::{Id, Key, Transfer};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a loaded machine; a test that waits that long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One process.
pub(crate) struct Service {
    name: &'static str,
    data: PathBuf,
    neighbours: Vec<(String, String)>,
    address: String,
    child: Option<Child>,
}

impl Service {
    pub(crate) fn start(name: &'static str, data: &Path, neighbours: &[(&str, &str)]) -> Self {
        let neighbours = neighbours.iter().map(|(n, url)| (format!("{}_URL", n.to_uppercase()), (*url).to_owned()));
        let (data, address) = (data.join(name), "127.0.0.1:0".to_owned());
        let mut service = Self { name, data, neighbours: neighbours.collect(), address, child: None };
        service.restart();
        service
    }

    /// Starts it where it was before, and waits until it listens. While it was away, its port may have served as the
    /// near end of somebody's connection for a moment: hence more than one try.
    pub(crate) fn restart(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.try_start() {
            assert!(Instant::now() < deadline, "{} does not start; what it says is above", self.name);
        }
    }

    fn try_start(&mut self) -> bool {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (program, first) = match self.name {
            "users" => ("python3", here.join("users/users.py")),
            "notifications" => ("node", here.join("notifications/notifications.js")),
            name => (env!("CARGO_BIN_EXE_bank"), name.into()),
        };
        let mut child = Command::new(program)
            .arg(first)
            .args(["--listen", &self.address, "--data"])
            .arg(&self.data)
            .envs(self.neighbours.clone())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}, which the bank needs; install it: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim().strip_prefix("listening on http://") {
            Some(address) => {
                self.address = address.to_owned();
                self.child = Some(child);
                true
            }
            None => {
                let _ = child.wait();
                false
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let killed = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
        assert!(killed.success());
        child.wait().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url(), 64, PATIENCE, None).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All five.
pub(crate) struct Fleet {
    pub(crate) users: Service,
    pub(crate) accounts: Service,
    pub(crate) payment: Service,
    pub(crate) transactions: Service,
    pub(crate) notifications: Service,
    _folder: TempDir,
}

impl Fleet {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let users = Service::start("users", data, &[]);
        let notifications = Service::start("notifications", data, &[]);
        let accounts = Service::start("accounts", data, &[("users", &users.url())]);
        let transactions = Service::start("transactions", data, &[("notifications", &notifications.url())]);
        let neighbours = [("accounts", &*accounts.url()), ("transactions", &*transactions.url())];
        let payment = Service::start("payment", data, &neighbours);
        Self { users, accounts, payment, transactions, notifications, _folder: folder }
    }

    /// `bank load` against this fleet.
    pub(crate) fn load(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bank"))
            .args(["load", "--json", "--users", "3", "--accounts", "20"])
            .args(["--users-url", &self.users.url(), "--accounts-url", &self.accounts.url()])
            .args(["--payment-url", &self.payment.url(), "--transactions-url", &self.transactions.url()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Two accounts with 100 cents each.
    pub(crate) async fn two_accounts(&self) -> [Id; 2] {
        let user = body(self.users.client().call(&Call::post("/users", &json!({ "name": "Ada" }))).await.unwrap());
        let mut accounts = Vec::new();
        for _ in 0..2 {
            let opening = json!({ "owner": user["id"], "opening_cents": 100 });
            let opened = self.accounts.client().call(&Call::post("/accounts", &opening)).await.unwrap();
            assert_eq!(opened.status, StatusCode::CREATED);
            accounts.push(Id::parse(body(opened)["id"].as_str().unwrap()).unwrap());
        }
        accounts.try_into().unwrap()
    }

    pub(crate) async fn balances(&self, accounts: &[Id; 2]) -> [i64; 2] {
        let client = self.accounts.client();
        let mut balances = [0; 2];
        for (balance, id) in balances.iter_mut().zip(accounts) {
            let reply = client.call(&Call::get(&format!("/accounts/{id}/balance"))).await.unwrap();
            *balance = body(reply)["cents"].as_i64().unwrap();
        }
        balances
    }

    pub(crate) async fn entries(&self) -> u64 {
        body(self.transactions.client().call(&Call::get("/transactions")).await.unwrap())["entries"].as_u64().unwrap()
    }
}

pub(crate) fn transfer(from: &Id, to: &Id, cents: u64) -> Transfer {
    Transfer { from: from.clone(), to: to.clone(), cents: cents.try_into().unwrap() }
}

pub(crate) async fn pay(client: &Client, key: u128, transfer: &Transfer) -> (u16, Value) {
    let reply = client.call(&Call::post("/payments", transfer).key(Key::of(key))).await.unwrap();
    (reply.status.as_u16(), body(reply))
}

pub(crate) fn body(reply: Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

/// Asks until `found` says yes. A service that is just down has not said yes.
pub(crate) async fn wait_for(what: &str, client: &Client, path: &str, found: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = client.call_twice(&Call::get(path)).await;
        if reply.is_ok_and(|reply| found(&body(reply))) {
            return;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
