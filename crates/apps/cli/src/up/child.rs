//! One child process with its process group: started with a log and perhaps a token, ended without remains.

use super::log;
use crate::limits::{GONE_WITHIN, PART_READY_WITHIN, READY_POLL};
use bartizan_core::Secret;
use bartizan_runtime::descriptors;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

/// What to start.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Executable, absolute.
    pub(crate) executable: PathBuf,
    /// Arguments after it.
    pub(crate) args: Vec<OsString>,
    /// What is added to our own environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Working folder; ours where `None`.
    pub(crate) dir: Option<PathBuf>,
    /// What it finds on its standard input.
    pub(crate) input: Input,
    /// Where its output goes.
    pub(crate) log: PathBuf,
}

/// The standard input of a child.
#[derive(Debug)]
pub(crate) enum Input {
    /// Nothing.
    Null,
    /// A pipe that stays open as long as we live: its end tells the child that we are gone.
    Open,
    /// The same, with a token as first line: arguments and environment could be read by others.
    Token(Secret<String>),
    /// A Unix socket with a token as first line, over which descriptors follow.
    Line(Secret<String>),
    /// A socket whose other end somebody has already.
    Given(OwnedFd),
}

/// A child that was started.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Its process id, which is the id of its group too.
    pub(crate) pid: u32,
    _stdin: Option<ChildStdin>,
    /// Our end of its standard input, where that is a socket.
    pub(crate) line: Option<OwnedFd>,
    /// Cancelled once the network namespace that it runs in, or reaches its program in, is gone.
    pub(crate) space_gone: Option<CancellationToken>,
    log: PathBuf,
    log_from: u64,
}

/// What a proxy says once it serves in place of another; `bartizan_proxy::handover`.
const SERVING: u8 = b'r';

/// Starts a child in a process group of its own, so that Ctrl-C reaches us alone and stopping it reaches its children.
///
/// To be called on the thread that lives as long as the process: `PR_SET_PDEATHSIG` is tied to the calling thread.
///
/// # Errors
/// A text naming the executable and the cause.
pub(crate) async fn spawn(spec: Spec) -> Result<Running, String> {
    let Spec { executable, args, env, dir, input, log: log_path } = spec;
    let (out, log_from) =
        log::open(&log_path).map_err(|error| format!("cannot open log `{}`: {error}", log_path.display()))?;
    let err = out.try_clone().map_err(|error| format!("cannot open log `{}`: {error}", log_path.display()))?;
    let mut command = Command::new(&executable);
    command.args(args).envs(env).stdout(out).stderr(err).process_group(0).kill_on_drop(true);
    let (stdin, line, input) = standard_input(input).map_err(|error| format!("cannot make a socket: {error}"))?;
    command.stdin(stdin);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot start `{}`: {error}", executable.display()))?;
    drop(command); // with our copy of its end of a socket, so that we see when it is gone
    let pid = child.id().expect("it was not waited for yet");
    let mut stdin = child.stdin.take();
    // A few dozen bytes into an empty pipe or socket never block. Where the child is dead already, its end says more.
    if let (Some(token), Some(stdin)) = (&input, &mut stdin) {
        let _ = stdin.write_all(token.expose().as_bytes()).await;
        let _ = stdin.write_all(b"\n").await;
    }
    if let (Some(token), Some(line)) = (&input, &line) {
        for part in [token.expose().as_bytes(), b"\n"] {
            let _ = descriptors::send(line, part, &[]);
        }
    }
    Ok(Running { child, pid, _stdin: stdin, line, space_gone: None, log: log_path, log_from })
}

/// What the child gets, our end where it is a socket, and the token to write.
fn standard_input(input: Input) -> std::io::Result<(Stdio, Option<OwnedFd>, Option<Secret<String>>)> {
    Ok(match input {
        Input::Null => (Stdio::null(), None, None),
        Input::Open => (Stdio::piped(), None, None),
        Input::Token(token) => (Stdio::piped(), None, Some(token)),
        Input::Line(token) => {
            let (ours, theirs) = descriptors::stream_pair()?;
            (theirs.into(), Some(ours), Some(token))
        }
        Input::Given(theirs) => (theirs.into(), None, None),
    })
}

impl Running {
    /// Waits for a proxy that takes over to say that it serves.
    pub(crate) fn says_it_serves(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
        let line = self.line.as_ref().and_then(|line| line.try_clone().ok());
        let heard = tokio::task::spawn_blocking(move || {
            let line = line.ok_or("there is no line to it")?;
            descriptors::wait_at_most(&line, PART_READY_WITHIN).map_err(|_| "its line is none")?;
            match descriptors::receive(&line, 1) {
                Ok(Some(said)) if said.bytes == [SERVING] => Ok(()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    Err("it did not come to serve in time")
                }
                // Its end closes the line, and resets it where it had not read all of it.
                Ok(_) | Err(_) => Err("it ended before it served"),
            }
        });
        Box::pin(async { heard.await.map_err(|error| error.to_string())?.map_err(str::to_owned) })
    }

