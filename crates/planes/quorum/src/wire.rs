//! What goes over a connection: frames of a length (four bytes, little endian) and so many bytes; first a hello, then letters.

use crate::limits::{FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use bartizan_consensus::{Member, Message};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The one application protocol between members. Another number means that they do not understand each other.
pub(crate) const ALPN: &[&str] = &["bartizan-quorum/1"];

/// The first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Of which group: a member that was started with another one's address is to hear so.
    pub(crate) group: String,
    pub(crate) from: Member,
    pub(crate) to: Member,
}

/// Each further one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// What the engine says.
    pub message: Message,
    /// The state that goes with it; nothing with most.
    pub state: Arc<[u8]>,
}

/// The frame around a letter; `None` where it is too long to be read.
pub fn encode(letter: &Letter) -> Option<Vec<u8>> {
    frame(letter, FRAME_BYTES_MAX)
}

/// The letter in a frame, without its length; `None` where it is none.
pub fn decode(body: &[u8]) -> Option<Letter> {
    match postcard::take_from_bytes(body) {
        Ok((letter, [])) => Some(letter),
        _ => None,
    }
}

pub(crate) fn encode_hello(hello: &Hello) -> Option<Vec<u8>> {
    frame(hello, HELLO_BYTES_MAX)
}

pub(crate) fn decode_hello(body: &[u8]) -> Option<Hello> {
    postcard::from_bytes(body).ok()
}

fn frame(what: &impl Serialize, most: usize) -> Option<Vec<u8>> {
    let mut bytes = postcard::to_extend(what, vec![0; 4]).ok()?;
    let length = bytes.len() - 4;
    let length = u32::try_from(length).ok().filter(|_| length <= most)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Some(bytes)
}

/// The next frame's body, at most `most` bytes long. Memory is taken as bytes come, not as they are promised.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), most: usize) -> io::Result<Vec<u8>> {
    let length = u64::from(stream.read_u32_le().await?);
    if length > most as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes, {most} at most")));
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body).await?;
    if (body.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}
