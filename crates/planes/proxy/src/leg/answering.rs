//! Requests that come over a leg: each is handled by a task of its own and answered on its stream.

use super::connection::{Leg, drive};
use super::frame::{self, Reset};
use super::lanes::Jobs;
use super::stream::{Inflow, Stream};
use crate::aside::Aside;
use crate::conn::{Conn, Left};
use crate::forward::{Came, handle};
use crate::framing::Rule;
use crate::interim::Interims;
use crate::message::{Body, Chunk, RequestHead, ResponseHead};
use crate::respond::{self, Download};
use bartizan_runtime::tls::Records;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
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
    let left = async {
        tokio::select! {
            left = conn.until_left(stop) => left,
            () = asked_to_leave => Left::AtOnce,
        }
    };
    let ended = tokio::select! {
        biased;
        ended = driving.as_mut() => ended,
        left = Aside::new(left) => {
            if left == Left::AtOnce {
                return;
            }
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

/// Sends interim responses ahead of the one that is to come.
#[derive(Clone, Debug)]
pub struct Ahead {
    leg: Leg,
    stream: u32,
}

impl Ahead {
    /// Sends one; nothing where the other end knows none.
    pub fn write(&self, head: &ResponseHead) {
        if self.leg.takes_interim() {
            self.leg.write(|out| frame::write_interim(out, self.stream, head));
        }
    }
}

/// A stream that is answered, until it is dropped.
#[derive(Debug)]
struct Answering {
    leg: Leg,
    stream: Rc<Stream>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        if self.stream.has_said_all() {
            self.leg.answered();
        }
        self.leg.close(self.stream.id);
        self.stream.end(Reset::NotNeeded); // whoever still reads the request stops
    }
}

/// Handles requests and answers them, unless whoever asked gives one up.
async fn answer(mut jobs: Jobs<Asked>) {
    while let Some(Asked { conn, answering, head }) = jobs.next().await {
        let Answering { leg, stream } = &answering;
        let body = if stream.is_over() {
            Body::default()
        } else {
            Body::leg_request(Inflow { leg: leg.clone(), stream: Rc::clone(stream) })
        };
        let interims = Interims::to_leg(Ahead { leg: leg.clone(), stream: stream.id });
        let came = Came { began: Instant::now(), upgrade: false, interims };
        let download = {
            let mut handling = pin!(handle(conn, head, body, came));
            poll_fn(|cx| match handling.as_mut().poll(cx) {
                Poll::Ready(download) => Poll::Ready(Some(download)),
                Poll::Pending => stream.poll_reset(cx).map(|_| None),
            })
            .await
        };
        if let Some(download) = download {
            respond(leg, stream, download).await;
        }
    }
}

async fn respond(leg: &Leg, stream: &Stream, mut download: Download) {
    let is_over = download.is_over();
    leg.write(|out| frame::write_response(out, stream.id, &download.head, download.length(), is_over));
    if is_over {
        stream.said_all();
    }
    let mut piece = Bytes::new();
    let sent = poll_fn(|cx| poll_body(leg, stream, &mut download, &mut piece, cx)).await;
    if sent.is_ok() && !stream.has_all_come() {
        leg.write(|out| frame::write_reset(out, stream.id, Reset::NotNeeded));
    }
}

/// Sends as much of a response's body as can be; ready once all of it is on its way, or nobody wants it or has it any more.
fn poll_body(
    leg: &Leg,
    stream: &Stream,
    download: &mut Download,
    piece: &mut Bytes,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Reset>> {
    loop {
        let is_last = download.is_over();
        ready!(stream.poll_send(leg, piece, is_last, cx))?;
        if stream.has_said_all() {
            return Poll::Ready(Ok(()));
        }
        let Poll::Ready(chunk) = download.poll_chunk(cx) else { return stream.poll_gone(cx).map(Err) };
        match chunk {
            Some(Ok(Chunk::Data(data))) => *piece = data,
            Some(Ok(Chunk::Trailers(trailers))) => stream.send_trailers(leg, &trailers),
            None => stream.send_end(leg),
            Some(Err(_)) => {
                leg.write(|out| frame::write_reset(out, stream.id, Reset::Broken));
                return Poll::Ready(Err(Reset::Broken));
            }
        }
    }
}
