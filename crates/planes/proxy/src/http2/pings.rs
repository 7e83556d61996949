//! Asks a client of HTTP/2 now and then whether it is there: a connection whose other end is gone says nothing by itself.

use crate::alarm::Alarm;
use crate::limits;
use h2::{Ping, PingPong};
use std::task::{Context, Poll};

/// The questions of one connection.
#[derive(Debug)]
pub(super) struct Pings {
    by: PingPong,
    due: Alarm,
    /// Asked, and not answered yet.
    asked: bool,
}

impl Pings {
    /// The first one is asked in [`limits::H2_PING`].
    pub(super) fn new(by: PingPong, due: Alarm) -> Self {
        due.set(limits::H2_PING);
        Self { by, due, asked: false }
    }

    /// Ready once the client did not answer in time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked && self.by.poll_pong(cx).is_ready() {
            self.asked = false;
            self.due.set(limits::H2_PING);
        }
        while self.due.poll(cx).is_ready() {
            if self.asked {
                return Poll::Ready(());
            }
            self.due.set(limits::H2_PING);
            // A connection that is over takes none, and says so by itself.
            self.asked = self.by.send_ping(Ping::opaque()).is_ok() && self.by.poll_pong(cx).is_pending();
        }
        Poll::Pending
    }
}
