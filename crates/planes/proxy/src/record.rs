//! What one request came to: counted and written as an event once its response is through, or given up.

use crate::conn::{Conn, Side};
use crate::counters::{Edge, Ended, as_us32};
use crate::filter;
use crate::framing::Rule;
use crate::ledger::{Ongoing, Question};
use crate::limiting::{Passed, Told};
use crate::message::Fields;
use crate::overload::Admitted;
use crate::plaintext;
use crate::reply::Reply;
use crate::signed::{self, Signed};
use bartizan_core::event::{Ending, Judged, Refused, Request, What};
use bartizan_core::snapshot::Mode;
use bartizan_core::user::User;
use bartizan_core::{Action, Decision, Denial, ServiceName, TraceContext};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest path written into an event, in bytes; the rest is cut.
const PATH_BYTES_MAX: usize = 1024;
/// Status in the event of a request whose client went away before there was one.
const CLIENT_GONE: u16 = 499;

/// The record of one request. Dropping it writes it, so that none is forgotten on any way out.
#[derive(Debug)]
pub struct Record {
    conn: Rc<Conn>,
    trace: TraceContext,
    parent_span: u64,
    /// When the request's head was complete.
    began: Instant,
    method: Arc<str>,
    path: Arc<str>,
    to: Option<ServiceName>,
    outbound_edge: Option<Arc<Edge>>,
    route: Option<Arc<str>>,
    user: Option<Arc<str>>,
    decision: Option<Arc<Decision>>,
    /// Its place in the ledger, once it may go on.
    ongoing: Option<Rc<Ongoing>>,
    status: u16,
    error: Option<Arc<str>>,
    rule: Option<Rule>,
    added: Duration,
    ended: Ended,
    /// A guard said 401: nobody proved who the call is for.
    unauthenticated: bool,
    waited: Duration,
    limited: Option<Box<Passed>>,
    slowed: Option<Box<Told>>,
    admitted: Option<Admitted>,
    client: SocketAddr,
    reply: Reply,
    /// The signed event that it is.
    signed: Option<Box<Signed>>,
}

impl Record {
    /// Begins the record of a request; until told otherwise it counts as given up by the client.
    pub fn begin(
        conn: &Rc<Conn>,
        trace: TraceContext,
        parent_span: u64,
        began: Instant,
        method: &str,
        path: &str,
    ) -> Self {
        conn.in_flight.set(conn.in_flight.get() + 1);
        if conn.side == Side::Inbound && conn.caller.is_none() {
            plaintext::count(&conn.worker, conn.remote);
        }
        let cut = (0..=path.len().min(PATH_BYTES_MAX)).rev().find(|&i| path.is_char_boundary(i)).unwrap_or(0);
        Self {
            conn: Rc::clone(conn),
            trace,
            parent_span,
            began,
            method: word(method),
            path: path[..cut].into(),
            to: None,
            outbound_edge: None,
            route: None,
            user: None,
            decision: None,
            ongoing: None,
            status: CLIENT_GONE,
            error: Some(GONE.with(Arc::clone)),
            rule: None,
            added: Duration::ZERO,
            ended: Ended::Failed,
            unauthenticated: false,
            waited: Duration::ZERO,
            limited: None,
            slowed: None,
            admitted: None,
            client: conn.remote,
            reply: Reply::default(),
            signed: None,
        }
    }

    /// The client's address, where a trusted proxy in front said it.
    pub fn comes_from(&mut self, address: IpAddr) {
        if address != self.client.ip() {
            self.client = SocketAddr::new(address, 0); // nobody said the port
        }
    }

    /// What is to be made of the answer's head.
    pub fn replies(&mut self, reply: Reply) {
        self.reply = reply;
    }

    /// Makes that of it.
    pub fn finish(&self, fields: &mut Fields) {
        self.reply.finish(fields);
    }

    /// As [`Record::finish`], for an answer by which a connection goes over to another protocol.
    pub fn finish_cookies(&self, fields: &mut Fields) {
        self.reply.finish_cookies(fields);
    }

    /// What limits let through; counts as under way until this record ends.
    pub fn limited(&mut self, passed: Option<Box<Passed>>, admitted: Option<Admitted>) {
        (self.limited, self.admitted) = (passed, admitted);
    }

