//! The starting of a porter, from the side of who starts it: makes its users known, hears that all is ready.

use super::maps;
use bartizan_runtime::descriptors;
use bartizan_runtime::limits::PORTER_WITHIN;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Longest message of the beginning, in bytes: an error in one line.
pub(super) const BEGINNING_BYTES_MAX: usize = 512;
/// The porter has a user namespace and waits for its users.
pub(super) const MAP: u8 = b'M';
/// Its users are known.
pub(super) const MAPPED: u8 = b'm';
/// All is ready; the number of the network namespace follows.
pub(super) const READY: u8 = b'R';
/// It is not; why follows.
pub(super) const FAILED: u8 = b'F';

/// How a program is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A network namespace, and a user namespace that it belongs to.
    WithUsers,
    /// A network namespace alone, which takes root. What root could leave it with is taken from the program.
    AsRoot,
}

impl Way {
    /// Both, the better one first.
    pub const ALL: [Self; 2] = [Self::WithUsers, Self::AsRoot];

    /// The word for arguments.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WithUsers => "with-users",
            Self::AsRoot => "as-root",
        }
    }

    /// The inverse of [`Way::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithUsers => "network and user namespace",
            Self::AsRoot => "network namespace",
        })
    }
}

/// A porter that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The kernel's number of the network namespace, as in `/proc/PID/ns/net`.
    pub namespace: u64,
}

/// Why there is no porter. Without one nothing is kept apart.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel gives no namespace, or takes no users for it.
    #[error("{0}")]
    Refused(String),
    /// The process ended, or says something else.
    #[error("the porter did not start: {0}")]
    Silent(io::Error),
}

/// Sees the porter `pid` through its beginning, by our end of its socket. Blocks, for some milliseconds.
///
/// # Errors
/// [`StartError`]; end the process then.
pub fn start(socket: BorrowedFd<'_>, pid: u32) -> Result<Started, StartError> {
    descriptors::wait_at_most(socket, PORTER_WITHIN).map_err(StartError::Silent)?;
    let hear = || {
        let said = descriptors::receive(socket.as_fd(), BEGINNING_BYTES_MAX).map_err(StartError::Silent)?;
        said.map(|said| said.bytes).ok_or_else(|| StartError::Silent(io::ErrorKind::UnexpectedEof.into()))
    };
    let mut said = hear()?;
    if said == [MAP] {
        maps::write(pid)
            .map_err(|error| StartError::Refused(format!("the kernel takes no users for a user namespace: {error}")))?;
        descriptors::send(socket.as_fd(), &[MAPPED], &[]).map_err(StartError::Silent)?;
        said = hear()?;
    }
    let rest = said.get(1..).map(String::from_utf8_lossy).unwrap_or_default();
    match said.first() {
        Some(&FAILED) => Err(StartError::Refused(rest.into_owned())),
        Some(&READY) => rest
            .parse()
            .map(|namespace| Started { namespace })
            .map_err(|_| StartError::Silent(io::ErrorKind::InvalidData.into())),
        _ => Err(StartError::Silent(io::ErrorKind::InvalidData.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_porter_says_at_first_is_taken_or_refused() {
        for (said, outcome) in [
            (&b"R4026532000"[..], Ok(4_026_532_000)),
            (b"Fno", Err("no")),
            (b"R", Err("did not start")),
            (b"Rx", Err("did not start")),
            (b"x", Err("did not start")),
        ] {
            let (ours, porters) = descriptors::pair().unwrap();
            descriptors::send(&porters, said, &[]).unwrap();
            match (start(ours.as_fd(), 1), outcome) {
                (Ok(started), Ok(namespace)) => assert_eq!(started, Started { namespace }),
                (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
                (got, _) => panic!("{said:?}: {got:?}"),
            }
        }
        let (ours, porters) = descriptors::pair().unwrap();
        drop(porters);
        assert!(matches!(start(ours.as_fd(), 1), Err(StartError::Silent(_))));
    }
}
