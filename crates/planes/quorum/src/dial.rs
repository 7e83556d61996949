//! The connection to one of the others, over reconnects.

use crate::group::Ends;
use crate::limits::{CONNECT_WITHIN, DIAL_PAUSE, HANDSHAKE_WITHIN, SEND_WITHIN};
use crate::wire::{Hello, Letter, encode, encode_hello};
use arc_swap::ArcSwap;
use bartizan_consensus::Message;
use bartizan_runtime::{listen, tls};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// One of the others, as this member dials it.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) hello: Hello,
    pub(crate) ends: Arc<ArcSwap<Ends>>,
    pub(crate) judge: tls::Judge<()>,
    /// Whether a state is on its way; a second one would only take memory.
    pub(crate) state_under_way: Arc<AtomicBool>,
}

impl Peer {
    /// Sends what comes until nobody sends any more. What cannot be sent is thrown away.
    pub(crate) async fn keep(self, mut letters: mpsc::Receiver<Letter>) {
        loop {
            match self.connect().await {
                Ok(mut stream) => {
                    tracing::info!(peer = self.hello.to.0, addr = %self.addr, "connected to another member");
                    match self.send_all(&mut stream, &mut letters).await {
                        None => return,
                        Some(error) => {
                            tracing::warn!(peer = self.hello.to.0, %error, "the connection to another member broke")
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = self.hello.to.0, addr = %self.addr, %error, "another member is not reached")
                }
            }
            self.state_under_way.store(false, Relaxed);
            let pause = tokio::time::sleep(DIAL_PAUSE);
            tokio::pin!(pause);
            // What waited is old by the time that it could be sent; the engine says it again.
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    letter = letters.recv() => match letter {
                        Some(_) => self.state_under_way.store(false, Relaxed),
                        None => return,
                    },
                }
            }
        }
    }

    async fn connect(&self) -> io::Result<tls::ClientStream<TcpStream>> {
        let socket = listen::connect(self.addr, CONNECT_WITHIN).await?;
        let client = self.ends.load().client.clone();
        let accepted = client.connect(socket, Arc::clone(&self.judge), HANDSHAKE_WITHIN).await;
        let mut stream = accepted.map_err(io::Error::other)?.stream;
        let hello = encode_hello(&self.hello).ok_or_else(|| io::Error::other("the group's name is too long"))?;
        within(HANDSHAKE_WITHIN, stream.write_all(&hello)).await?;
        within(HANDSHAKE_WITHIN, stream.flush()).await?;
        Ok(stream)
    }

    /// `None` where nobody sends any more.
    async fn send_all(
        &self,
        stream: &mut tls::ClientStream<TcpStream>,
        letters: &mut mpsc::Receiver<Letter>,
    ) -> Option<io::Error> {
        while let Some(letter) = letters.recv().await {
            let has_state = matches!(letter.message, Message::Install { .. });
            let Some(frame) = encode(&letter) else {
                tracing::error!(peer = self.hello.to.0, "a letter is too long to be sent");
                continue;
            };
            let sent = async {
                stream.write_all(&frame).await?;
                stream.flush().await
            };
            if let Err(error) = within(SEND_WITHIN, sent).await {
                return Some(error);
            }
            if has_state {
                self.state_under_way.store(false, Relaxed);
            }
        }
        None
    }
}

async fn within<T>(time: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(time, what).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
