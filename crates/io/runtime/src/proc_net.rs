//! Reads the kernel's tables of TCP sockets, and who holds one (proc(5)).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// State of an open connection in the tables (`TCP_ESTABLISHED`).
const ESTABLISHED: &str = "01";
/// State of a listening socket in the tables (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// One listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Number of the socket, for [`holder`].
    pub inode: u64,
}

/// An open connection, seen from the end whose socket this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Number of the socket, for [`holder`].
    pub inode: u64,
}

/// Every open TCP connection of this network namespace, once for each end that is on this machine; empty where /proc is
/// closed to us.
pub fn open() -> Vec<Open> {
    let read =
        |path: &&str| fs::read_to_string(path).unwrap_or_default().lines().filter_map(parse_open).collect::<Vec<_>>();
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(read).collect()
}

fn parse_open(line: &str) -> Option<Open> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != ESTABLISHED {
        return None;
    }
    let (local, remote) = (parse_addr(fields[1])?, parse_addr(fields[2])?);
    Some(Open { local, remote, inode: fields.get(9)?.parse().ok()? })
}

fn parse_addr(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    Some(SocketAddr::new(parse_ip(ip)?, u16::from_str_radix(port, 16).ok()?))
}

/// Every listening TCP socket of this network namespace; empty where /proc is closed to us.
pub fn listening() -> Vec<Listening> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| {
            fs::read_to_string(path).unwrap_or_default().lines().filter_map(parse_line).collect::<Vec<_>>()
        })
        .collect()
}

/// `  0: 0100007F:1BBE 00000000:0000 0A ... uid timeout inode ...`
fn parse_line(line: &str) -> Option<Listening> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let addr = parse_addr(fields[1])?;
    Some(Listening { addr, inode: fields.get(9)?.parse().ok()? })
}

/// The kernel prints an address as 32-bit words in the machine's own byte order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (i, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(8 * i)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The processes that hold the sockets with these inodes, as pid and name, in one walk over those that we may look at.
pub fn holders(inodes: &HashSet<u64>) -> HashMap<u64, (u32, String)> {
    let mut found = HashMap::new();
    let Ok(all) = fs::read_dir("/proc") else { return found };
    for pid in all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for fd in fds.flatten() {
            let Ok(to) = fs::read_link(fd.path()) else { continue };
            let inode = to.to_str().and_then(|to| to.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                found.insert(inode, (pid, name.trim().to_owned()));
            }
        }
    }
    found
}

/// The process that holds the socket with this inode, as pid and name, where we may look: our own user's processes,
/// or everybody's as root.
pub fn holder(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        if fds.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_lines_as_the_kernel_writes_them() {
        let v4 =
            "   0: 0100007F:1BBE 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0";
        assert_eq!(parse_line(v4), Some(Listening { addr: "127.0.0.1:7102".parse().unwrap(), inode: 4711 }));
        let v6 =
            "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 12 1";
        assert_eq!(parse_line(v6), Some(Listening { addr: "[::1]:80".parse().unwrap(), inode: 12 }));
        let mapped =
            "   2: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 13 1";
        assert_eq!(parse_line(mapped).unwrap().addr, "127.0.0.1:80".parse().unwrap());
        let open = v4.replace("00000000:0000 0A", "0100007F:D431 01");
        let (local, remote) = ("127.0.0.1:7102".parse().unwrap(), "127.0.0.1:54321".parse().unwrap());
        assert_eq!(parse_open(&open), Some(Open { local, remote, inode: 4711 }));
        assert_eq!(parse_open(v4), None, "it listens");
        for line in ["", "  sl  local_address rem_address   st", &v4.replace(" 0A ", " 01 "), "0: 01:1 2 0A"] {
            assert_eq!(parse_line(line), None, "{line:?}");
        }
    }
}
