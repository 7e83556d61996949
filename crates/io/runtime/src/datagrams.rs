//! UDP, for what can be said in one datagram, and how many the kernel threw away before anybody read them.

use crate::limits;
use crate::listen::ListenError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Takes datagrams at `addr`. Must be called within a tokio runtime.
///
/// # Errors
/// [`ListenError`].
pub fn bind(addr: SocketAddr) -> Result<UdpSocket, ListenError> {
    let bound = socket(addr).and_then(UdpSocket::from_std);
    bound.map_err(|source| ListenError::Refused { addr, source })
}

fn socket(addr: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // The kernel gives what it is allowed to; what does not fit is counted.
    socket.set_recv_buffer_size(limits::DATAGRAM_BUFFER_BYTES)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Datagrams to this local port that nobody had room for, a count since it was bound: the last column of `/proc/net/udp` and `udp6`. 0 where the
/// kernel does not say.
pub fn thrown_away(port: u16) -> u64 {
    let count = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().skip(1).filter_map(|line| of_port(line, port)).sum::<u64>()
    };
    count("/proc/net/udp") + count("/proc/net/udp6")
}

/// `  12: 0100007F:1F90 00000000:0000 07 … 2 0000000000000000 3`
fn of_port(line: &str, port: u16) -> Option<u64> {
    let mut words = line.split_whitespace();
    let (_, local) = words.nth(1)?.rsplit_once(':')?;
    let drops = words.next_back()?;
    (u16::from_str_radix(local, 16).ok()? == port).then(|| drops.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = "  482: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 41417 2 0000000000000000 37";
        assert_eq!(of_port(line, 5514), Some(37));
        assert_eq!((of_port(line, 5515), of_port("", 1), of_port("a b c", 1)), (None, None, None));
    }
}
