//! Who is at the other end of a connection: a process, held so that its number cannot become somebody else's unseen.

use super::peer_pidfd::{peer_pidfd, watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

/// The process that connected, as the kernel knows it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) pid: i32,
    /// User and group at the moment of connecting.
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Readable once the process has ended.
    pidfd: AsyncFd<OwnedFd>,
    /// Start of the process in the kernel's ticks. Compared where the pidfd had to be opened by number.
    started: Option<u64>,
}

impl Caller {
    /// Asks the kernel. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the caller is in another pid namespace, or gone.
    pub(crate) fn of(socket: &UnixStream) -> io::Result<Self> {
        let cred = socket.peer_cred()?;
        let pid = cred.pid().filter(|pid| *pid > 0);
        let pid = pid.ok_or_else(|| io::Error::other("the kernel does not tell its process id"))?;
        let (pidfd, started) = match peer_pidfd(socket) {
            Ok(pidfd) => (pidfd, None),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => by_number(pid)?,
            Err(error) => return Err(error),
        };
        let pidfd = watched(pidfd)?;
        let caller = Self { pid, uid: cred.uid(), gid: cred.gid(), pidfd, started };
        if caller.has_ended() {
            return Err(io::Error::other("it has ended"));
        }
        Ok(caller)
    }

    /// Whether the process is gone, or its number is another one's by now. What was read from `/proc` by that number before
    /// a `false` was about this process.
    pub(crate) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.get_ref(), PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let runs = matches!(poll(&mut fds, Some(&now)), Ok(0));
        !runs || (self.started.is_some() && start_of(self.pid).ok() != self.started)
    }

    /// Returns once the process has ended.
    pub(crate) async fn ended(&self) {
        // An error of the runtime itself ends the stream too: nothing would be watched.
        let _ = self.pidfd.readable().await;
    }
}

/// For kernels without `SO_PEERPIDFD`: a pidfd by number, with the start of the process before and after, so that it is that
/// of one process. Who got the number between connecting and here is not told apart from who had it before.
fn by_number(pid: i32) -> io::Result<(OwnedFd, Option<u64>)> {
    let number = Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process id"))?;
    let before = start_of(pid)?;
    let pidfd = pidfd_open(number, PidfdFlags::empty())?;
    if start_of(pid)? != before {
        return Err(io::Error::other("its process id was given to another process"));
    }
    Ok((pidfd.as_fd().try_clone_to_owned()?, Some(before)))
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the name before it may hold anything, but no `)` comes after its own.
fn start_of(pid: i32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = text.rsplit_once(") ").map(|(_, rest)| rest);
    let field = after_name.and_then(|rest| rest.split(' ').nth(19)).and_then(|field| field.parse().ok());
    field.ok_or_else(|| io::Error::other("its start cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn sleeping() -> Child {
        Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap()
    }

    fn caller_of(child: &Child, started: Option<u64>) -> Caller {
        let pid = i32::try_from(child.id()).unwrap();
        let (pidfd, found) = by_number(pid).unwrap();
        let pidfd = watched(pidfd).unwrap();
        Caller { pid, uid: 0, gid: 0, pidfd, started: started.or(found) }
    }

    #[tokio::test]
    async fn tells_when_a_process_has_ended() {
        let mut child = sleeping();
        let caller = caller_of(&child, None);
        assert!(!caller.has_ended());
        child.kill().unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(20), caller.ended()).await.unwrap();
        assert!(caller.has_ended(), "also before its parent has taken note");
        child.wait().unwrap();
        assert!(caller.has_ended());
    }

    /// The number of a process that ended is another one's by now: what a start in the past stands for.
    #[tokio::test]
    async fn another_process_with_the_same_number_is_another_process() {
        let mut child = sleeping();
        let other = caller_of(&child, Some(1));
        assert!(other.has_ended(), "the process with this number began later");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn who_has_gone_before_it_is_asked_about_is_refused() {
        let mut child = sleeping();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(by_number(i32::try_from(child.id()).unwrap()).is_err());
    }

    #[tokio::test]
    async fn knows_the_process_behind_a_socket() {
        let (one, _other) = UnixStream::pair().unwrap();
        let caller = Caller::of(&one).unwrap();
        assert_eq!(caller.pid, i32::try_from(std::process::id()).unwrap());
        assert_eq!(caller.uid, rustix::process::getuid().as_raw());
        assert!(!caller.has_ended());
    }
}
