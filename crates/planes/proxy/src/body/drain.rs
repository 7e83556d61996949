//! Reads the rest of a body that nobody wants, for a moment, so that the refusal reaches the client.
//!
//! An HTTP/2 body that is dropped before the response went out resets the stream, and clients then show the reset
//! instead of the answer.

use crate::limits;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// Reads at most [`limits::LINGER_BYTES_MAX`] for at most [`limits::LINGER_TIME`], in a task of its own.
pub fn drain(mut body: Incoming) {
    spawn_local(timeout(limits::LINGER_TIME, async move {
        let mut left = limits::LINGER_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}
