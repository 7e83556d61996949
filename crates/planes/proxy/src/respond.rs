//! A response on its way to whoever asked, and what has to happen at its end: the request's record is written.

use crate::answer::Answer;
use crate::conn::Conn;
use crate::filter::new_id;
use crate::framing::Rule;
use crate::http1::Io;
use crate::ledger::{Question, Registered};
use crate::message::{Body, Chunk, ResponseHead, Trouble};
use crate::record::Record;
use bartizan_core::TraceContext;
use bartizan_core::event::{Refused, What};
use bartizan_crypto::random;
use bytes::Bytes;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// A response.
#[derive(Debug)]
pub struct Download {
    /// Its head.
    pub head: ResponseHead,
    /// The connection is not to be used again.
    pub close: bool,
    /// What comes in place of HTTP after a `101`.
    pub switched: Option<Box<Switched>>,
    body: Body,
    /// What we say ourselves, a refusal perhaps, is said to its end.
    own: bool,
    record: Option<Record>,
}

/// The program's side of a connection that was switched to another protocol.
#[derive(Debug)]
pub struct Switched {
    /// The connection to the next hop.
    pub io: Io,
    /// What policy was asked about the request.
    pub question: Option<Question>,
    /// What that connection is trusted for; `None` for one to the own program.
    pub peer: Option<Rc<Registered>>,
}

impl Download {
    /// An answer of our own.
    pub fn own(answer: &Answer, mut record: Record) -> Self {
        record.answered(answer);
        let (status, mut fields, text) = answer.response(record.trace().request);
        record.finish(&mut fields);
        answer.said.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()));
        let head = ResponseHead { status, fields };
        let body = Body::whole(Bytes::from(text));
        Self { head, close: answer.close, switched: None, body, own: true, record: Some(record) }
    }

    /// A response that is passed on.
    pub fn passed(head: ResponseHead, body: Body, record: Record) -> Self {
        let mut it = Self { head, close: false, switched: None, body, own: false, record: Some(record) };
        it.complete_where_empty();
        it
    }

    /// How many bytes come, where that is known.
    pub fn length(&self) -> Option<u64> {
        self.body.length()
    }

    /// True where it is known that nothing comes any more, also before the end was asked for.
    pub fn is_over(&self) -> bool {
        self.body.is_over()
    }

    /// The next piece; `None` at the end.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let Poll::Ready(chunk) = self.body.poll_chunk(cx) else { return self.poll_over(cx) };
        if let Poll::Ready(over) = self.poll_over(cx) {
            return Poll::Ready(over); // a body that never pauses ends as well
        }
        match &chunk {
            Some(Err(_)) => {
                if let Some(record) = &mut self.record {
                    record.fail("upstream_cut_short");
                }
            }
            _ => self.complete_where_empty(),
        }
        Poll::Ready(chunk)
    }

    /// Ready with an error once the request is not allowed any more.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let Some(record) = self.record.as_mut().filter(|_| !self.own) else { return Poll::Pending };
        let Some(Poll::Ready(ending)) = record.ongoing().map(|ongoing| ongoing.poll_over(cx)) else {
            return Poll::Pending;
        };
        record.taken_back(ending);
        self.body = Body::default();
        Poll::Ready(Some(Err(Trouble::Broken)))
    }

    fn complete_where_empty(&mut self) {
        if self.body.is_over()
            && let Some(record) = self.record.take()
        {
            record.complete();
        }
    }
}

/// The answer to what was no request.
pub fn refused(conn: &Rc<Conn>, rule: Rule) -> Download {
    let trace = TraceContext { request: new_id(), span: random::name().max(1), flags: 0 };
    let record = Record::begin(conn, trace, 0, Instant::now(), "", "");
    Download::own(&Answer::refused(rule), record)
}

/// Input that broke a rule where no answer is possible any more.
pub fn report(conn: &Conn, rule: Rule) {
    conn.worker.counters.refused();
    if rule.is_attack() {
        conn.worker.counters.attack_refused();
    }
    let peer = conn.caller.as_ref().map(|c| c.peer.id().clone());
    let refused = Refused { peer, remote: Some(conn.remote), rule: rule.word().into(), status: 0 };
    conn.proxy().events.offer(conn.side.seen_by(), None, What::Refused(refused));
}
