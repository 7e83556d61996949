//! The fleet under measurement: `bartizan up` with a data folder that is thrown away.

use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::{BENCH_READY_WITHIN, BENCH_STOP_WITHIN};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Pause between two looks at whether it has stopped.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of what it said that are shown where it did not become ready.
const SHOWN: usize = 12;

/// A fleet that is ready. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    data: PathBuf,
}

impl Running {
    pub(super) fn start(fleet: &Path, mode: &str) -> Result<Self, Failure> {
        let cannot = |what: &str, error: std::io::Error| Failure::new(format!("{what}: {error}"));
        let own = std::env::current_exe().map_err(|error| cannot("cannot find `bartizan` itself", error))?;
        let data = std::env::temp_dir().join(format!("bartizan-bench-{}-{mode}", std::process::id()));
        let mut child = Command::new(own)
            .arg("up")
            .arg(fleet)
            .args(["--mode", mode, "--no-table", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| cannot("cannot start the fleet", error))?;
        let lines = read(child.stdout.take());
        let running = Self { child, data };
        running.wait_ready(mode, &lines)?;
        Ok(running)
    }

    fn wait_ready(&self, mode: &str, lines: &mpsc::Receiver<String>) -> Result<(), Failure> {
        let until = Instant::now() + BENCH_READY_WITHIN;
        let mut said = Vec::new();
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.trim_start().starts_with("ready") {
                return Ok(());
            }
            said.push(line);
        }
        let last = said.split_off(said.len().saturating_sub(SHOWN)).join("\n");
        Err(Failure::new(format!("the fleet did not become ready in mode `{mode}`; it said:\n{last}")))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub(super) fn data(&self) -> DataDir {
        DataDir::open(&self.data)
    }

    /// The roots by which the gateway is to be trusted, PEM.
    pub(super) fn roots(&self) -> Result<String, Failure> {
        let path = self.data.join("roots.pem");
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
    }
}

/// What it says, line by line. Read to the end, so that it never waits for us.
fn read(stdout: Option<ChildStdout>) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    lines
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let until = Instant::now() + BENCH_STOP_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(LOOK);
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
