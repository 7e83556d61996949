//! `SO_PEERPIDFD`: a handle on the very process that connected, which nobody can take over by getting its number.
//!
//! No library of ours wraps it safely yet, so here is one of the two places with `unsafe`: a call that writes one
//! integer, and telling tokio of a descriptor that is ours.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The pidfd of the peer of a Unix socket.
///
/// # Errors
/// `Unsupported` where the kernel is older than 6.5; else what the kernel says, such as that the process is gone.
pub(super) fn peer_pidfd(socket: impl AsFd) -> io::Result<OwnedFd> {
    let mut fd: libc::c_int = -1;
    let mut bytes = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
    // SAFETY: `fd` and `bytes` live through the call, and `bytes` says how much room `fd` has.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut bytes,
        )
    };
    if outcome != 0 {
        let error = io::Error::last_os_error();
        let unknown = error.raw_os_error() == Some(libc::ENOPROTOOPT);
        return Err(if unknown { io::Error::new(io::ErrorKind::Unsupported, error) } else { error });
    }
    if fd < 0 {
        return Err(io::Error::other("the kernel gave no pidfd"));
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A pidfd that wakes a task when its process has ended. Must be called within a tokio runtime.
///
/// # Errors
/// Where the runtime cannot watch it.
pub(super) fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what it is moved into, and stays open and the same until that is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn names_the_process_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        let pidfd = match peer_pidfd(&one) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return,
            pidfd => pidfd.unwrap(),
        };
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
        assert!(info.lines().any(|line| line == format!("Pid:\t{}", std::process::id())), "{info}");
    }

    #[test]
    fn a_file_has_no_peer() {
        assert!(peer_pidfd(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
