//! Connections from the others.

use crate::driver::Ask;
use crate::group::Ends;
use crate::limits::{CONNECTIONS_MAX, FRAME_BYTES_MAX, HANDSHAKE_WITHIN, HELLO_BYTES_MAX, SILENCE};
use crate::wire::{self, decode, decode_hello};
use arc_swap::ArcSwap;
use bartizan_consensus::{Member, Members};
use bartizan_runtime::{listen, tls};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Lets the others in.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) group: Arc<str>,
    pub(crate) members: Members,
    pub(crate) ends: Arc<ArcSwap<Ends>>,
    pub(crate) judge: tls::Judge<()>,
    pub(crate) asks: mpsc::Sender<Ask>,
}

impl Door {
    /// Serves until `stop` fires or nobody hears what is said. Connections end with it.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let accepting = async {
            loop {
                let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
                let Some((socket, remote)) = listen::accept(&listener).await else { continue };
                while connections.try_join_next().is_some() {}
                let door = self.clone();
                connections.spawn(async move {
                    if let Err(error) = door.hear(socket).await {
                        tracing::warn!(%remote, %error, "a connection of another member ended");
                    }
                    drop(slot);
                });
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.asks.closed() => {}
            () = accepting => {}
        }
    }

    async fn hear(&self, socket: TcpStream) -> io::Result<()> {
        let server = self.ends.load().server.clone();
        let accepted = server.accept(socket, Arc::clone(&self.judge), HANDSHAKE_WITHIN).await;
        let mut stream = accepted.map_err(io::Error::other)?.stream;
        let hello = timeout(HANDSHAKE_WITHIN, wire::read(&mut stream, HELLO_BYTES_MAX)).await??;
        let from = self.admit(&hello).map_err(io::Error::other)?;
        loop {
            let body = timeout(SILENCE, wire::read(&mut stream, FRAME_BYTES_MAX)).await??;
            let letter = decode(&body).ok_or_else(|| io::Error::other("a frame is no letter"))?;
            if self.asks.send(Ask::Heard { from, letter }).await.is_err() {
                return Ok(()); // we are ending
            }
        }
    }

    fn admit(&self, hello: &[u8]) -> Result<Member, String> {
        let hello = decode_hello(hello).ok_or("its hello is none")?;
        let me = self.members.me();
        match () {
            () if *hello.group != *self.group => {
                Err(format!("it is of group `{}`, this is `{}`", hello.group, self.group))
            }
            () if hello.to != me => {
                Err(format!("it wants member {}, this is {}: look at its addresses", hello.to.0, me.0))
            }
            () if !self.members.others().contains(&hello.from) => {
                Err(format!("{} is none of the others", hello.from.0))
            }
            () => Ok(hello.from),
        }
    }
}
