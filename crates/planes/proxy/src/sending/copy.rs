//! Copies of requests to another version: sent on the side, marked, and their answers thrown away.

use super::COPY_HEADER;
use super::course::Copied;
use crate::balance::{Outcome, Tried};
use crate::conn::Worker;
use crate::limits;
use crate::message::{Body, Chunk, RequestHead};
use crate::upstream::{Outgoing, Target, Version};
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use tokio::time::timeout;

/// Sends a copy of a request, in a task of its own. Nobody is told what comes of it.
pub(super) fn send(worker: &Rc<Worker>, copied: &Copied, version: Version, head: &RequestHead, body: Bytes) {
    // Too many are the copies' own trouble, which must not become the callers'; and a switch of protocols has no copy.
    if worker.copies.get() >= limits::COPIES_MAX || version == Version::Switchable {
        return;
    }
    let mut request = Outgoing::new(head.clone(), Body::whole(body));
    request.head.fields.set(COPY_HEADER, b"1");
    let (copied, place) = (copied.clone(), Place::take(worker));
    worker.tasks.spawn_local(async move {
        let worker = &place.0;
        let Ok(attempt) = worker.balance.pick(copied.edge, &mut Tried::default()) else { return };
        worker.balance.mirrored(copied.of);
        let target = Target::callee(copied.id, attempt.mesh);
        let sent = worker.pools.send(&target, version, &mut request, limits::COPY_TIME).await;
        let Ok(received) = sent else { return attempt.ended(Outcome::Reset) };
        attempt.ended(Outcome::Status(received.head.status.as_u16()));
        // Read to its end, so that the connection can be used again.
        let _ = timeout(limits::COPY_TIME, read(received.body)).await;
    });
}

/// Reads a body to its end, or to the end of what is read of it.
async fn read(mut body: Body) {
    let mut left = limits::LINGER_BYTES_MAX;
    while let Some(Ok(Chunk::Data(data))) = poll_fn(|cx| body.poll_chunk(cx)).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// One of the places for copies, until it is dropped.
struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>) -> Self {
        worker.copies.set(worker.copies.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.copies.set(self.0.copies.get().saturating_sub(1));
    }
}
