//! A connection to a receiver of syslog. Such a receiver confirms nothing: whether it still listens is seen at what comes back, which is
//! an end, an alert, or nothing.
//!
//! What was written last is kept, and written again where the connection turns out to have ended: it may have lain in a buffer that
//! nobody read. So a receiver gets it twice rather than not at all.

use super::wire::{self, Wire, write};
use crate::limits::OUTPUT_SETTLE;
use bartizan_core::outputs::Stream;
use bartizan_runtime::tls::WebClient;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// The way to one receiver.
pub(super) struct Line {
    to: Stream,
    tls: Option<WebClient>,
    open: Option<Box<dyn Wire>>,
    last: Vec<u8>,
}

impl Line {
    pub(super) fn new(to: Stream, tls: Option<WebClient>) -> Self {
        Self { to, tls, open: None, last: Vec::new() }
    }

    /// What nobody is sure of, for the line that follows this one.
    pub(super) fn into_unsure(self) -> Vec<u8> {
        self.last
    }

    /// Begins with what the line before was not sure of.
    pub(super) fn resume(&mut self, unsure: Vec<u8>) {
        self.last = unsure;
    }

    /// Writes `frames`, on a connection that is open as far as can be seen.
    ///
    /// # Errors
    /// Why they have to be sent again, on another line.
    pub(super) async fn send(&mut self, frames: Vec<u8>) -> Result<(), String> {
        let mut open = self.open.take();
        if let Some(wire) = &mut open
            && ended(wire, Duration::ZERO).await.is_some()
        {
            open = None;
        }
        let mut wire = match open {
            Some(wire) => wire,
            None => {
                let mut wire = self.dial().await?;
                if !self.last.is_empty() {
                    write(&mut wire, &self.last).await?;
                    // Else it would be forgotten with what follows, where this one ends as well.
                    self.settle(&mut wire).await?;
                }
                wire
            }
        };
        write(&mut wire, &frames).await?;
        self.last = frames;
        self.open = Some(wire);
        Ok(())
    }

    async fn dial(&self) -> Result<Box<dyn Wire>, String> {
        let mut wire = wire::dial(&self.to.host, self.to.port, self.tls.as_ref()).await?;
        if self.tls.is_some() {
            // In TLS 1.3 our end is done before the other has looked at our certificate, or missed it.
            self.settle(&mut wire).await?;
        }
        Ok(wire)
    }

    /// Gives the receiver the time to say no.
    async fn settle(&self, wire: &mut Box<dyn Wire>) -> Result<(), String> {
        ended(wire, OUTPUT_SETTLE).await.map_or(Ok(()), Err)
    }
}

/// Why nobody listens there any more, where that shows `within` a time.
async fn ended(wire: &mut (impl Wire + ?Sized), within: Duration) -> Option<String> {
    let mut said = [0; 256];
    let listening = async {
        loop {
            match wire.read(&mut said).await {
                Ok(0) => return "the receiver has closed the connection".to_owned(),
                Ok(_) => {} // whatever it says, no protocol gives it a meaning
                Err(error) => return format!("the receiver ended the connection: {error}"),
            }
        }
    };
    tokio::time::timeout(within, listening).await.ok()
}
