//! The process in the namespace: makes it, holds it, makes sockets in it for those who hold an end of a socket to us.
//!
//! It has one thread, as the kernel wants of who makes a user namespace, and ends when who started it is gone.

use super::start::{BEGINNING_BYTES_MAX, FAILED, MAP, MAPPED, READY, Way};
use super::{everywhere, lo, redirect};
use crate::limits::PORTER_ASKERS_MAX;
use bartizan_core::capture::Means;
use bartizan_runtime::descriptors::{self, Message};
use bartizan_runtime::inside::{Ask, GIVEN, REFUSED};
use bartizan_runtime::limits::DESCRIPTORS_PER_MESSAGE_MAX;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::UnshareFlags;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Longest question, in bytes.
const ASK_BYTES_MAX: usize = 8;

/// Why a porter ended. Who started it hears the first four too.
#[derive(Debug, thiserror::Error)]
pub enum PorterError {
    /// The kernel gives no namespaces.
    #[error("the kernel gives no {way}: {}", why(source))]
    NoNamespace {
        /// Which were asked for.
        way: Way,
        /// What it said.
        source: io::Error,
    },
    /// Loopback cannot be switched on.
    #[error("loopback cannot be switched on in a new namespace, which takes CAP_NET_ADMIN: {0}")]
    Loopback(io::Error),
    /// Nothing can be brought to the guard in there.
    #[error("calls by name cannot be {}: {source}", match means {
        Means::Redirect => "redirected",
        Means::Tproxy => "led to the guard by TPROXY",
    })]
    Redirect {
        /// By what kind of rule.
        means: Means,
        /// Why not.
        source: io::Error,
    },
    /// The namespace cannot be looked at.
    #[error("the new namespace cannot be looked at: {0}")]
    Look(io::Error),
    /// Who started us does not go on.
    #[error("whoever started the porter did not go on: {0}")]
    Abandoned(io::Error),
}

/// Its words for a limit are those for a full disk.
fn why(refusal: &io::Error) -> String {
    match refusal.kind() {
        io::ErrorKind::StorageFull => "the limit in /proc/sys/user is reached".to_owned(),
        _ => refusal.to_string(),
    }
}

/// That what the program opens to names is to come to its guard.
#[derive(Clone, Copy, Debug)]
pub struct Redirect<'a> {
    /// The program that makes rules of nftables.
    pub nft: &'a Path,
    /// Of which kind.
    pub means: Means,
    /// Where the guard takes it, on loopback in there.
    pub port: u16,
}

/// Makes a namespace in the way that is asked for and serves it, with the socket of who started us. Returns once that one is gone.
///
/// # Errors
/// [`PorterError`].
pub fn run(starter: OwnedFd, way: Way, redirect: Option<Redirect<'_>>) -> Result<(), PorterError> {
    match begin(&starter, way, redirect) {
        Ok(namespace) => {
            let ready = [&[READY][..], namespace.to_string().as_bytes()].concat();
            descriptors::send(&starter, &ready, &[]).map_err(PorterError::Abandoned)?;
            serve(vec![starter]);
            Ok(())
        }
        Err(error) => {
            let text = error.to_string();
            let text = &text.as_bytes()[..text.len().min(BEGINNING_BYTES_MAX - 1)];
            // Nobody hears it where the starter is gone, which is then the error.
            let _ = descriptors::send(&starter, &[&[FAILED][..], text].concat(), &[]);
            Err(error)
        }
    }
}

