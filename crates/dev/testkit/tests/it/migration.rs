//! The bank runs in plain, as any system does before: it goes behind guards step by step, under load, and no request fails.

use bartizan_testkit::{Deadline, Up, bank_folder, binary, free_ports, listening, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// A program that was started by somebody else.
struct Program(Child);

impl Program {
    /// Asked to end, as an init system does.
    fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Addresses of everything.
struct Ground {
    folder: tempfile::TempDir,
    /// users, accounts, payment, transactions, notifications, and the second payment.
    programs: Vec<u16>,
    /// Where callers find users, accounts, transactions and notifications behind their own guards.
    vias: Vec<u16>,
    /// Where guards are: users, accounts, payment, transactions.
    meshes: Vec<u16>,
    gateway: u16,
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Ground {
    fn new() -> Self {
        let mut ports = free_ports(15).into_iter();
        let mut take = |count| ports.by_ref().take(count).collect::<Vec<u16>>();
        let (programs, vias, meshes, gateway) = (take(6), take(4), take(4), take(1)[0]);
        let it = Self { folder: tempfile::tempdir().unwrap(), programs, vias, meshes, gateway };
        std::fs::write(it.fleet(), it.text()).unwrap();
        it
    }

    fn fleet(&self) -> PathBuf {
        self.folder.path().join("fleet.yaml")
    }

    fn text(&self) -> String {
        let (p, v, m) = (&self.programs, &self.vias, &self.meshes);
        // Whoever has one instance is away for a moment when it is restarted: callers wait for it.
        let patient = "retry: { attempts: 10, budget: 100% }, breaker: { failures: off }";
        format!(
            "# The bank, as it runs today.
fleet: bank
trust_domain: bank.example
services:
  users: {{ at: \"127.0.0.1:{}\", mesh: \"127.0.0.1:{}\", protocol: http, owner: o }}
  accounts:
    at: 127.0.0.1:{}
    mesh: 127.0.0.1:{}
    protocol: http
    owner: o
    calls: [{{ to: users, via: \"127.0.0.1:{}\" }}]
  payment:
    at:
      - {{ at: \"127.0.0.1:{}\", mesh: \"127.0.0.1:{}\" }}
      - 127.0.0.1:{}
    protocol: http
    owner: o
    calls:
      - {{ to: accounts, via: \"127.0.0.1:{}\", {patient} }}
      - {{ to: transactions, via: \"127.0.0.1:{}\", {patient} }}
  transactions:
    at: 127.0.0.1:{}
    mesh: 127.0.0.1:{}
    protocol: http
    owner: o
    calls: [{{ to: notifications, via: \"127.0.0.1:{}\" }}]
  notifications: {{ at: \"127.0.0.1:{}\", protocol: http, owner: o }}
gateway:
  listen: 127.0.0.1:{}
  routes:
    - {{ path: /payments/**, to: payment }}
    - {{ path: /accounts/**, to: accounts }}
    - {{ path: /users/**, to: users }}
    - {{ path: /transactions/**, to: transactions }}
",
            p[0], m[0], p[1], m[1], v[0], p[2], m[2], p[5], v[1], v[2], p[3], m[3], v[3], p[4], self.gateway
        )
    }

    /// Starts a program with its callees at `places`, and waits until it listens.
    fn start(&self, name: &str, at: usize, places: &[(&str, u16)]) -> Program {
        let port = self.programs[at];
        let mut command = match name {
            "users" => Command::new("python3"),
            "notifications" => Command::new("node"),
            _ => Command::new(binary("bank")),
        };
        match name {
            "users" => command.arg(bank_folder().join("users/users.py")),
            "notifications" => command.arg(bank_folder().join("notifications/notifications.js")),
            name => command.arg(name),
        };
        let data = self.folder.path().join(format!("plain-{at}"));
        std::fs::create_dir_all(&data).unwrap();
        command.arg("--listen").arg(format!("127.0.0.1:{port}")).arg("--data").arg(&data);
        for (callee, port) in places {
            command.env(format!("{}_URL", callee.to_uppercase()), url(*port));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&format!("{name} to listen"), Deadline::default(), || listening(port).then_some(()));
        Program(child)
    }

    /// Load on users, accounts, payment and transactions at these ports.
    fn load(&self, at: [u16; 4], seconds: &str) -> Output {
        let mut load = Command::new(binary("bank"));
        load.args(["load", "--json", "--users", "4", "--accounts", "10", "--concurrency", "4", "--duration", seconds]);
        for (name, port) in ["users", "accounts", "payment", "transactions"].iter().zip(at) {
            load.arg(format!("--{name}-url")).arg(url(port));
        }
        load.output().unwrap()
    }

    fn load_from_outside(&self, ca: &Path, seconds: &str) -> Output {
        let mut load = Command::new(binary("bank"));
        load.args(["load", "--json", "--users", "4", "--accounts", "10", "--concurrency", "4", "--duration", seconds]);
        load.arg("--url").arg(format!("https://127.0.0.1:{}", self.gateway)).arg("--ca").arg(ca).output().unwrap()
    }

    fn adopt(&self, args: &[&str]) -> Output {
        let mut adopt = Command::new(binary("bartizan"));
        adopt.arg("adopt").args(args).arg(self.fleet());
        adopt.arg("--data").arg(self.folder.path().join("data")).stdin(Stdio::null()).output().unwrap()
    }

    fn next(&self) -> String {
        let done = self.adopt(&["next", "--yes"]);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.adopt(&["status", "--json"]).stdout).unwrap()
    }
}

fn nothing_failed(what: &str, load: &Output) {
    let report: Value = serde_json::from_slice(&load.stdout).unwrap_or_else(|_| panic!("{what}: {load:?}"));
    println!("{what}: {} payments, errors {}", report["done"], report["errors"]);
    assert!(load.status.success() && report["done"].as_u64() > Some(0), "{what}: {load:?}");
    for field in ["refused", "unresolved", "retries"] {
        assert_eq!(report[field], 0, "{what}: {report}");
    }
    assert_eq!(report["errors"].as_object().map(serde_json::Map::len), Some(0), "{what}: {report}");
}

#[test]
fn a_bank_that_runs_in_plain_goes_behind_guards_without_a_failed_request() {
    let ground = Ground::new();
    let (p, v, m) = (ground.programs.clone(), ground.vias.clone(), ground.meshes.clone());
    let plain = [("accounts", p[1]), ("transactions", p[3])];
    let _users = ground.start("users", 0, &[]);
    let _notifications = ground.start("notifications", 4, &[]);
    let mut accounts = ground.start("accounts", 1, &[("users", p[0])]);
    let mut transactions = ground.start("transactions", 3, &[("notifications", p[4])]);
    let mut payment = ground.start("payment", 2, &plain);
    let second = ground.start("payment", 5, &plain);

    // Nobody is asked, so nothing is done.
    let refused = ground.adopt(&["next"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--yes"), "{refused:?}");

    // Guards come in front, while callers go straight to the programs.
    let up = thread::scope(|scope| {
        let load = scope.spawn(|| ground.load([p[0], p[1], p[2], p[3]], "20"));
        wait_for("the callers to be seen", Deadline::default(), || {
            let status = ground.status();
            let seen = status["observed"].as_array()?;
            seen.iter().any(|it| it["service"] == "payment" && it["to"] == "accounts").then_some(())
        });
        assert_eq!(ground.status()["next"], "permit");
        ground.next();
        assert_eq!(ground.status()["next"], "start");
        let up = Up::start(&ground.fleet(), &[]);
        let status = ground.status();
        assert_eq!(status["next"], "move", "{status}");
        let now = status["plaintext"]["now"].as_array().unwrap();
        let caller = now.iter().find(|it| {
            it["service"] == "payment" && it["to"] == "accounts" && it["at"] == format!("127.0.0.1:{}", p[1])
        });
        assert_eq!(caller.unwrap()["how"], "direct", "{status}");
        assert!(now.iter().any(|it| it["instead"] == format!("127.0.0.1:{}", v[1])), "where it is to go: {status}");
        nothing_failed("guards come in front", &load.join().unwrap());
        up
    });

    // Clients that have no guard go to the guards in plaintext, and are counted.
    thread::scope(|scope| {
        let load = scope.spawn(|| ground.load([m[0], m[1], m[2], m[3]], "5"));
        wait_for("plaintext to be counted", Deadline::default(), || {
            let report: Value = serde_json::from_slice(&up.cli(&["plaintext", "--json"]).stdout).ok()?;
            let counted = report["counted"].as_array()?;
            counted.iter().any(|it| it["to"] == "payment" && it["calls"].as_u64() > Some(0)).then_some(())
        });
        let stubborn = ground.adopt(&["next", "--yes"]);
        assert!(!stubborn.status.success(), "there are callers without mutual TLS: {stubborn:?}");
        nothing_failed("clients in plaintext", &load.join().unwrap());
    });

    // Clients come through the gateway now; the programs are restarted one after the other, and find their guards.
    thread::scope(|scope| {
        let load = scope.spawn(|| ground.load_from_outside(&up.ca(), "60"));
        wait_for("calls through the gateway", Deadline::default(), || {
            up.proxy("payment").filter(|row| row["calls"].as_u64() > Some(20)).map(|_| ())
        });
        let guarded = [("accounts", v[1]), ("transactions", v[2])];
        let mut second = second;
        second.end();
        let _second = ground.start("payment", 5, &guarded);
        payment.end();
        let _payment = ground.start("payment", 2, &guarded);
        accounts.end();
        let _accounts = ground.start("accounts", 1, &[("users", v[0])]);
        transactions.end();
        let _transactions = ground.start("transactions", 3, &[("notifications", v[3])]);
        wait_for("nobody to be outside", Deadline(Duration::from_secs(60)), || {
            (ground.status()["next"] == "strict").then_some(())
        });
        ground.next();
        assert_eq!(ground.status()["next"], "done");
        let refused = ground.load([m[0], m[1], m[2], m[3]], "1");
        assert!(!refused.status.success(), "plaintext is refused: {refused:?}");
        // And back, and forth: nobody notices.
        assert!(ground.adopt(&["back", "--yes"]).status.success());
        wait_for("strict again", Deadline(Duration::from_secs(60)), || {
            (ground.status()["next"] == "strict").then_some(())
        });
        ground.next();
        assert!(!std::fs::read_to_string(ground.fleet()).unwrap().contains("mtls"), "as it was at the beginning");
        nothing_failed("callers move, guards become strict, permissive and strict again", &load.join().unwrap());
    });
}
