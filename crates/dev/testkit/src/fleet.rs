//! `bartizan up` as a child of the test.

use crate::clock::Clock;
use crate::proc;
use crate::wait::{Deadline, wait_for};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// A program of this workspace, as `cargo build --workspace` left it beside the tests.
///
/// # Panics
/// Where it was not built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().find(|a| a.join(name).is_file());
    let folder = folder.unwrap_or_else(|| panic!("`{name}` is not built: run `cargo build --workspace` first"));
    folder.join(name)
}

/// A running fleet. Dropping it stops everything, by force if need be.
#[derive(Debug)]
pub struct Up {
    child: Child,
    /// The data folder.
    pub data: PathBuf,
    /// The fleet file.
    pub fleet: PathBuf,
}

impl Up {
    /// Starts `bartizan up FLEET ARGS` with its data folder beside the fleet file, and does not wait.
    ///
    /// # Panics
    /// Where the program cannot be started.
    pub fn launch(fleet: &Path, args: &[&str]) -> Self {
        Self::launch_by(Command::new(binary("bartizan")), fleet, args)
    }

    /// As [`Up::launch`], with the data folder on a disk of its own of `mib` MiB, in a mount namespace that ends with it.
    ///
    /// # Panics
    /// Where neither root nor user namespaces are there to mount with.
    pub fn launch_on_small_disk(fleet: &Path, mib: u32, args: &[&str]) -> Self {
        let data = fleet.with_file_name("data");
        std::fs::create_dir_all(&data).expect("the test's own folder is writable");
        let script = format!("mount -t tmpfs -o size={mib}m,mode=700 none \"$1\" && shift && exec \"$@\"");
        let mut unshare = Command::new("unshare");
        let user = if rustix::process::geteuid().is_root() { &[][..] } else { &["--map-root-user"] };
        unshare.arg("--mount").args(user).args(["sh", "-c", &script, "sh"]).arg(&data).arg(binary("bartizan"));
        let mut up = Self::launch_by(unshare, fleet, args);
        // Seen from outside the namespace.
        up.data = PathBuf::from(format!("/proc/{}/root{}", up.pid(), data.display()));
        up
    }

