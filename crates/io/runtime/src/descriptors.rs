//! Descriptors handed from process to process over a Unix socket (`SCM_RIGHTS`, unix(7)), with a few bytes that say what they are.

use crate::limits::{DESCRIPTORS_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Two ends that keep the borders of messages (`SOCK_SEQPACKET`); closed on `exec`.
///
/// # Errors
/// What the kernel says; out of descriptors, most likely.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The same as a stream: what a child reads on its standard input until that ends.
///
/// # Errors
/// What the kernel says; out of descriptors, most likely.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Bounds how long one end waits for the other.
///
/// # Errors
/// Where it is no socket.
pub fn wait_at_most(socket: impl AsFd, within: Duration) -> Result<()> {
    for which in [rustix::net::sockopt::Timeout::Recv, rustix::net::sockopt::Timeout::Send] {
        rustix::net::sockopt::set_socket_timeout(socket.as_fd(), which, Some(within))?;
    }
    Ok(())
}

/// One message: what was said, and the descriptors that came with it.
#[derive(Debug, Default)]
pub struct Message {
    /// At most [`MESSAGE_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
    /// At most [`DESCRIPTORS_PER_MESSAGE_MAX`], closed on `exec`.
    pub descriptors: Vec<OwnedFd>,
}

/// Sends one message. Blocks while the other end's queue is full.
///
/// # Errors
/// `InvalidInput` for a message that is empty or too large, `BrokenPipe` where the other end is gone.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    if bytes.is_empty() || bytes.len() > MESSAGE_BYTES_MAX || descriptors.len() > DESCRIPTORS_PER_MESSAGE_MAX {
        return Err(Error::new(ErrorKind::InvalidInput, "the message is empty or too large"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE_MAX))];
    loop {
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Error::new(ErrorKind::InvalidInput, "too many descriptors"));
        }
        match rustix::net::sendmsg(socket.as_fd(), &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(sent) if sent == bytes.len() => return Ok(()),
            Ok(_) => return Err(Error::new(ErrorKind::WriteZero, "the message was cut short")),
        }
    }
}

/// Takes one message of at most `bytes_max` bytes; on a stream, at most as many as came with one set of descriptors. `None` once
/// the other end is gone.
///
/// # Errors
/// `InvalidData` where it was longer, or held more descriptors than are taken; those are closed then.
pub fn receive(socket: impl AsFd, bytes_max: usize) -> Result<Option<Message>> {
    let mut bytes = vec![0; bytes_max.min(MESSAGE_BYTES_MAX)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE_MAX))];
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received = rustix::net::recvmsg(socket.as_fd(), &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(Error::new(ErrorKind::InvalidData, "the message is longer than agreed"));
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        bytes.truncate(received.bytes);
        return Ok(Some(Message { bytes, descriptors }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn refuses_what_is_too_large_or_from_nobody() {
        let (ours, theirs) = pair().unwrap();
        assert_eq!(send(&ours, b"", &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
        let long = vec![1; MESSAGE_BYTES_MAX + 1];
        assert_eq!(send(&ours, &long, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
        let many = vec![ours.as_fd(); DESCRIPTORS_PER_MESSAGE_MAX + 1];
        assert_eq!(send(&ours, b"x", &many).unwrap_err().kind(), ErrorKind::InvalidInput);
        send(&ours, b"longer than asked for", &[]).unwrap();
        assert_eq!(receive(&theirs, 4).unwrap_err().kind(), ErrorKind::InvalidData);
        wait_at_most(&theirs, Duration::from_millis(20)).unwrap();
        assert_eq!(receive(&theirs, 4).unwrap_err().kind(), ErrorKind::WouldBlock, "nothing came in time");
        drop(theirs);
        assert_eq!(send(&ours, b"x", &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(receive(&ours, 4).unwrap().is_none());
    }

    #[test]
    fn hands_over_descriptors_that_work() {
        let (ours, theirs) = pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        send(&ours, b"take", &[far.as_fd()]).unwrap();
        drop(far);
        let mut message = receive(&theirs, 16).unwrap().unwrap();
        assert_eq!((message.bytes.as_slice(), message.descriptors.len()), (&b"take"[..], 1));
        let mut far = UnixStream::from(message.descriptors.remove(0));
        far.write_all(b"hello").unwrap();
        let mut text = [0; 5];
        near.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    }
}
