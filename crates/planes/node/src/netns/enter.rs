//! A program goes in, before it is one: the process that is about to become it joins the porter's namespaces and leaves
//! behind what it could get out with.

use super::porter::unshare;
use super::start::Way;
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{CapabilitySet, ThreadNameSpaceType, UnshareFlags};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

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
    /// It cannot be told the names of its callees.
    #[error("`{}` cannot take the place of /etc/hosts: {source}", path.display())]
    Hosts {
        /// What was to be put there.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What leads out could not be left behind.
    #[error("a right that leads out of the namespace cannot be given up: {0}")]
    KeptRight(io::Error),
}

/// Joins the namespaces of porter `pid`, for good, with `hosts` in the place of `/etc/hosts` where it is given. The process must
/// have one thread.
///
/// # Errors
/// [`EnterError`].
pub fn enter(pid: u32, way: Way, hosts: Option<&Path>) -> Result<(), EnterError> {
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
    if let Some(hosts) = hosts {
        put_hosts(hosts).map_err(|source| EnterError::Hosts { path: hosts.to_owned(), source })?;
    }
    for right in KEPT_BACK {
        match rustix::thread::remove_capability_from_bounding_set(right) {
            // An older kernel does not know it, so nobody has it.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(EnterError::KeptRight(error.into())),
        }
    }
    Ok(())
}

/// In a mount namespace of this process's own, which goes on seeing what is mounted outside.
fn put_hosts(hosts: &Path) -> io::Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    Ok(rustix::mount::mount_bind(hosts, "/etc/hosts")?)
}
