//! One guard takes over from another of the same service: its listeners, while both live, and nobody is refused meanwhile.
//!
//! The parent gives each an end of a socket pair. The old one hands over its listeners, each with what it is for, and goes on.
//! The new one starts as any other, with these instead of listeners of its own, and serves on them once it can judge; then it
//! says so, to the old one and to the parent. Only then does the old one stop accepting. It finishes what it has, telling its
//! clients to come anew, until none is left or its time is over. A new one that never says so changes nothing.

use crate::conn::Side;
use crate::counters;
use crate::doors::{Doors, Key};
use crate::limits;
use crate::live::Proxy;
use crate::worker::Door;
use bartizan_core::ServiceName;
use bartizan_core::snapshot::Mode;
use bartizan_runtime::clock;
use bartizan_runtime::descriptors::{self, Message};
use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// What the parent says to the old one: here is your successor.
pub const SUCCESSOR: u8 = b's';
/// What the parent says to the new one: here is your predecessor.
pub const PREDECESSOR: u8 = b'h';
/// What the new one says to both once it serves.
pub const SERVING: u8 = b'r';

/// Longest word about a listener, in bytes: a side, a name and an address.
const WORD_BYTES_MAX: usize = 256;
/// What follows the last listener.
const ALL: &[u8] = b"all";

/// Listeners by what they are for.
pub type Inherited = BTreeMap<Key, TcpListener>;

/// The predecessor's end: from here on it waits for our word.
#[derive(Debug)]
pub struct Predecessor(OwnedFd);

/// Takes over the listeners of the predecessor that the parent names.
///
/// # Errors
/// Where the parent names none, or the predecessor does not hand over all in time.
pub async fn inherit(parent: &mut mpsc::Receiver<Message>) -> io::Result<(Predecessor, Inherited)> {
    let missing = || Error::new(ErrorKind::InvalidData, "no predecessor came on standard input");
    let said = timeout(limits::HANDOVER_TIME, parent.recv()).await.ok().flatten();
    let mut said = said.filter(|said| said.bytes == [PREDECESSOR]).ok_or_else(missing)?;
    let line = said.descriptors.pop().ok_or_else(missing)?;
    let taken = tokio::task::spawn_blocking(move || {
        descriptors::wait_at_most(&line, limits::HANDOVER_TIME)?;
        take_all(&line).map(|inherited| (Predecessor(line), inherited))
    });
    taken.await.map_err(Error::other)?
}

fn take_all(line: &OwnedFd) -> io::Result<Inherited> {
    let mut inherited = Inherited::new();
    while inherited.len() < limits::LISTENERS_MAX {
        let gone = || Error::new(ErrorKind::UnexpectedEof, "the predecessor ended while it handed over");
        let Message { bytes, mut descriptors } = descriptors::receive(line, WORD_BYTES_MAX)?.ok_or_else(gone)?;
        if bytes == ALL {
            return Ok(inherited);
        }
        let malformed = || Error::new(ErrorKind::InvalidData, "the predecessor handed over something else");
        let key = std::str::from_utf8(&bytes).ok().and_then(parse).ok_or_else(malformed)?;
        let listener = TcpListener::from(descriptors.pop().ok_or_else(malformed)?);
        listener.local_addr()?; // that it is a socket is all that is asked
        inherited.insert(key, listener);
    }
    Err(Error::new(ErrorKind::InvalidData, "the predecessor hands over too many listeners"))
}

fn word((door, addr): &Key) -> String {
    match door {
        Door::Traffic(Side::Inbound) => format!("in {addr}"),
        Door::Traffic(Side::Outbound(callee)) => format!("out {callee} {addr}"),
        Door::Traffic(Side::Gateway) => format!("edge {addr}"),
        Door::Captured => format!("named {addr}"),
        Door::ExtAuthz => format!("asked {addr}"),
    }
}

fn parse(word: &str) -> Option<Key> {
    let parts: Vec<_> = word.split(' ').collect();
    let (door, addr) = match parts.as_slice() {
        ["in", addr] => (Door::Traffic(Side::Inbound), addr),
        ["out", callee, addr] => (Door::Traffic(Side::Outbound(ServiceName::parse(callee).ok()?)), addr),
        ["edge", addr] => (Door::Traffic(Side::Gateway), addr),
        ["named", addr] => (Door::Captured, addr),
        ["asked", addr] => (Door::ExtAuthz, addr),
        _ => return None,
    };
    Some((door, addr.parse().ok()?))
}

impl Predecessor {
    /// Opens `doors` once this process can judge who comes, then says so to the predecessor and, on standard input, to the parent.
    pub async fn relieve(self, proxy: Arc<Proxy>, doors: Arc<Doors>) {
        let mut changes = proxy.changes();
        while !can_judge(&proxy) {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                // Nothing but time may be missing.
                () = sleep(limits::LEDGER_LOOK) => {}
            }
        }
        doors.open().await;
        tracing::info!("taken over");
        for line in [self.0.as_fd(), std::io::stdin().as_fd()] {
            if let Err(error) = descriptors::send(line, &[SERVING], &[]) {
                tracing::warn!(%error, "nobody hears that we have taken over");
            }
        }
    }
}

