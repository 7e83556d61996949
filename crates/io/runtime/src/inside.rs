//! Sockets in somebody else's network namespace, by the porter that lives in there.
//!
//! A socket stays in the namespace that it was made in. The porter makes them; whoever holds one binds or connects it as any
//! other. How the porter comes to be is in `bartizan-node`.

use crate::descriptors::{self, Message};
use crate::limits::{ACCEPT_QUEUE, PORTER_WITHIN, SOCKETS_IN_STOCK};
use crate::listen::ListenError;
use socket2::Socket;
use std::io::{self, Error, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// What a porter can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// So many TCP sockets for IPv4.
    Tcp4(u8),
    /// So many TCP sockets for IPv6.
    Tcp6(u8),
    /// So many TCP sockets for IPv4 that may listen for what a rule of TPROXY leads to them.
    Led4(u8),
    /// So many UDP sockets for IPv4.
    Udp4(u8),
    /// So many UDP sockets for IPv6.
    Udp6(u8),
    /// That every address is loopback in there, so that whatever is dialled comes to a listener in there or to nobody.
    Everywhere,
    /// To answer one more asker, whose end comes along. Only who started the porter may ask.
    Admit,
}

impl Ask {
    /// The two bytes that say it.
    pub fn bytes(self) -> [u8; 2] {
        match self {
            Self::Tcp4(count) => [b't', count],
            Self::Tcp6(count) => [b'T', count],
            Self::Led4(count) => [b'l', count],
            Self::Udp4(count) => [b'u', count],
            Self::Udp6(count) => [b'U', count],
            Self::Everywhere => [b'e', 0],
            Self::Admit => [b'a', 0],
        }
    }

    /// The inverse of [`Ask::bytes`].
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [b't', count] => Some(Self::Tcp4(count)),
            [b'T', count] => Some(Self::Tcp6(count)),
            [b'l', count] => Some(Self::Led4(count)),
            [b'u', count] => Some(Self::Udp4(count)),
            [b'U', count] => Some(Self::Udp6(count)),
            [b'e', 0] => Some(Self::Everywhere),
            [b'a', 0] => Some(Self::Admit),
            _ => None,
        }
    }
}

/// Longest answer, in bytes: one line for people.
const ANSWER_BYTES_MAX: usize = 512;
/// First byte of an answer: what was asked for comes along.
pub const GIVEN: u8 = b'+';
/// First byte of an answer: nothing comes, and the rest says why.
pub const REFUSED: u8 = b'-';

/// A porter, to be asked. Shared by the threads of a process; a few microseconds each time.
#[derive(Debug)]
pub struct Inside {
    porter: Arc<Mutex<OwnedFd>>,
    stocks: [OnceLock<Stock>; 2],
}

/// Sockets made ahead, so that nobody waits for the porter on the way of a request.
#[derive(Debug)]
struct Stock(tokio::sync::Mutex<mpsc::Receiver<OwnedFd>>);

impl Inside {
    /// By the end of a porter's socket.
    ///
    /// # Errors
    /// Where it is no socket.
    pub fn new(porter: OwnedFd) -> io::Result<Self> {
        descriptors::wait_at_most(&porter, PORTER_WITHIN)?;
        Ok(Self { porter: Arc::new(Mutex::new(porter)), stocks: Default::default() })
    }

    /// Has the porter answer `end` from now on. Blocks for the answer.
    ///
    /// # Errors
    /// Where the porter is gone, or we did not start it.
    pub fn admit(&self, end: BorrowedFd<'_>) -> io::Result<()> {
        ask(&self.porter, Ask::Admit, &[end]).map(|_nothing| ())
    }

    /// Makes every address loopback in there: whatever is dialled comes to a listener in there, or to nobody. Blocks for the
    /// porter's answer.
    ///
    /// # Errors
    /// Where the porter is gone, or the kernel refuses.
    pub fn lead_everywhere(&self) -> io::Result<()> {
        ask(&self.porter, Ask::Everywhere, &[]).map(|_nothing| ())
    }

    /// Listens at `addr` in there. Blocks for the porter's answer; the listener does not block.
    ///
    /// # Errors
    /// [`ListenError`], which cannot say who is in the way: that is somebody in there.
    pub fn bind(&self, addr: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
        self.listen(addr, if addr.is_ipv4() { Ask::Tcp4(1) } else { Ask::Tcp6(1) })
    }

    /// As [`Inside::bind`], for an address of IPv4, by a socket that takes also what a rule of TPROXY leads to it.
    ///
    /// # Errors
    /// As [`Inside::bind`]; also where the porter may not make such a socket, or is one of before there were any.
    pub fn bind_led(&self, addr: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
        self.listen(addr, Ask::Led4(1))
    }

    fn listen(&self, addr: SocketAddr, asked: Ask) -> Result<std::net::TcpListener, ListenError> {
        let listener = || {
            let socket = Socket::from(self.one(asked)?);
            socket.set_reuse_address(true)?;
            if addr.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.bind(&addr.into())?;
            socket.listen(ACCEPT_QUEUE)?;
            Ok(socket.into())
        };
        listener().map_err(|source: Error| match source.kind() {
            ErrorKind::AddrInUse => ListenError::InUse { addr, holder: None },
            _ => ListenError::Refused { addr, source },
        })
    }

