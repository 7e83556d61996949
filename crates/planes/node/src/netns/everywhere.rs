//! Every address is loopback: whatever a program in the namespace dials comes to a listener in there, or to nobody. Two rtnetlink
//! messages (rtnetlink(7)), the same as `ip route add local default dev lo` for each family.
//!
//! Nothing leaves by it that did not before: there is no other interface. What changes is that a guard can hear of an attempt.

use super::lo;
use rustix::io::Errno;
use std::io::Result;

/// `RTM_NEWROUTE` of linux/rtnetlink.h.
const NEW_ROUTE: u16 = 24;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_EXCL | NLM_F_CREATE` of linux/netlink.h.
const CREATE: u16 = 1 | 4 | 0x200 | 0x400;
/// `RT_TABLE_LOCAL`, `RTPROT_BOOT`, `RT_SCOPE_HOST`, `RTN_LOCAL` of linux/rtnetlink.h.
const LOCAL_ROUTE: [u8; 4] = [255, 3, 254, 2];
/// `RTA_OIF` of linux/rtnetlink.h: the interface, behind its length and kind.
const INTERFACE: [u16; 2] = [8, 4];
/// Bytes of a message: its header (16), `struct rtmsg` (12) and the interface (8).
const BYTES: u32 = 36;
/// `AF_INET` and `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];
/// The guard listens at the ports that programs dial, 53 and 443 among them, and need not be root for it.
const PORTS_FOR_ALL: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Makes it so in the namespace of this thread. Doing it again changes nothing.
pub(super) fn lead() -> Result<()> {
    for family in FAMILIES {
        match lo::say(&message(family)) {
            Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            // A kernel without IPv6 has nothing to lead.
            Err(_) if family != FAMILIES[0] => {}
            led => led?,
        }
    }
    // Where that is not to be had, a guard that is not root hears of nothing at low ports; it is kept from them all the same.
    let _ = std::fs::write(PORTS_FOR_ALL, "0");
    Ok(())
}

fn message(family: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES as usize);
    bytes.extend(BYTES.to_ne_bytes());
    bytes.extend(NEW_ROUTE.to_ne_bytes());
    bytes.extend(CREATE.to_ne_bytes());
    bytes.extend([0; 8]); // sequence number and port: one question, one answer
    bytes.extend([family, 0, 0, 0]); // to everywhere, from anywhere
    bytes.extend(LOCAL_ROUTE);
    bytes.extend([0; 4]); // flags
    INTERFACE.iter().for_each(|half| bytes.extend(half.to_ne_bytes()));
    bytes.extend(lo::LOOPBACK.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_says() {
        for family in FAMILIES {
            assert_eq!(message(family).len(), BYTES as usize);
        }
    }
}
