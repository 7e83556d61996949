//! What one attempt to go out came to: counted and written as an event at its end, on every way out of the code.

use super::judge::Asked;
use super::way::Way;
use crate::counters::as_us;
use bartizan_core::egress::Refusal;
use bartizan_core::event::{Egress, Outcome, SeenBy, What};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::time::Instant;

/// One attempt. Dropping it writes it as cut off.
#[derive(Debug)]
pub(super) struct Trip {
    way: Rc<Way>,
    began: Instant,
    asked: Option<Asked>,
    port: u16,
    protocol: &'static str,
    at: Option<SocketAddr>,
    learned: bool,
    first: bool,
    done: bool,
}

impl Trip {
    /// Begins.
    pub(super) fn to(way: &Rc<Way>, asked: Option<Asked>, port: u16, protocol: &'static str) -> Self {
        let (way, began) = (Rc::clone(way), Instant::now());
        Self { way, began, asked, port, protocol, at: None, learned: false, first: false, done: false }
    }

    /// What it turned out to be for.
    pub(super) fn found_to_be_for(mut self, asked: Asked) -> Self {
        self.asked = Some(asked);
        self
    }

    /// What turned out to be spoken.
    pub(super) fn speaks(&mut self, protocol: &'static str) {
        self.protocol = protocol;
    }

    /// It is connected. A destination that is new is told of at once: who goes there may stay for hours.
    pub(super) fn opened(&mut self, at: SocketAddr, learned: bool) {
        (self.at, self.port, self.learned) = (Some(at), at.port(), learned);
        let name = self.asked.as_ref().map_or_else(|| at.ip().to_string(), Asked::text);
        self.first = self.way.proxy.egress.is_new(&name, at.port());
        if self.first {
            self.write(Outcome::Opened, 0, 0, None);
            self.first = false; // said once
        }
    }

    /// Not let through.
    pub(super) fn refused(mut self, refusal: Refusal, detail: Option<&str>) {
        self.done = true;
        self.way.proxy.egress.refused(refusal);
        self.write(Outcome::Refused(refusal), 0, 0, detail);
    }

    /// Let through, and nobody answered.
    pub(super) fn failed(mut self, error: &str) {
        self.done = true;
        self.way.proxy.egress.failed();
        self.write(Outcome::Failed, 0, 0, Some(error));
    }

    /// Over.
    pub(super) fn closed(mut self, bytes_up: u64, bytes_down: u64, error: Option<&str>) {
        self.done = true;
        self.way.proxy.egress.passed(self.learned, bytes_up, bytes_down);
        self.write(Outcome::Closed, bytes_up, bytes_down, error);
    }

    fn write(&self, outcome: Outcome, bytes_up: u64, bytes_down: u64, error: Option<&str>) {
        let host = match &self.asked {
            Some(Asked::Name(host)) => Some(host.as_str().into()),
            _ => None,
        };
        let asked = match &self.asked {
            Some(Asked::Address(address)) => Some(*address),
            _ => None,
        };
        let event = Egress {
            host,
            address: self.at.map(|at| at.ip()).or(asked),
            port: self.port,
            protocol: self.protocol.into(),
            outcome,
            first: self.first,
            learned: self.learned,
            bytes_up,
            bytes_down,
            took_us: as_us(self.began.elapsed()),
            error: error.map(Into::into),
        };
        self.way.proxy.events.offer(SeenBy::Outbound, None, What::Egress(event));
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if self.at.is_some() {
            self.way.proxy.egress.passed(self.learned, 0, 0);
            self.write(Outcome::Closed, 0, 0, Some("cut_off"));
        } else {
            self.way.proxy.egress.failed();
            self.write(Outcome::Failed, 0, 0, Some("given_up"));
        }
    }
}