    /// A UDP socket at `addr` in there, also beside one at every address of the same port. Blocks for the porter's answer; the socket does not block.
    ///
    /// # Errors
    /// What the kernel says, or that the porter is gone.
    pub fn bind_udp(&self, addr: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::from(self.one(if addr.is_ipv4() { Ask::Udp4(1) } else { Ask::Udp6(1) })?);
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&addr.into())?;
        Ok(socket.into())
    }

    /// Dials `addr` in there, without Nagle's delay. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `TimedOut` after `within`; `NotConnected` where the porter is gone; else what the kernel says.
    pub async fn connect(&self, addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        let dialled = async {
            let socket = self.stock(addr).take().await?;
            let stream = TcpSocket::from_std_stream(socket.into()).connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        tokio::time::timeout(within, dialled).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, format!("no answer within {} ms", within.as_millis())))
        })
    }

    /// As [`Inside::connect`], for who dials now and then: asks the porter for this one socket, and blocks for its answer.
    ///
    /// # Errors
    /// As [`Inside::connect`].
    pub async fn connect_once(&self, addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
        let socket = self.one(if addr.is_ipv4() { Ask::Tcp4(1) } else { Ask::Tcp6(1) })?;
        let dialled = tokio::time::timeout(within, TcpSocket::from_std_stream(socket.into()).connect(addr)).await;
        dialled.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    fn stock(&self, addr: SocketAddr) -> &Stock {
        let (which, asked) =
            if addr.is_ipv4() { (0, Ask::Tcp4(SOCKETS_IN_STOCK)) } else { (1, Ask::Tcp6(SOCKETS_IN_STOCK)) };
        self.stocks[which].get_or_init(|| Stock::fill(Arc::clone(&self.porter), asked))
    }

    fn one(&self, asked: Ask) -> io::Result<OwnedFd> {
        let missing = || Error::new(ErrorKind::InvalidData, "the porter of this namespace gave no socket");
        ask(&self.porter, asked, &[])?.pop().ok_or_else(missing)
    }
}

impl Stock {
    /// A thread of its own asks, a handful at a time, and waits while nobody takes any.
    fn fill(porter: Arc<Mutex<OwnedFd>>, asked: Ask) -> Self {
        let (made, taken) = mpsc::channel(SOCKETS_IN_STOCK.into());
        let fill = move || {
            loop {
                let sockets = match ask(&porter, asked, &[]) {
                    Ok(sockets) => sockets,
                    Err(error) => return tracing::error!(%error, "there are no more sockets to reach the program with"),
                };
                for socket in sockets {
                    if made.blocking_send(socket).is_err() {
                        return; // nobody dials any more
                    }
                }
            }
        };
        // Without a thread the channel is closed, and dialling says so.
        if let Err(error) = std::thread::Builder::new().name("porter".to_owned()).spawn(fill) {
            tracing::error!(%error, "there is no thread to ask for sockets");
        }
        Self(tokio::sync::Mutex::new(taken))
    }

    async fn take(&self) -> io::Result<OwnedFd> {
        let gone = || Error::new(ErrorKind::NotConnected, "the porter of the program's namespace is gone");
        self.0.lock().await.recv().await.ok_or_else(gone)
    }
}

fn ask(porter: &Mutex<OwnedFd>, asked: Ask, along: &[BorrowedFd<'_>]) -> io::Result<Vec<OwnedFd>> {
    let porter = porter.lock().unwrap_or_else(PoisonError::into_inner);
    let gone = || Error::new(ErrorKind::NotConnected, "the porter of this namespace is gone");
    let answer = descriptors::send(porter.as_fd(), &asked.bytes(), along)
        .and_then(|()| descriptors::receive(porter.as_fd(), ANSWER_BYTES_MAX))
        .and_then(|answer| answer.ok_or_else(gone));
    let Message { bytes, descriptors } = answer.inspect_err(|_| {
        // An answer that comes late must not be taken for that to the next question.
        let _ = rustix::net::shutdown(porter.as_fd(), rustix::net::Shutdown::Both);
    })?;
    match bytes.split_first() {
        Some((&GIVEN, _)) => Ok(descriptors),
        Some((_, why)) => Err(Error::other(String::from_utf8_lossy(why).into_owned())),
        None => Err(gone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_parses_is_said_with_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4)) {
            if let Some(ask) = Ask::parse(&bytes) {
                prop_assert_eq!(&ask.bytes()[..], &bytes[..]);
            }
        }
    }

    #[tokio::test]
    async fn a_porter_that_is_gone_or_refuses_is_told_apart_from_a_program_that_is() {
        let (ours, porter) = descriptors::pair().unwrap();
        let inside = Inside::new(ours).unwrap();
        descriptors::send(&porter, b"-out of descriptors", &[]).unwrap();
        let refused = inside.bind_udp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap_err();
        assert_eq!(refused.to_string(), "out of descriptors");
        drop(porter);
        let addr = SocketAddr::from(([127, 0, 0, 1], 9));
        let gone = inside.connect(addr, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotConnected);
        assert!(matches!(inside.bind(addr), Err(ListenError::Refused { .. })));
    }
}
