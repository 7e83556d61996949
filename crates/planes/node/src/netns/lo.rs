//! Loopback comes into being switched off. One rtnetlink message switches it on (rtnetlink(7)); others are said the same way.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io::{Error, ErrorKind, Result};

/// `RTM_NEWLINK` of linux/rtnetlink.h.
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK` of linux/netlink.h.
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
/// `NLMSG_ERROR` of linux/netlink.h, which an acknowledgement is too.
const ERROR: u16 = 2;
/// `IFF_UP` of linux/if.h.
const UP: u32 = 1;
/// Loopback is the first interface of every namespace.
pub(super) const LOOPBACK: u32 = 1;
/// Bytes of a message: its header (16) and `struct ifinfomsg` (16).
const BYTES: u32 = 32;

/// Switches loopback on in the namespace of this thread.
pub(super) fn up() -> Result<()> {
    say(&message())
}

/// Says one message to the kernel, and hears its verdict.
pub(super) fn say(message: &[u8]) -> Result<()> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sendto(&socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (_, bytes) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    verdict(&answer[..bytes])
}

fn message() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES as usize);
    bytes.extend(BYTES.to_ne_bytes());
    bytes.extend(NEW_LINK.to_ne_bytes());
    bytes.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    bytes.extend([0; 8]); // sequence number and port: one question, one answer
    bytes.extend([0; 4]); // family and type: any
    bytes.extend(LOOPBACK.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes());
    bytes.extend(UP.to_ne_bytes()); // of all flags, only this one changes
    bytes
}

/// After the header of an acknowledgement stands 0 or a negative error number.
fn verdict(answer: &[u8]) -> Result<()> {
    let malformed = || Error::new(ErrorKind::InvalidData, "the kernel answered with something else");
    let kind = answer.get(4..6).and_then(|at| at.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(16..20).and_then(|at| at.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(code)) => Err(Error::from_raw_os_error(code.saturating_neg())),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_acknowledgement_is_none() {
        let mut answer = [0_u8; 20];
        assert_eq!(verdict(&answer).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(verdict(&answer[..7]).unwrap_err().kind(), ErrorKind::InvalidData);
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        verdict(&answer).unwrap();
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(verdict(&answer).unwrap_err().raw_os_error(), Some(1));
        assert_eq!(message().len(), BYTES as usize);
    }
}