fn begin(starter: &OwnedFd, way: Way, redirect: Option<Redirect<'_>>) -> Result<u64, PorterError> {
    let flags = match way {
        Way::WithUsers => UnshareFlags::NEWUSER | UnshareFlags::NEWNET,
        Way::AsRoot => UnshareFlags::NEWNET,
    };
    unshare(flags).map_err(|error| PorterError::NoNamespace { way, source: error.into() })?;
    if way == Way::WithUsers {
        let asked = descriptors::send(starter, &[MAP], &[])
            .and_then(|()| descriptors::receive(starter, BEGINNING_BYTES_MAX))
            .map_err(PorterError::Abandoned)?;
        if asked.is_none_or(|answer| answer.bytes != [MAPPED]) {
            return Err(PorterError::Abandoned(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    lo::up().map_err(PorterError::Loopback)?;
    if let Some(Redirect { nft, means, port }) = redirect {
        redirect::put_in_force(nft, means, port).map_err(|source| PorterError::Redirect { means, source })?;
    }
    std::fs::metadata("/proc/self/ns/net").map(|about| about.ino()).map_err(PorterError::Look)
}

/// The safe form is deprecated for what it does with `CLONE_FILES`, which is not asked for here.
#[expect(deprecated, reason = "no table of descriptors is unshared")]
pub(super) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    rustix::thread::unshare(flags)
}

/// Answers until the first of `askers`, who started us, is gone.
fn serve(mut askers: Vec<OwnedFd>) {
    while !askers.is_empty() {
        let mut waiting: Vec<_> = askers.iter().map(|asker| PollFd::new(asker, PollFlags::IN)).collect();
        match poll(&mut waiting, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        let ready: Vec<bool> = waiting.iter().map(|it| !it.revents().is_empty()).collect();
        drop(waiting);
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (number, _) in ready.iter().enumerate().filter(|(_, ready)| **ready) {
            match descriptors::receive(&askers[number], ASK_BYTES_MAX) {
                Ok(Some(message)) => new.extend(answer(&askers, number, message)),
                Ok(None) | Err(_) => gone.push(number),
            }
        }
        if gone.contains(&0) {
            return;
        }
        for number in gone.into_iter().rev() {
            askers.remove(number);
        }
        askers.extend(new);
    }
}

/// Answers one question; gives back an asker that was admitted.
fn answer(askers: &[OwnedFd], number: usize, message: Message) -> Option<OwnedFd> {
    let Message { bytes, mut descriptors } = message;
    let (mut sockets, mut admitted, mut refusal) = (Vec::new(), None, None);
    match Ask::parse(&bytes) {
        Some(Ask::Admit) if number != 0 => refusal = Some("only who started the porter lets others ask".to_owned()),
        Some(Ask::Admit) if askers.len() >= PORTER_ASKERS_MAX => refusal = Some("too many ask already".to_owned()),
        Some(Ask::Admit) => admitted = descriptors.pop(),
        Some(Ask::Everywhere) => {
            refusal = everywhere::lead().err().map(|error| format!("no route can be made: {error}"));
        }
        Some(ask) => match made(ask) {
            Ok(made) => sockets = made,
            Err(error) => refusal = Some(format!("no socket can be made: {error}")),
        },
        None => refusal = Some("that was no question".to_owned()),
    }
    let text = match &refusal {
        None => vec![GIVEN],
        Some(why) => [&[REFUSED][..], why.as_bytes()].concat(),
    };
    let borrowed: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    // An asker that is gone is seen at the next look.
    let _ = descriptors::send(&askers[number], &text, &borrowed);
    admitted
}

fn made(ask: Ask) -> io::Result<Vec<OwnedFd>> {
    let (family, kind, count) = match ask {
        Ask::Tcp4(count) => (AddressFamily::INET, SocketType::STREAM, count),
        Ask::Tcp6(count) => (AddressFamily::INET6, SocketType::STREAM, count),
        Ask::Udp4(count) => (AddressFamily::INET, SocketType::DGRAM, count),
        Ask::Udp6(count) => (AddressFamily::INET6, SocketType::DGRAM, count),
        Ask::Led4(count) => {
            let count = usize::from(count).min(DESCRIPTORS_PER_MESSAGE_MAX);
            return (0..count).map(|_| redirect::led_socket()).collect();
        }
        Ask::Admit | Ask::Everywhere => return Ok(Vec::new()),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let count = usize::from(count).min(DESCRIPTORS_PER_MESSAGE_MAX);
    (0..count).map(|_| Ok(rustix::net::socket_with(family, kind, flags, None)?)).collect()
}