/// Whether a connection that comes now would be judged as it was a moment ago: everything that is needed is held.
fn can_judge(proxy: &Proxy) -> bool {
    let live = proxy.live();
    let now = clock::now();
    let Some(directory) = &live.directory else { return false };
    let edge = directory.own.gateway.is_none() || live.edge.as_ref().is_some_and(|edge| now < edge.not_after);
    let policies = directory.mode != Mode::Full || live.policies.is_some();
    let known = live.bundles.is_some() && live.denied.is_some() && live.identity_at(now).is_some();
    edge && policies && known && proxy.heard.freshness().serves()
}

/// Waits for the word of the parent that there is a successor, hands over to it, and once that serves, winds down: returns when
/// nothing is left to do, or its time is over. Never where there is no successor.
pub async fn wind_down(mut parent: mpsc::Receiver<Message>, proxy: Arc<Proxy>, doors: Arc<Doors>) {
    loop {
        let Some(Message { bytes, mut descriptors }) = parent.recv().await else {
            return std::future::pending().await; // whoever watches for the parent's end stops us
        };
        let (true, Some(line)) = (bytes == [SUCCESSOR], descriptors.pop()) else { continue };
        let handing = Arc::clone(&doors);
        let relieved = tokio::task::spawn_blocking(move || hand_over(&line, &handing)).await;
        match relieved.map_err(Error::other).and_then(|relieved| relieved) {
            Ok(()) => break,
            Err(error) => tracing::warn!(%error, "no successor took over, going on"),
        }
    }
    tracing::info!("a successor serves, winding down");
    doors.close();
    proxy.winding_down.cancel();
    let until = Instant::now() + limits::WIND_DOWN_AFTER_HANDOVER;
    while Instant::now() < until && open(&proxy) > 0 {
        sleep(limits::LEDGER_LOOK).await;
    }
}

/// Hands over all listeners and waits until the successor says that it serves. Blocks.
fn hand_over(line: &OwnedFd, doors: &Doors) -> io::Result<()> {
    descriptors::wait_at_most(line, limits::HANDOVER_TIME)?;
    for (key, listener) in doors.listeners()? {
        descriptors::send(line, word(&key).as_bytes(), &[listener.as_fd()])?;
    }
    descriptors::send(line, ALL, &[])?;
    match descriptors::receive(line, 1)? {
        Some(said) if said.bytes == [SERVING] => Ok(()),
        _ => Err(Error::new(ErrorKind::UnexpectedEof, "the successor ended before it served")),
    }
}

fn open(proxy: &Proxy) -> u64 {
    counters::sum(&proxy.counters(), &proxy.events).connections_open
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn listener() -> TcpListener {
        TcpListener::bind(addr(0)).unwrap()
    }

    #[test]
    fn what_is_no_listener_is_not_taken_over() {
        for (said, with_listener) in [
            (&b"in 127.0.0.1:1"[..], false),
            (b"in", true),
            (b"out 127.0.0.1:1", true),
            (b"up x 127.0.0.1:1", true),
            (b"\xff", true),
        ] {
            let (ours, theirs) = descriptors::pair().unwrap();
            let given = listener();
            let along = if with_listener { vec![given.as_fd()] } else { Vec::new() };
            descriptors::send(&ours, said, &along).unwrap();
            descriptors::send(&ours, ALL, &[]).unwrap();
            assert!(take_all(&theirs).is_err(), "{said:?}");
        }
        let (ours, theirs) = descriptors::pair().unwrap();
        descriptors::send(&ours, b"in 127.0.0.1:1", &[listener().as_fd()]).unwrap();
        drop(ours);
        assert_eq!(take_all(&theirs).unwrap_err().kind(), ErrorKind::UnexpectedEof, "it ended in the middle");
    }

    #[test]
    fn all_come_over_with_what_they_are_for() {
        let (ours, theirs) = descriptors::pair().unwrap();
        let (first, second, third) = (listener(), listener(), listener());
        let callee = ServiceName::parse("ledger").unwrap();
        let keys = [
            (Door::Traffic(Side::Inbound), addr(1)),
            (Door::Traffic(Side::Outbound(callee)), addr(2)),
            (Door::ExtAuthz, addr(3)),
        ];
        for (key, listener) in keys.iter().zip([&first, &second, &third]) {
            descriptors::send(&ours, word(key).as_bytes(), &[listener.as_fd()]).unwrap();
        }
        descriptors::send(&ours, ALL, &[]).unwrap();
        let inherited = take_all(&theirs).unwrap();
        assert_eq!(inherited.keys().collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
        assert_eq!(inherited[&keys[1]].local_addr().unwrap(), second.local_addr().unwrap());
    }

    proptest! {
        #[test]
        fn a_word_that_parses_is_said_the_same_way(text in "(in|out|edge|named|asked|x)( [a-z-]{0,5})? [0-9.:\\[\\]]{0,20}") {
            if let Some(key) = parse(&text) {
                prop_assert_eq!(parse(&word(&key)), Some(key));
            }
        }
    }
}