    /// Waits for its end. Cancel safe.
    pub(crate) async fn wait(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => in_words(status),
            Err(error) => format!("lost: {error}"),
        }
    }

    /// The last lines it wrote.
    pub(crate) fn tail(&self) -> Vec<String> {
        log::tail(&self.log, self.log_from)
    }

    /// Ends it and all of its group: asks with SIGTERM, kills after `within` or as soon as `hurry` fires.
    /// Answers with how it ended.
    pub(crate) async fn stop(&mut self, within: Duration, hurry: &CancellationToken) -> String {
        signal_group(self.pid, Signal::TERM);
        let exit = tokio::select! {
            exit = self.wait() => exit,
            () = tokio::time::sleep(within) => self.kill().await,
            () = hurry.cancelled() => self.kill().await,
        };
        self.bury().await;
        exit
    }

    async fn kill(&mut self) -> String {
        signal_group(self.pid, Signal::KILL);
        self.wait().await
    }

    /// Kills what its group still holds after its own end, such as the children of a shell.
    pub(crate) async fn bury(&self) {
        end_group(self.pid).await;
    }
}

/// Kills whatever is left of a process group and waits until the kernel has taken it away, at most [`GONE_WITHIN`].
pub(crate) async fn end_group(pid: u32) {
    if !group_is_there(pid) {
        return;
    }
    signal_group(pid, Signal::KILL);
    let until = Instant::now() + GONE_WITHIN;
    while group_is_there(pid) && Instant::now() < until {
        tokio::time::sleep(READY_POLL).await;
    }
}

fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = group_of(pid) {
        // The only error left is that nobody is there any more.
        let _ = kill_process_group(group, signal);
    }
}

fn group_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Whether a living process is in the group of this id.
pub(crate) fn group_is_there(pid: u32) -> bool {
    let known = group_of(pid).is_some_and(|group| test_kill_process_group(group).is_ok());
    // The kernel counts the dead that nobody has waited for; in a container without an init they stay for ever.
    known && living_members(pid) > 0
}

fn living_members(group: u32) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let pids =
        entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let stats = pids.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| state_and_group(stat).is_some_and(|(state, of)| of == group && !matches!(state, "Z" | "X")))
        .count()
}

/// State and process group from `/proc/<pid>/stat` (proc_pid_stat(5)); the name before them may hold anything.
fn state_and_group(stat: &str) -> Option<(&str, u32)> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let (state, _parent, group) = (fields.next()?, fields.next()?, fields.next()?);
    Some((state, group.parse().ok()?))
}

/// `exit 1` or `signal 9`.
pub(crate) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STOP_WITHIN;

    fn shell(script: &str, input: Input, log: PathBuf) -> Spec {
        Spec {
            executable: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            dir: None,
            input,
            log,
        }
    }

    #[tokio::test]
    async fn gets_its_token_and_environment_and_ends_with_our_pipe() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("x.log");
        let token = Input::Token(Secret::new("t0ken".to_owned()));
        let mut running = spawn(shell("read t; echo $GREETING $t; read more || exit 7", token, log)).await.unwrap();
        drop(running._stdin.take());
        assert_eq!(running.wait().await, "exit 7");
        assert_eq!(running.tail(), ["hello t0ken"]);
    }

    #[tokio::test]
    async fn stopping_takes_the_children_along_also_the_deaf_ones() {
        let temp = tempfile::tempdir().unwrap();
        let log = temp.path().join("x.log");
        // The child ignores SIGTERM and outlives its parent, as daemons and shells like to.
        let script = "sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & wait";
        let mut running = spawn(shell(script, Input::Null, log)).await.unwrap();
        let until = Instant::now() + STOP_WITHIN;
        while running.tail().is_empty() && Instant::now() < until {
            tokio::time::sleep(READY_POLL).await;
        }
        assert!(group_is_there(running.pid));
        assert_eq!(running.stop(STOP_WITHIN, &CancellationToken::new()).await, "signal 15");
        assert!(!group_is_there(running.pid));
    }

    #[tokio::test]
    async fn a_hurry_kills_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo up; while :; do sleep 1; done";
        let mut running = spawn(shell(script, Input::Open, temp.path().join("x.log"))).await.unwrap();
        let until = Instant::now() + STOP_WITHIN;
        while running.tail().is_empty() && Instant::now() < until {
            tokio::time::sleep(READY_POLL).await;
        }
        let hurry = CancellationToken::new();
        hurry.cancel();
        assert_eq!(running.stop(STOP_WITHIN, &hurry).await, "signal 9");
    }

    #[tokio::test]
    async fn what_cannot_start_says_so() {
        let temp = tempfile::tempdir().unwrap();
        let mut spec = shell("", Input::Null, temp.path().join("x.log"));
        spec.executable = "/nonexistent/program".into();
        let error = spawn(spec).await.unwrap_err();
        assert!(error.starts_with("cannot start `/nonexistent/program`: "), "{error}");
    }

    #[test]
    fn reads_a_stat_line_whose_name_is_hostile() {
        assert_eq!(state_and_group("12 (a) Z 1 (b) S 1 77 0 0"), Some(("S", 77)));
        assert_eq!(state_and_group("12 no name"), None);
    }
}