    /// It waited for so long, which is no work of ours.
    pub fn waited(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// It goes on after it waited: what its caller is told, and the event says.
    pub fn slowed(&mut self, told: Told, why: String) {
        self.note(filter::SLOW_DOWN, why);
        self.slowed = Some(Box::new(told));
    }

    /// Tells the caller what is left of its limits.
    pub fn tell_limits(&self, fields: &mut Fields) {
        if let Some(told) = &self.slowed {
            told.write(fields);
        }
        if let Some(passed) = &self.limited {
            passed.told.write(fields);
        }
    }

    /// The request's place in its trace.
    pub fn trace(&self) -> TraceContext {
        self.trace
    }

    /// When the request's head was complete.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// What the filters found out, as far as they came.
    pub fn judged(&mut self, to: Option<ServiceName>, route: Option<Arc<str>>, decision: Option<Arc<Decision>>) {
        self.outbound_edge = match (&self.conn.side, &to) {
            (Side::Outbound(_) | Side::Gateway, Some(to)) => Some(self.conn.worker.counters.outbound(to)),
            _ => None,
        };
        (self.to, self.route, self.decision) = (to, route, decision);
    }

    /// Something said no after policy said yes.
    pub fn denied(&mut self, decision: Arc<Decision>) {
        let epoch = self.decision.as_ref().map_or(decision.epoch, |policy| policy.epoch);
        self.decision = Some(Arc::new(Decision { epoch, ..Decision::clone(&decision) }));
    }

    /// Adds to the event of a request that goes on what `by` found.
    pub fn note(&mut self, by: &str, found: String) {
        let Some(decision) = &self.decision else { return };
        let mut noted = Decision::clone(decision);
        // What was noted before stays.
        let before = noted.policies.iter().any(|policy| **policy == *signed::BY).then(|| noted.reason.take()).flatten();
        noted.policies.push(by.into());
        noted.reason = Some(before.map_or(found.clone(), |before| format!("{before}; {found}")).into());
        self.decision = Some(Arc::new(noted));
    }

    /// On whose behalf it comes.
    pub fn is_for(&mut self, user: Option<&User>) {
        self.user = user.map(filter::written_user);
    }

    /// It is a signed event. Where it comes to nothing, its sender may send it again; where it is not known what it came to, since the
    /// client went away, it may not.
    pub fn signed(&mut self, signed: Box<Signed>) {
        self.waited += signed.waited;
        self.signed = Some(signed);
    }

    /// The status of the answer is known.
    fn came_to(&mut self, status: u16) {
        self.status = status;
        if let Some(signed) = self.signed.as_ref().filter(|_| status >= 400) {
            signed.give_back();
        }
    }

    /// Notes in the ledger that it goes on; where policy was asked, it is asked again when policies change.
    pub fn goes_on(&mut self, question: Option<Question>) {
        self.ongoing = Some(self.conn.trust.begin(question));
    }

    /// Its place in the ledger.
    pub fn ongoing(&self) -> Option<&Rc<Ongoing>> {
        self.ongoing.as_ref()
    }

    /// The method as it is written into the event.
    pub fn method(&self) -> &Arc<str> {
        &self.method
    }

    /// `path`, which is that of the request, shared with the event where that has all of it.
    pub fn path_of(&self, path: &str) -> Arc<str> {
        if *self.path == *path { Arc::clone(&self.path) } else { path.into() }
    }

    /// What was allowed is not any more.
    pub fn taken_back(&mut self, ending: Ending) {
        self.fail(ending.as_str());
        if let Some(decision) = self.ongoing.as_ref().and_then(|ongoing| ongoing.decision()) {
            let denial = if ending == Ending::Revoked { Denial::Attack } else { decision.denial };
            self.decision = Some(decision);
            self.ended = Ended::Denied(denial);
        }
    }

    /// The proxy answered itself.
    pub fn answered(&mut self, answer: &crate::answer::Answer) {
        self.came_to(answer.status);
        if answer.status < 400 {
            // What was asked for, and nothing that was refused.
            self.ended = Ended::Answered;
            self.added = self.began.elapsed().saturating_sub(self.waited);
            return;
        }
        self.error = Some(Arc::clone(&answer.word));
        self.rule = answer.rule;
        self.unauthenticated = answer.status == 401;
        let denied = self.decision.as_ref().filter(|decision| !decision.is_allow());
        self.ended = denied.map_or(Ended::Failed, |decision| Ended::Denied(decision.denial));
        self.added = self.began.elapsed().saturating_sub(self.waited);
    }

    /// The service answered; `added` is the proxy's own share until its head was passed on.
    pub fn passed(&mut self, status: u16, added: Duration) {
        self.came_to(status);
        self.error = Some(CUT_SHORT.with(Arc::clone)); // until it is complete
        self.ended = Ended::Answered;
        let added = added.saturating_sub(self.waited);
        self.added = added;
        if let Some(admitted) = self.admitted.take() {
            admitted.answered(self.conn.proxy().steady_ns());
        }
        if let Some(edge) = &self.conn.inbound_edge {
            edge.added(added);
        }
    }

    /// Something broke while the response was passed on.
    pub fn fail(&mut self, why: &str) {
        self.error = Some(why.into());
        self.ended = Ended::Failed;
    }

    /// The response is through.
    pub fn complete(mut self) {
        if self.ended == Ended::Answered {
            self.error = None;
        }
    }

    fn count(&self) {
        let counters = &self.conn.worker.counters;
        if let Some(rule) = self.rule {
            counters.refused();
            if rule.is_attack() {
                counters.attack_refused();
            }
            return;
        }
        if self.error.as_deref() == Some(filter::PATH_AMBIGUOUS) {
            counters.attack_refused();
        }
        for edge in [&self.conn.inbound_edge, &self.outbound_edge].into_iter().flatten() {
            edge.count(self.ended);
        }
        if let Some(edge) = self.conn.inbound_edge.as_ref().filter(|_| self.unauthenticated) {
            edge.unauthenticated();
        }
    }

    /// Whether there is something to say: outbound only failures, in mode `mtls` only what the proxy answered itself.
    fn is_worth_an_event(&self) -> bool {
        let live = self.conn.proxy().live();
        let decides = live.directory.as_ref().is_none_or(|d| d.mode == Mode::Full);
        self.error.is_some() || (decides && !matches!(self.conn.side, Side::Outbound(_)))
    }

    fn what(&mut self) -> What {
        let peer = self.conn.caller.as_ref().map(|c| c.peer.id().clone());
        if let Some(rule) = self.rule {
            let remote = Some(self.conn.remote);
            return What::Refused(Refused { peer, remote, rule: rule.word().into(), status: self.status });
        }
        What::Request(Request {
            peer,
            to: self.to.take().unwrap_or_else(|| self.conn.proxy().name.clone()),
            action: Action::of_method(&self.method),
            method: Arc::clone(&self.method),
            path: Arc::clone(&self.path),
            route: self.route.take(),
            user: self.user.take(),
            decision: self.decision.take().map(|d| judged(&d)),
            status: self.status,
            error: self.error.take(),
            took_us: as_us32(self.began.elapsed()),
            added_us: as_us32(self.added),
            client: (self.conn.side == Side::Gateway).then_some(self.client),
            span: self.trace.span,
            parent_span: self.parent_span,
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.conn.in_flight.set(self.conn.in_flight.get().saturating_sub(1));
        self.conn.idle_since.set(Instant::now());
        if let Some(ending) = self.conn.trust.over().filter(|_| self.error.is_some()) {
            self.taken_back(ending);
        }
        if let Some(ongoing) = &self.ongoing {
            self.conn.trust.finish(ongoing);
        }
        self.count();
        if self.is_worth_an_event() {
            let (seen_by, request, what) = (self.conn.side.seen_by(), self.trace.request, self.what());
            self.conn.proxy().events.offer(seen_by, Some(request), what);
        }
    }
}

thread_local! {
    /// Methods as events hold them: there are few, and each request has one.
    static METHODS: [Arc<str>; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"].map(Into::into);
    /// What each request comes to until it is known better.
    static GONE: Arc<str> = "client_gone".into();
    static CUT_SHORT: Arc<str> = "cut_short".into();
}

fn word(method: &str) -> Arc<str> {
    METHODS.with(|all| all.iter().find(|known| &***known == method).cloned()).unwrap_or_else(|| method.into())
}

/// A decision as events hold it.
pub fn judged(decision: &Decision) -> Judged {
    Judged {
        verdict: decision.verdict,
        policies: decision.policies.clone(),
        reason: decision.reason.clone(),
        epoch: decision.epoch,
    }
}