    /// As [`Up::launch`], by another user, and where `before` (a shell command) has changed what the kernel gives: in a user
    /// namespace of its own, so that nothing else is concerned. Copies of our programs are used, which that user can reach.
    ///
    /// # Panics
    /// Where the copies cannot be made or the program cannot be started.
    pub fn launch_as_nobody(fleet: &Path, before: &str, args: &[&str]) -> Self {
        let folder = Self::copy_programs(fleet, &["bartizan", "bartizan-proxy"]);
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            const NOBODY: &str = "65534";
            let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(folder).status();
            assert!(chown.expect("chown is there").success());
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        }
        if !before.is_empty() {
            command.args([
                "unshare",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                &format!("{before} && exec \"$@\""),
                "sh",
            ]);
        }
        command.arg(folder.join("bartizan"));
        Self::launch_by(command, fleet, args)
    }

    /// As [`Up::launch`], by copies of our programs beside the fleet file, which the test may replace.
    ///
    /// # Panics
    /// Where the copies cannot be made or the program cannot be started.
    pub fn launch_copies(fleet: &Path, args: &[&str]) -> Self {
        let folder = Self::copy_programs(fleet, &["bartizan", "bartizan-proxy", "bank"]);
        Self::launch_by(Command::new(folder.join("bartizan")), fleet, args)
    }

    fn copy_programs<'a>(fleet: &'a Path, names: &[&str]) -> &'a Path {
        let folder = fleet.parent().expect("a file lies in a folder");
        for name in names {
            std::fs::copy(binary(name), folder.join(name)).expect("the test's own folder is writable");
        }
        folder
    }

    /// As [`Up::launch`], in a network that has nothing but loopback and in a mount namespace, both of which end with it; `setup` is
    /// a shell script that arranges them before, with `$1` for the folder of the fleet file. What it starts dies with the test.
    ///
    /// # Panics
    /// Where neither root nor user namespaces are there.
    pub fn launch_in_a_world(fleet: &Path, setup: &str, args: &[&str]) -> Self {
        let mut unshare = Command::new("unshare");
        let user = if rustix::process::geteuid().is_root() { &[][..] } else { &["--map-root-user"] };
        let script = format!("set -e\nip link set lo up\n{setup}\nshift\nexec \"$@\"");
        let folder = fleet.parent().expect("a fleet file is in a folder");
        unshare
            .args(["--mount", "--net"])
            .args(user)
            .args(["sh", "-c", &script, "sh"])
            .arg(folder)
            .arg(binary("bartizan"));
        Self::launch_by(unshare, fleet, args)
    }

    fn launch_by(mut command: Command, fleet: &Path, args: &[&str]) -> Self {
        let data = fleet.with_file_name("data");
        let log = File::create(fleet.with_file_name("up.log")).expect("the test's own folder is writable");
        let child = command
            .arg("up")
            .arg(fleet)
            .arg("--data")
            .arg(&data)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be duplicated"))
            .stderr(log)
            .spawn()
            .expect("bartizan starts");
        Self { child, data, fleet: fleet.to_owned() }
    }

    /// As [`Up::launch`], by a clock that the test can set.
    ///
    /// # Panics
    /// Where the program cannot be started.
    pub fn launch_by_clock(fleet: &Path, clock: &Clock, args: &[&str]) -> Self {
        Self::launch_by(clock.command(binary("bartizan")), fleet, args)
    }

    /// As [`Up::launch`], then waits for the line that begins with `ready`.
    ///
    /// # Panics
    /// With the log, where it ends or does not become ready.
    pub fn start(fleet: &Path, args: &[&str]) -> Self {
        let mut up = Self::launch(fleet, args);
        up.wait_ready();
        up
    }

    /// Waits for the line that begins with `ready`.
    ///
    /// # Panics
    /// With the log, where it ends or does not become ready.
    pub fn wait_ready(&mut self) {
        wait_for("bartizan up to be ready", Deadline(std::time::Duration::from_secs(120)), || {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                panic!("bartizan up ended with {status}:\n{}", self.log());
            }
            self.log().lines().any(|line| line.trim_start().starts_with("ready")).then_some(())
        });
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.fleet.with_file_name("up.log")).unwrap_or_default()
    }

    /// The certificate file with which clients trust the gateway.
    pub fn ca(&self) -> PathBuf {
        self.data.join("roots.pem")
    }

    /// Runs `bartizan ARGS --data <this fleet>`.
    ///
    /// # Panics
    /// Where the program cannot be started.
    pub fn cli(&self, args: &[&str]) -> Output {
        let output = Command::new(binary("bartizan")).args(args).arg("--data").arg(&self.data).output();
        output.expect("bartizan starts")
    }

    /// A command that runs where the program of `service` does: in its network namespace.
    pub fn inside(&self, service: &str, program: &str) -> Command {
        let mut command = Command::new(binary("bartizan"));
        command.args(["inside", service, "--data"]).arg(&self.data).args(["--", program]);
        command
    }

    /// GET as the program of `service` makes it.
    pub fn get_inside(&self, service: &str, url: &str) -> crate::Answer {
        crate::request_by(self.inside(service, "curl"), "GET", url, None, &[], None)
    }

    /// What comes back for `bytes` where the program of `service` sends them to `addr`, within ten seconds; nothing where
    /// nobody is reached.
    ///
    /// # Panics
    /// Where Python cannot be run.
    pub fn send_inside(&self, service: &str, addr: &str, bytes: &str) -> String {
        const SEND: &str = "import socket, sys\n\
            host, port = sys.argv[1].rsplit(':', 1)\n\
            s = socket.create_connection((host, int(port)), 10)\n\
            s.sendall(bytes.fromhex(sys.argv[2]))\n\
            out = b''\n\
            try:\n\
            \x20   while chunk := s.recv(65536):\n\
            \x20       out += chunk\n\
            except OSError:\n\
            \x20   pass\n\
            sys.stdout.buffer.write(out)\n";
        let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
        let sent = self.inside(service, "python3").args(["-c", SEND, addr, &hex]).output();
        String::from_utf8_lossy(&sent.expect("python3 is installed").stdout).into_owned()
    }

    /// `plan.json`: where everything listens.
    ///
    /// # Panics
    /// Where there is none.
    pub fn plan(&self) -> serde_json::Value {
        let text = std::fs::read(self.data.join("plan.json")).expect("a running fleet has a plan");
        serde_json::from_slice(&text).expect("the plan is JSON")
    }

    /// Standard output of [`Up::cli`], which has to succeed.
    ///
    /// # Panics
    /// Where the command fails.
    pub fn say(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {output:?}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `bartizan status --json`; `None` while control is away.
    pub fn status(&self) -> Option<serde_json::Value> {
        let output = self.cli(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success())
    }

    /// The row of one proxy in the status.
    pub fn proxy(&self, service: &str) -> Option<serde_json::Value> {
        let status = self.status()?;
        status["proxies"].as_array()?.iter().find(|p| p["service"] == service).cloned()
    }

    /// Process id of `bartizan up` itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processes of this fleet whose command line has all of `words`.
    pub fn find(&self, words: &[&str]) -> Vec<u32> {
        let fits = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            words.iter().all(|word| line.contains(word))
        };
        proc::tree(self.pid()).into_iter().skip(1).filter(fits).collect()
    }

    /// The one process of [`Up::find`].
    ///
    /// # Panics
    /// Where there is none, or more than one.
    pub fn find_one(&self, words: &[&str]) -> u32 {
        wait_for(&format!("one process like {words:?}"), Deadline::default(), || match self.find(words)[..] {
            [pid] => Some(pid),
            _ => None,
        })
    }

    /// Ctrl-C, then waits for the end.
    ///
    /// # Panics
    /// Where it does not end.
    pub fn interrupt(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the child lives");
        wait_for("bartizan up to stop", Deadline::default(), || self.child.try_wait().expect("a child can be asked"))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        proc::kill_all_hard(&proc::tree(self.pid()));
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of bartizan up ---\n{}", self.log());
        }
    }
}
