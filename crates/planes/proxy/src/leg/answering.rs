//! Requests that come over a leg: each is handled by a task of its own and answered on its stream.

use super::connection::{Leg, drive};
use super::frame::{self, Reset};
use super::stream::{Inflow, Stream};
use crate::conn::Conn;
use crate::forward::{Came, handle};
use crate::framing::Rule;
use crate::message::{Body, Chunk, RequestHead};
use crate::respond::{self, Download};
use bartizan_runtime::tls::Records;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Serves a leg until the other end closes or leaves it unused, or `stop` fires or trust is about to run out and the requests
/// under way are answered; no longer than trust in the connection lasts.
///
/// Dropping the future cuts the connection off.
pub async fn serve(conn: Rc<Conn>, records: Records, stop: &CancellationToken) {
    let leg = Leg::new(false);
    let quiet = conn.worker.alarms.alarm();
    let mut begin = |head: RequestHead, stream: Rc<Stream>| {
        let job = Asked { conn: Rc::clone(&conn), answering: Answering { leg: leg.clone(), stream }, head };
        conn.worker.lanes.begin(&conn.worker.tasks, job, answer);
    };
    let mut driving = pin!(drive(&leg, records, quiet, &mut begin));
    let asked_to_leave = async {
        conn.proxy().winding_down.cancelled().await;
        leg.ask_to_leave();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = driving.as_mut() => ended,
        () = conn.trust.until_over() => return,
        () = asked_to_leave => return,
        () = conn.late_or(stop) => {
            leg.leave();
            tokio::select! {
                ended = driving => ended,
                () = conn.trust.until_over() => return,
            }
        }
    };
    if let Err(error) = ended {
        if error.kind() == io::ErrorKind::InvalidData {
            respond::report(&conn, Rule::Leg);
        }
        tracing::debug!(%error, "connection ended");
    }
}

/// A request that came over a leg.
#[derive(Debug)]
pub struct Asked {
    conn: Rc<Conn>,
    answering: Answering,
    head: RequestHead,
}

/// A stream that is answered, until it is dropped.
#[derive(Debug)]
struct Answering {
    leg: Leg,
    stream: Rc<Stream>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.leg.close(self.stream.id);
    }
}

/// Handles a request and answers it, unless whoever asked gives it up.
async fn answer(Asked { conn, answering, head }: Asked) {
    let Answering { leg, stream } = &answering;
    let body = if stream.has_all_come() && stream.length() == Some(0) {
        Body::default()
    } else {
        Body::leg_request(Inflow { leg: leg.clone(), stream: Rc::clone(stream) })
    };
    let came = Came { began: Instant::now(), upgrade: false };
    let mut handling = pin!(handle(conn, head, body, came));
    let download = poll_fn(|cx| match handling.as_mut().poll(cx) {
        Poll::Ready(download) => Poll::Ready(Some(download)),
        Poll::Pending => stream.poll_reset(cx).map(|_| None),
    });
    if let Some(download) = download.await {
        respond(leg, stream, download).await;
    }
}

async fn respond(leg: &Leg, stream: &Stream, mut download: Download) {
    let length = download.length();
    let mut ended = length == Some(0);
    leg.write(|out| frame::write_response(out, stream.id, &download.head, length, ended));
    let mut piece = Bytes::new();
    let sent = poll_fn(|cx| {
        while !ended {
            match ready!(stream.poll_send(leg, &mut piece, cx)) {
                Ok(()) => {}
                Err(reset) => return Poll::Ready(Err(reset)),
            }
            match ready!(download.poll_chunk(cx)) {
                Some(Ok(Chunk::Data(data))) => piece = data,
                Some(Ok(Chunk::Trailers(trailers))) => {
                    leg.write(|out| frame::write_trailers(out, stream.id, &trailers));
                    ended = true;
                }
                None => {
                    leg.write(|out| frame::write_data(out, stream.id, &[], true));
                    ended = true;
                }
                Some(Err(_)) => {
                    leg.write(|out| frame::write_reset(out, stream.id, Reset::Broken));
                    return Poll::Ready(Err(Reset::Broken));
                }
            }
        }
        Poll::Ready(Ok(()))
    })
    .await;
    if sent.is_ok() && !stream.has_all_come() {
        leg.write(|out| frame::write_reset(out, stream.id, Reset::NotNeeded));
    }
}
