//! When to stop: a signal, or a parent that went away. Until then it may say more, with descriptors.

use crate::descriptors::{self, Message};
use crate::limits::{FIRST_LINE_BYTES_MAX, PARENT_MESSAGES_MAX};
use bartizan_core::Secret;
use rustix::io::Errno;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// A token that SIGINT or SIGTERM cancels. Further signals change nothing: the stop is under way, in bounded time.
///
/// Must be called within a tokio runtime; listens for as long as that runtime lives.
pub fn on_signals() -> CancellationToken {
    let token = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        match signal(kind) {
            Ok(mut arrivals) => {
                let token = token.clone();
                tokio::spawn(async move {
                    while arrivals.recv().await.is_some() {
                        token.cancel();
                    }
                });
            }
            // The signal then ends the process at once, which is the kernel's default.
            Err(error) => tracing::warn!(%error, ?kind, "cannot listen for a signal"),
        }
    }
    token
}

/// Cancels `token` once standard input ends, as it does when the process that holds its other end is gone.
/// What comes before the end is thrown away. A thread of its own waits; it ends with the process.
pub fn when_parent_goes(token: CancellationToken) {
    std::thread::spawn(move || watch(std::io::stdin(), &token));
}

/// Reads the first line of standard input (a ticket or token that the parent hands over), then watches as
/// [`when_parent_goes`] does.
///
/// # Errors
/// `UnexpectedEof` where the input ends first, `InvalidData` where the line is cut short, longer than
/// [`FIRST_LINE_BYTES_MAX`], not UTF-8 or empty. `token` is cancelled then.
pub async fn first_line_then_watch(token: CancellationToken) -> Result<Secret<String>> {
    line_then_watch(std::io::stdin(), token, mandatory, None).await
}

/// The same where standard input may be a Unix socket: what comes after the line, a byte with its descriptors each time, is
/// handed on. From a pipe nothing comes.
///
/// # Errors
/// As for [`first_line_then_watch`].
pub async fn first_line_then_hear(token: CancellationToken) -> Result<(Secret<String>, mpsc::Receiver<Message>)> {
    let (tell, heard) = mpsc::channel(PARENT_MESSAGES_MAX);
    let line = line_then_watch(std::io::stdin(), token, mandatory, Some(tell)).await?;
    Ok((line, heard))
}

/// The same where the parent may have nothing to hand over: `None` where the line is empty, or the input ends at once.
///
/// # Errors
/// `InvalidData` as for [`first_line_then_watch`].
pub async fn first_line_if_any_then_watch(token: CancellationToken) -> Result<Option<Secret<String>>> {
    line_then_watch(std::io::stdin(), token, optional, None).await
}

type Line = Result<Option<Secret<String>>>;

fn mandatory(line: Line) -> Result<Secret<String>> {
    line?.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the first line of standard input is empty"))
}

fn optional(line: Line) -> Line {
    match line {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        line => line,
    }
}

async fn line_then_watch<T: Send + 'static>(
    input: impl AsFd + Send + 'static,
    token: CancellationToken,
    judge: fn(Line) -> Result<T>,
    tell: Option<mpsc::Sender<Message>>,
) -> Result<T> {
    let (tx, rx) = oneshot::channel();
    // Not tokio's standard input: its thread cannot be left behind when the runtime shuts down.
    std::thread::spawn(move || {
        let line = judge(first_line(&input));
        let failed = line.is_err();
        // Nobody waits any more where the caller gave up; watching goes on.
        let _ = tx.send(line);
        if failed {
            return token.cancel();
        }
        if let Some(tell) = tell {
            hear(&input, &tell);
        }
        watch(input, &token);
    });
    rx.await.unwrap_or_else(|_| Err(Error::other("the reading thread ended")))
}

/// `None` where it is empty. Byte by byte and without a buffer of its own, so that the secret is in one place, which
/// [`Secret`] wipes.
fn first_line(input: &impl AsFd) -> Line {
    let mut line = Vec::with_capacity(FIRST_LINE_BYTES_MAX); // never grows, so never leaves a copy behind
    loop {
        let mut byte = [0];
        match rustix::io::read(input, &mut byte) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) if line.is_empty() => {
                return Err(Error::new(ErrorKind::UnexpectedEof, "standard input ended before its first line"));
            }
            Ok(0) => {
                return Err(Error::new(ErrorKind::InvalidData, "standard input ended within its first line"));
            }
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() == FIRST_LINE_BYTES_MAX => {
                let text = format!("the first line of standard input is longer than {FIRST_LINE_BYTES_MAX} bytes");
                return Err(Error::new(ErrorKind::InvalidData, text));
            }
            Ok(_) => line.push(byte[0]),
        }
    }
    match String::from_utf8(line) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(_) => Err(Error::new(ErrorKind::InvalidData, "the first line of standard input is not UTF-8")),
    }
}

