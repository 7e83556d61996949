//! The example bank, copied to a folder of the test's own and moved to free ports.

use crate::clock::Clock;
use crate::fleet::Up;
use crate::http::{Answer, request};
use crate::ports::free_ports;
use crate::wait::{Deadline, wait_for};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The five services.
pub const BANK_SERVICES: [&str; 5] = ["users", "accounts", "payment", "transactions", "notifications"];

/// The bank's folder in this repository.
pub fn bank_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/bank")
}

/// A running bank.
#[derive(Debug)]
pub struct Bank {
    /// The fleet behind it.
    pub up: Up,
    /// `https://127.0.0.1:PORT`.
    pub gateway: String,
    /// Ports of the programs, in the order of the fleet file's 7101 to 7105.
    pub ports: Vec<u16>,
    /// The gateway's port.
    pub gateway_port: u16,
    folder: tempfile::TempDir,
}

impl Bank {
    /// Copies, moves to free ports, starts, waits until ready.
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(args, |_| {})
    }

    /// As [`Bank::start`]; `change` may alter the copied folder first.
    ///
    /// # Panics
    /// Where the copy cannot be made or the fleet does not start.
    pub fn start_with(args: &[&str], change: impl FnOnce(&Path)) -> Self {
        Self::start_by("fleet.yaml", change, |fleet| Up::start(fleet, args))
    }

    /// The bank whose customers show tokens; they are made with `login.key` in its folder.
    ///
    /// # Panics
    /// As [`Bank::start_with`].
    pub fn start_with_customers() -> Self {
        Self::start_with_customers_by(|_| {})
    }

    /// As [`Bank::start_with_customers`]; `change` may alter the copied folder first.
    ///
    /// # Panics
    /// As [`Bank::start_with`].
    pub fn start_with_customers_by(change: impl FnOnce(&Path)) -> Self {
        let keys = |folder: &Path| {
            change(folder);
            let out = folder.join("customers/login");
            let made =
                Command::new(crate::fleet::binary("bartizan")).args(["token", "keygen", "--out"]).arg(out).output();
            let made = made.expect("bartizan starts");
            assert!(made.status.success(), "{made:?}");
        };
        Self::start_by("customers/fleet.yaml", keys, |fleet| Up::start(fleet, &[]))
    }

    /// As [`Bank::start`], by copies of our programs in its folder, which the test may replace.
    pub fn start_by_copies() -> Self {
        let launch = |fleet: &Path| {
            let mut up = Up::launch_copies(fleet, &[]);
            up.wait_ready();
            up
        };
        Self::start_by("fleet.yaml", |_| {}, launch)
    }

    /// As [`Bank::start`], with the data folder on a disk of its own of `mib` MiB.
    pub fn start_on_small_disk(mib: u32) -> Self {
        let launch = |fleet: &Path| {
            let mut up = Up::launch_on_small_disk(fleet, mib, &[]);
            up.wait_ready();
            up
        };
        Self::start_by("fleet.yaml", |_| {}, launch)
    }

    /// As [`Bank::start`], by a clock that the test can set.
    pub fn start_by_clock() -> (Self, Clock) {
        Self::start_by_clock_with(|_| {})
    }

    /// As [`Bank::start_by_clock`]; `change` may alter the copied folder first.
    ///
    /// # Panics
    /// As [`Bank::start_with`].
    pub fn start_by_clock_with(change: impl FnOnce(&Path)) -> (Self, Clock) {
        let mut made = None;
        let launch = |fleet: &Path| {
            let clock = Clock::new(fleet.parent().expect("a file lies in a folder"));
            let mut up = Up::launch_by_clock(fleet, &clock, &[]);
            up.wait_ready();
            made = Some(clock);
            up
        };
        let bank = Self::start_by("fleet.yaml", change, launch);
        (bank, made.expect("it was started"))
    }

    fn start_by(fleet: &str, change: impl FnOnce(&Path), start: impl FnOnce(&Path) -> Up) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&bank_folder(), folder.path());
        let mut ports = free_ports(6);
        let fleet = folder.path().join(fleet);
        let mut text = std::fs::read_to_string(&fleet).expect("the bank has a fleet file");
        for (old, new) in [7101, 7102, 7103, 7104, 7105, 8443].iter().zip(&ports) {
            text = text.replace(&format!("127.0.0.1:{old}"), &format!("127.0.0.1:{new}"));
        }
        std::fs::write(&fleet, text).expect("the copy is writable");
        change(folder.path());
        let up = start(&fleet);
        let gateway_port = ports.pop().expect("six were asked for");
        Self { up, gateway: format!("https://127.0.0.1:{gateway_port}"), ports, gateway_port, folder }
    }

    /// The copied folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A request through the gateway.
    pub fn call(&self, method: &str, path: &str, headers: &[&str], body: Option<&str>) -> Answer {
        request(method, &format!("{}{path}", self.gateway), Some(&self.up.ca()), headers, body)
    }

    /// `bank load` through the gateway; it checks the money at its end.
    ///
    /// # Panics
    /// Where the program cannot be started.
    pub fn load(&self, args: &[&str]) -> Output {
        let mut load = Command::new(crate::fleet::binary("bank"));
        load.arg("load").arg("--url").arg(&self.gateway).arg("--ca").arg(self.up.ca()).arg("--json").args(args);
        load.output().expect("bank starts")
    }

    /// Waits until the proxy of `service` is attached and enforces the newest epochs.
    pub fn wait_attached(&self, service: &str) {
        wait_for(&format!("{service} attached"), Deadline::default(), || {
            self.up.proxy(service).filter(|p| p["attached"] == true).map(|_| ())
        });
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is readable").flatten() {
        let name = entry.file_name();
        if matches!(name.to_str(), Some(".bartizan" | "__pycache__" | "target")) {
            continue;
        }
        let target = to.join(&name);
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
