//! A program goes in, before it is one: the process that is about to become it joins the porter's namespaces and leaves
//! behind what it could get out with.

use super::start::Way;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{CapabilitySet, ThreadNameSpaceType};
use std::io;
use std::os::fd::AsFd;

/// What leads out of a namespace, or changes its rules: joining another, looking into processes that are in another, the
/// kernel itself.
const KEPT_BACK: [CapabilitySet; 6] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::BPF,
    CapabilitySet::NET_ADMIN,
];

/// Why a process did not get in. It must not become the program then.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The porter is gone.
    #[error("the porter {pid} of the program's namespace is gone")]
    NoPorter {
        /// Its process id.
        pid: u32,
    },
    /// The kernel does not let us.
    #[error("the namespaces of porter {pid} cannot be joined: {source}")]
    Refused {
        /// The porter.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// What leads out could not be left behind.
    #[error("a right that leads out of the namespace cannot be given up: {0}")]
    KeptRight(io::Error),
}

/// Joins the namespaces of porter `pid`, for good. The process must have one thread.
///
/// # Errors
/// [`EnterError`].
pub fn enter(pid: u32, way: Way) -> Result<(), EnterError> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(EnterError::NoPorter { pid })?;
    let porter = pidfd_open(raw, PidfdFlags::empty()).map_err(|_| EnterError::NoPorter { pid })?;
    let spaces = match way {
        Way::WithUsers => ThreadNameSpaceType::USER | ThreadNameSpaceType::NETWORK,
        Way::AsRoot => ThreadNameSpaceType::NETWORK,
    };
    let joined = rustix::thread::move_into_thread_name_spaces(porter.as_fd(), spaces);
    joined.map_err(|error| match error {
        Errno::SRCH => EnterError::NoPorter { pid },
        error => EnterError::Refused { pid, source: error.into() },
    })?;
    for right in KEPT_BACK {
        match rustix::thread::remove_capability_from_bounding_set(right) {
            // An older kernel does not know it, so nobody has it.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(EnterError::KeptRight(error.into())),
        }
    }
    Ok(())
}