/// Hands on what comes until the end, or until it turns out to be no socket.
fn hear(input: &impl AsFd, tell: &mpsc::Sender<Message>) {
    while let Ok(Some(message)) = descriptors::receive(input, 1) {
        if tell.blocking_send(message).is_err() {
            return; // nobody listens any more
        }
    }
}

/// Reads to the end, then cancels. An error is an end too: a parent that cannot be watched is treated as gone.
fn watch(input: impl AsFd, token: &CancellationToken) {
    let mut thrown_away = [0; 256];
    loop {
        match rustix::io::read(&input, &mut thrown_away) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return token.cancel(),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn a_signal_cancels_and_does_not_kill() {
        for kind in [Signal::TERM, Signal::INT] {
            let token = on_signals();
            assert!(!token.is_cancelled());
            kill_process(getpid(), kind).unwrap();
            token.cancelled().await;
        }
    }

    #[tokio::test]
    async fn hands_out_the_first_line_and_cancels_when_the_parent_goes() {
        let (mut parent, child) = UnixStream::pair().unwrap();
        let token = CancellationToken::new();
        parent.write_all(b"ticket-1\nmore\n").unwrap();
        let line = line_then_watch(child, token.clone(), mandatory, None).await.unwrap();
        assert_eq!(line.expose(), "ticket-1");
        assert!(!token.is_cancelled());
        drop(parent);
        token.cancelled().await;
    }

    #[tokio::test]
    async fn what_comes_after_the_line_is_handed_on_with_its_descriptors() {
        let (parent, child) = descriptors::stream_pair().unwrap();
        let (token, (tell, mut heard)) = (CancellationToken::new(), mpsc::channel(4));
        let (_ours, theirs) = descriptors::pair().unwrap();
        descriptors::send(&parent, b"ticket-1\n", &[]).unwrap();
        descriptors::send(&parent, b"p", &[theirs.as_fd()]).unwrap();
        descriptors::send(&parent, b"s", &[]).unwrap();
        let line = line_then_watch(child, token.clone(), mandatory, Some(tell)).await.unwrap();
        assert_eq!(line.expose(), "ticket-1");
        let (first, second) = (heard.recv().await.unwrap(), heard.recv().await.unwrap());
        assert_eq!((first.bytes.as_slice(), first.descriptors.len()), (&b"p"[..], 1));
        assert_eq!((second.bytes.as_slice(), second.descriptors.len()), (&b"s"[..], 0));
        drop(parent);
        token.cancelled().await;
        assert!(heard.recv().await.is_none());
    }

    #[tokio::test]
    async fn refuses_a_first_line_that_is_no_ticket() {
        for (bytes, why) in [
            (b"".to_vec(), "no line at all"),
            (b"cut".to_vec(), "no newline"),
            (b"\n".to_vec(), "empty"),
            (b"\xff\n".to_vec(), "not UTF-8"),
            (vec![b'x'; FIRST_LINE_BYTES_MAX + 1], "too long"),
        ] {
            let (mut parent, child) = UnixStream::pair().unwrap();
            let token = CancellationToken::new();
            parent.write_all(&bytes).unwrap();
            drop(parent);
            assert!(line_then_watch(child, token.clone(), mandatory, None).await.is_err(), "accepted, though {why}");
            token.cancelled().await;
        }
    }

    #[tokio::test]
    async fn a_parent_may_have_nothing_to_hand_over() {
        for (bytes, line) in [(&b""[..], Some(None)), (b"\n", Some(None)), (b"t\n", Some(Some("t"))), (b"cut", None)] {
            let (mut parent, child) = UnixStream::pair().unwrap();
            let token = CancellationToken::new();
            parent.write_all(bytes).unwrap();
            let waiting = (bytes == b"\n").then(|| parent.try_clone().unwrap());
            drop(parent);
            let got = line_then_watch(child, token.clone(), optional, None).await.ok();
            assert_eq!(got.as_ref().map(|it| it.as_ref().map(|it| it.expose().as_str())), line, "{bytes:?}");
            assert!(waiting.is_none() || !token.is_cancelled(), "an empty line is no end");
            drop(waiting);
            token.cancelled().await;
        }
    }
}
