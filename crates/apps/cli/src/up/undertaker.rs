//! Sees to it that nothing outlives us, even where we are killed: a child that knows our process groups and ends them
//! when its pipe to us breaks.
//!
//! Our own parts end by themselves when their pipes break, and programs get SIGTERM from the kernel. Neither reaches
//! the children of a program, nor a program that is deaf to SIGTERM.

use super::child::group_is_there;
use crate::limits::{READY_POLL, STOP_WITHIN};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Our end of the pipe.
#[derive(Clone, Debug)]
pub(crate) struct Undertaker {
    child: Arc<Mutex<Option<std::process::Child>>>,
}

impl Undertaker {
    /// Starts it. Without it everything works, only less surely; so a failure is told and no more.
    pub(crate) fn start(bartizan: &Path) -> Self {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new(bartizan);
        command.arg("bury").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command
            .spawn()
            .inspect_err(|error| tracing::warn!(%error, "nobody will bury what outlives a killed `up`"))
            .ok();
        Self { child: Arc::new(Mutex::new(child)) }
    }

    /// From now on the group `pid` is to be ended with us.
    pub(crate) fn watch(&self, pid: u32) {
        self.tell('+', pid);
    }

    /// The group `pid` is gone; its number may become somebody else's.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell('-', pid);
    }

    fn tell(&self, sign: char, pid: u32) {
        use std::io::Write;
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = child.as_mut().and_then(|child| child.stdin.as_mut()) {
            // A dozen bytes into a pipe whose reader does nothing else. If it was killed, the other ways remain.
            let _ = writeln!(pipe, "{sign}{pid}");
        }
    }

    /// Ends it. It then ends what it still knows of.
    pub(crate) fn dismiss(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The child's side, `bartizan bury`: reads `+PID` and `-PID` until the pipe breaks, then ends what is left.
pub(crate) fn bury(input: impl BufRead) {
    let mut groups = BTreeSet::new();
    for line in input.lines().map_while(Result::ok) {
        let Some((sign, pid)) = line.split_at_checked(1) else { continue };
        match (sign, pid.parse::<u32>()) {
            ("+", Ok(pid)) => _ = groups.insert(pid),
            ("-", Ok(pid)) => _ = groups.remove(&pid),
            _ => {}
        }
    }
    end(&mut groups);
}

fn end(groups: &mut BTreeSet<u32>) {
    let send = |groups: &BTreeSet<u32>, signal| {
        for group in groups.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
            // The only error left is that nobody is there any more.
            let _ = kill_process_group(group, signal);
        }
    };
    send(groups, Signal::TERM);
    let until = Instant::now() + STOP_WITHIN;
    while !groups.is_empty() && Instant::now() < until {
        groups.retain(|pid| group_is_there(*pid));
        std::thread::sleep(READY_POLL);
    }
    send(groups, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").process_group(0).spawn().unwrap()
    }

    #[test]
    fn ends_the_groups_it_was_told_of_and_no_others() {
        let (mut doomed, mut spared) = (sleeper(), sleeper());
        let lines = format!("+{}\n+{}\nnonsense\n\n-{}\n", doomed.id(), spared.id(), spared.id());
        bury(lines.as_bytes());
        let ended = doomed.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15));
        assert!(spared.try_wait().unwrap().is_none());
        spared.kill().unwrap();
        spared.wait().unwrap();
    }
}
