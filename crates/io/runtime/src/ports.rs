//! Free ports on loopback for the parts of a fleet.

use bartizan_crypto::random;
use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::ops::Range;
use tokio::net::TcpSocket;

/// Lowest port handed out: above those that services are known by.
const LOWEST: u32 = 20_000;
/// Where the kernel's range begins if it does not say: its default.
const EPHEMERAL_DEFAULT: u32 = 32_768;

/// Ports of one block. The first one is not handed out: whoever holds it has the block.
const BLOCK: u32 = 64;

/// Ports chosen together, and the claim on them.
#[derive(Debug)]
pub struct Claimed {
    /// The ports, each free a moment ago.
    pub ports: Vec<u16>,
    /// While these sockets are there, nobody else who chooses here is given the same ports. They do not listen.
    pub claims: Vec<TcpSocket>,
}

/// `count` different ports on 127.0.0.1, each free a moment ago, that no other caller is given while the claims are held.
///
/// They come from below the range out of which the kernel serves outgoing connections: a port of that range could be
/// taken by any `connect` between this choice and the `bind`. The search begins at a random block.
///
/// # Errors
/// `AddrNotAvailable` where there are not so many.
pub fn claim_loopback_ports(count: usize) -> Result<Claimed> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let candidates = candidates(&range);
    let blocks = (candidates.end - candidates.start) / BLOCK;
    let from = u32::try_from(random::u64() % u64::from(blocks)).expect("less than 65,536");
    let mut claimed = Claimed { ports: Vec::with_capacity(count), claims: Vec::new() };
    for offset in 0..blocks {
        if claimed.ports.len() == count {
            break;
        }
        let first = candidates.start + (from + offset) % blocks * BLOCK;
        let Ok(claim) = hold(first) else { continue };
        let free = (first + 1..first + BLOCK).filter(|port| hold(*port).is_ok());
        let left = count - claimed.ports.len();
        claimed.ports.extend(free.map(|port| u16::try_from(port).expect("the candidates end at 65,535")).take(left));
        claimed.claims.push(claim);
    }
    if claimed.ports.len() < count {
        let text = format!(
            "only {} of {count} ports between {} and {} are free",
            claimed.ports.len(),
            candidates.start,
            candidates.end - 1
        );
        return Err(Error::new(ErrorKind::AddrNotAvailable, text));
    }
    Ok(claimed)
}

fn hold(port: u32) -> Result<TcpSocket> {
    let port = u16::try_from(port).map_err(Error::other)?;
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

/// Ports to try, given the kernel's range as its file has it (`32768\t60999`).
fn candidates(ephemeral: &str) -> Range<u32> {
    let mut numbers = ephemeral.split_ascii_whitespace().map(str::parse::<u32>);
    let low = numbers.next().and_then(std::result::Result::ok).unwrap_or(EPHEMERAL_DEFAULT);
    let high = numbers.next().and_then(std::result::Result::ok).unwrap_or(u32::from(u16::MAX));
    // Room for the largest demand (a mesh port and some outbound ports per service) decides which side to take.
    const ROOM: u32 = 4_000;
    if low >= LOWEST + ROOM {
        LOWEST..low.min(65_536)
    } else if high < 65_536 - ROOM {
        high + 1..65_536
    } else {
        // Nothing is outside worth having; the check by binding remains.
        LOWEST..65_536
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_outside_the_range_of_outgoing_connections() {
        for (range, expected) in [
            ("32768\t60999\n", 20_000..32_768),
            ("", 20_000..32_768),
            ("1024\t40000", 40_001..65_536),
            ("1024\t65535", 20_000..65_536),
        ] {
            assert_eq!(candidates(range), expected, "{range:?}");
        }
    }
}
