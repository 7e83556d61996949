//! One HTTP request, from its head to the head of its response: filters, next hop, answer.

use crate::answer::{Answer, REQUEST_ID_HEADER};
use crate::conn::{Caller, Conn, Side};
use crate::filter::{self, Exchange};
use crate::inspect::{self, Inspection, Stopped};
use crate::interim::Interims;
use crate::ledger::{Ongoing, Question};
use crate::limits;
use crate::live::Live;
use crate::login::{self, Errand};
use crate::message::{Body, RequestHead, Trouble, Watch};
use crate::record::Record;
use crate::reply::Reply;
use crate::respond::{Download, Switched};
use crate::sending::{self, Bounds, Course, Way};
use crate::signed::{self, Held, Signed, Wanted};
use crate::slowing::Waiting;
use crate::upstream::{Failure, Outgoing, Received, Version};
use bartizan_core::event::Ending;
use bartizan_core::fleet::Protocol;
use bartizan_core::{Action, ServiceName};
use bartizan_runtime::clock;
use bytes::Bytes;
use http::StatusCode;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How a request came.
#[derive(Clone, Debug)]
pub struct Came {
    /// When its head was complete.
    pub began: Instant,
    /// It asks for a switch to WebSocket.
    pub upgrade: bool,
    /// Where interim responses go.
    pub interims: Interims,
}

/// What is to be done with a request that passed the filters.
struct Plan {
    way: Way,
    version: Version,
    /// A gRPC stream may be endless.
    endless: bool,
    /// What content and response are held against, where something says so.
    inspection: Option<Box<Inspection>>,
    /// It has to wait before anything else is done.
    waiting: Option<Box<Waiting>>,
}

/// Why a request does not go on.
struct Turned {
    /// What is answered.
    answer: Answer,
    /// What is to be done before something else is.
    errand: Option<Box<Errand>>,
    /// It is a signed event, whose body has to be read before more can be said.
    unread: Option<Wanted>,
}

/// Answers one request. Never fails: what goes wrong becomes an answer.
///
/// Dropping the future gives the request up; its record says so.
pub async fn handle(conn: Rc<Conn>, mut head: RequestHead, body: Body, came: Came) -> Download {
    let (trace, parent) = filter::read_trace(&head.fields);
    let mut record = Record::begin(&conn, trace, parent, came.began, head.method.as_str(), head.path());
    let has_content = !body.is_over() && body.length() != Some(0);
    let planned = match plan(&conn, &mut head, &mut record, (came.upgrade, has_content), None) {
        Ok(plan) => Ok((plan, body)),
        Err(turned) => match *turned {
            Turned { unread: Some(wanted), .. } => match Box::pin(wanted.judge(conn.proxy(), &head, body)).await {
                Ok(signed) => plan_signed(&conn, &mut head, &mut record, came.upgrade, signed),
                Err(stopped) => return stop(&stopped, record),
            },
            Turned { errand: Some(errand), .. } => return Box::pin(login::run(&conn, *errand, body, record)).await,
            Turned { answer, .. } => return refuse(&conn, body, &answer, record),
        },
    };
    let (mut plan, body) = match planned {
        Ok(planned) => planned,
        Err(refusal) => return Download::own(&refusal, record),
    };
    if let Some(waiting) = plan.waiting.take()
        && let Err(answer) = Box::pin(wait(waiting, &conn, &mut record)).await
    {
        return refuse(&conn, body, &answer, record);
    }
    let mut inspection = plan.inspection.take();
    let body = match inspection.as_deref_mut().filter(|it| it.reads_content()) {
        None => body,
        Some(inspection) => match Box::pin(read_content(inspection, &mut head, body, &record)).await {
            Ok(body) => body,
            Err(stopped) => return stop(&stopped, record),
        },
    };
    let method = inspection.is_some().then(|| head.method.clone());
    let watch = Watch::default();
    let body = body.bounded(plan.endless, &watch);
    let patience = if plan.endless { limits::STREAM_REQUEST_TIME } else { limits::REQUEST_TIME };
    let bounds = Bounds { began: came.began, patience };
    let outgoing = Outgoing::new(head, body).with_interims(came.interims);
    let sent = {
        let mut sending = pin!(sending::send(&conn.worker, plan.way, plan.version, outgoing, bounds, &watch));
        match record.ongoing().cloned() {
            None => sending.await,
            Some(ongoing) => tokio::select! {
                biased;
                sent = sending.as_mut() => sent,
                ending = ongoing.until_over() => {
                    record.taken_back(ending);
                    return Download::own(&ended(&ongoing, ending), record);
                }
            },
        }
    };
    match sent {
        Err(failure) => {
            let mut refusal = failed(&failure, &watch);
            refusal.unsent = conn.side == Side::Inbound && watch.trouble().is_none() && failure.is_unsent();
            Download::own(&refusal, record)
        }
        // On HTTP/2 that would be taken for a program that agreed (RFC 8441 section 5).
        Ok(received) if came.upgrade && conn.is_shared() && received.head.status.is_success() => {
            let refusal = Answer::new(502, "upstream_protocol", "the service does not speak WebSocket there");
            Download::own(&refusal, record)
        }
        Ok(received) if received.head.status != StatusCode::SWITCHING_PROTOCOLS => match inspection.zip(method) {
            None => pass_on(received, record, Duration::ZERO),
            Some((inspection, method)) => Box::pin(inspect(inspection, &method, received, record)).await,
        },
        Ok(received) if came.upgrade => switch(received, record),
        Ok(_) => {
            let refusal = Answer::new(502, "upstream_protocol", "the service switched protocols unasked");
            Download::own(&refusal, record)
        }
    }
}

/// Lets a request wait that comes too often for its caller, unless it is not allowed any more meanwhile; then limits are asked.
///
/// Dropping the future gives back what the request took.
async fn wait(waiting: Box<Waiting>, conn: &Conn, record: &mut Record) -> Result<(), Answer> {
    let pause = tokio::time::sleep(waiting.wait());
    match record.ongoing().cloned() {
        None => pause.await,
        Some(ongoing) => tokio::select! {
            biased;
            ending = ongoing.until_over() => {
                record.taken_back(ending);
                return Err(ended(&ongoing, ending));
            }
            () = pause => {}
        },
    }
    record.waited(waiting.wait());
    let went_on = waiting.goes_on(conn.proxy().clocks(clock::now())).map_err(|stopped| {
        record.denied(Arc::new(stopped.decision));
        stopped.answer
    })?;
    record.limited(went_on.limited, went_on.admitted);
    record.slowed(went_on.told, went_on.why);
    Ok(())
}

/// The answer to a request that is not allowed any more.
fn ended(ongoing: &Ongoing, ending: Ending) -> Answer {
    ongoing.decision().map_or_else(
        || Answer::new(403, ending.as_str(), "the caller is not trusted on this connection any more"),
        |decision| Answer::denied(&decision),
    )
}

/// Where a signed event goes whose sender is known now, and its body.
fn plan_signed(
    conn: &Conn,
    head: &mut RequestHead,
    record: &mut Record,
    upgrade: bool,
    (signed, body): (Box<Signed>, Bytes),
) -> Result<(Plan, Body), Answer> {
    let plan = plan(conn, head, record, (upgrade, !body.is_empty()), Some(&signed.sender));
    if plan.is_ok() {
        record.note(signed::BY, signed.note.clone());
    }
    record.signed(signed);
    match plan {
        Ok(plan) => Ok((plan, Body::whole(body))),
        Err(turned) => Err(turned.answer),
    }
}

/// Reads content that has to be read whole, unless the request is not allowed any more meanwhile.
async fn read_content(
    inspection: &mut Inspection,
    head: &mut RequestHead,
    body: Body,
    record: &Record,
) -> Result<Body, Stopped> {
    let reading = inspection.content(head, body);
    let Some(ongoing) = record.ongoing().cloned() else { return reading.await };
    tokio::select! {
        biased;
        read = reading => read,
        ending = ongoing.until_over() => {
            let answer = Answer::new(403, ending.as_str(), "the caller is not trusted on this connection any more");
            Err(Stopped { answer: answer.and_close(), decision: ongoing.decision() })
        }
    }
}

/// Answers in place of what was stopped.
fn stop(stopped: &Stopped, mut record: Record) -> Download {
    if let Some(decision) = &stopped.decision {
        record.denied(Arc::clone(decision));
    }
    Download::own(&stopped.answer, record)
}

/// Hands a response on that the document of an API describes.
async fn inspect(
    mut inspection: Box<Inspection>,
    method: &http::Method,
    mut received: Received,
    mut record: Record,
) -> Download {
    if let Err(stopped) = inspection.response(method, &mut received).await {
        return stop(&stopped, record);
    }
    if let Some(note) = inspection.note.take() {
        record.note(inspect::BY, note);
    }
    pass_on(received, record, inspection.waited)
}

/// Answers in place of the next hop.
fn refuse(conn: &Conn, body: Body, refusal: &Answer, record: Record) -> Download {
    if conn.is_shared() && !body.is_empty() {
        // Dropped before the response went out, it would reset the stream, and clients then show the reset and not the answer.
        body.drain();
    }
    Download::own(refusal, record)
}

/// Sends the request through the filters and says where it goes.
fn plan(
    conn: &Conn,
    head: &mut RequestHead,
    record: &mut Record,
    came: (bool, bool),
    signed: Option<&Arc<Held>>,
) -> Result<Plan, Box<Turned>> {
    let (upgrade, has_content) = came;
    let live = conn.proxy().live();
    let to = match &conn.side {
        Side::Inbound => Some(conn.proxy().name.clone()),
        Side::Outbound(callee) => Some(callee.clone()),
        Side::Gateway => None,
    };
    let trace = record.trace();
    let now = clock::now();
    let mut exchange = Exchange {
        conn,
        live: &live,
        now,
        head,
        trace,
        upgrade,
        canonical_path: None,
        host: None,
        said: None,
        preflight: false,
        shared: None,
        address: conn.remote.ip(),
        to,
        route: None,
        edge_route: None,
        signed: signed.cloned(),
        unread: None,
        user: None,
        tokens: None,
        came: None,
        cookies: None,
        errand: None,
        decision: None,
        waiting: None,
        limited: None,
        has_content,
        inspection: None,
        admitted: None,
    };
    let passed = filter::run(&mut exchange);
    let asked: Option<Arc<str>> = exchange.decision.is_some().then(|| match &exchange.canonical_path {
        Some(canonical) => Arc::from(&**canonical),
        None => record.path_of(exchange.path()),
    });
    let (to, route, decision) = (exchange.to.take(), exchange.route.take(), exchange.decision.take());
    let (user, said) = (exchange.user.take(), exchange.said.take());
    let came_as_http2 = exchange.head.http2;
    let (inspection, waiting) = (exchange.inspection.take(), exchange.waiting.take());
    let unread = exchange.unread.take();
    let plan = passed.and_then(|()| target(conn, &live, to.as_ref(), (upgrade, came_as_http2)));
    let plan = plan.map(|plan| Plan { inspection, waiting, ..plan });
    let question = asked.zip(to.as_ref()).map(|(path, resource)| Question {
        principal: filter::principal(conn),
        id: conn.caller.as_ref().and_then(Caller::id).cloned(),
        action: Action::of_method(record.method()),
        resource: resource.clone(),
        route: route.clone(),
        method: Arc::clone(record.method()),
        path,
        user: user.clone(),
        said,
    });
    record.is_for(user.as_deref());
    record.limited(exchange.limited.take(), exchange.admitted.take());
    if conn.side == Side::Gateway {
        let headers = exchange.edge_route.map_or(live.routes.headers(), |route| route.settings.headers.as_ref());
        record.comes_from(exchange.address);
        let (shared, cookies) = (exchange.shared.take(), exchange.cookies.take());
        record.replies(Reply { shared, headers: headers.cloned(), cookies });
    }
    // Nothing can end what was neither asked about nor came from a peer.
    // A call without mutual TLS ends once the service is strict, after its answer; a change of policies does not cut it.
    let asked_again = conn.caller.is_some() || conn.side != Side::Inbound;
    if plan.is_ok() && asked_again && (question.is_some() || conn.trust.peer().is_some()) {
        record.goes_on(question);
    }
    record.judged(to, route, decision);
    let errand = exchange.errand.take();
    plan.map_err(|answer| Box::new(Turned { answer, errand, unread }))
}

/// Where a request goes and in which version. HTTP/1.1 stays HTTP/1.1 and HTTP/2 stays HTTP/2 between sidecars; programs
/// get what they speak.
fn target(conn: &Conn, live: &Live, to: Option<&ServiceName>, came: (bool, bool)) -> Result<Plan, Answer> {
    let (upgrade, came_as_http2) = came;
    let not_ready = || Answer::new(503, "not_ready", "this proxy does not know the service any more");
    let directory = live.directory.as_ref().ok_or_else(not_ready)?;
    let (way, protocol, version) = if conn.side == Side::Inbound {
        let inbound = directory.own.inbound.as_ref().ok_or_else(not_ready)?;
        // A program of unknown protocol gets what its caller would have sent it.
        let http2 = match inbound.protocol {
            Protocol::Grpc => true,
            Protocol::Auto => came_as_http2,
            Protocol::Http | Protocol::Tcp => false,
        };
        let version = if http2 { Version::Http2 } else { Version::Http1 };
        (Way::Program(inbound.program), inbound.protocol, version)
    } else {
        let peer = to.and_then(|to| directory.peers.get(to)).ok_or_else(not_ready)?;
        let course = to.and_then(|to| Course::of(live, &conn.worker.balance, to)).ok_or_else(not_ready)?;
        // Outside clients speak HTTP/2 by habit; only their own programs' callers mean it.
        let http2 = match peer.protocol {
            Protocol::Grpc => true,
            Protocol::Auto | Protocol::Http => came_as_http2 && conn.side != Side::Gateway,
            Protocol::Tcp => false,
        };
        let version = if http2 { Version::Http2 } else { Version::Http1 };
        (Way::Callee(course), peer.protocol, version)
    };
    if protocol == Protocol::Tcp {
        return Err(Answer::new(502, "not_http", "the service does not speak HTTP"));
    }
    let version = if upgrade { Version::Switchable } else { version };
    Ok(Plan { way, version, endless: protocol == Protocol::Grpc, inspection: None, waiting: None })
}

/// What the caller is told about a failure; a body that broke is the caller's own doing.
fn failed(failure: &Failure, watch: &Watch) -> Answer {
    match watch.trouble() {
        Some(Trouble::TooLarge) => filter::body_too_large(),
        Some(Trouble::Broken) => Answer::new(400, "body_cut_short", "the request body ended too early").and_close(),
        None => {
            tracing::debug!(%failure, "no response from the next hop");
            failure.answer()
        }
    }
}

/// Hands the response on, with the request's id and without what was meant for one hop. `waited` is how long the client let its
/// content be waited for.
fn pass_on(received: Received, mut record: Record, waited: Duration) -> Download {
    let Received { mut head, body, sent, received, .. } = received;
    filter::strip_response(&mut head.fields, false);
    head.fields.set(REQUEST_ID_HEADER, &record.trace().request.digits());
    record.tell_limits(&mut head.fields);
    record.finish(&mut head.fields);
    // Our share: until the request was handed to the connection, and since its response was there.
    let added = sent.duration_since(record.began()).saturating_sub(waited) + received.elapsed();
    record.passed(head.status.as_u16(), added);
    Download::passed(head, body, record)
}

/// Hands on that the program agreed to WebSocket, with the connection that it is spoken on.
fn switch(received: Received, mut record: Record) -> Download {
    let Received { mut head, body, sent, received, peer } = received;
    let Some(io) = body.into_http1_response().and_then(|exchange| exchange.into_io()) else {
        let refusal =
            Answer::new(502, "upstream_protocol", "the service switched protocols where that is not possible");
        return Download::own(&refusal, record);
    };
    filter::strip_response(&mut head.fields, true);
    record.finish_cookies(&mut head.fields);
    head.fields.set(REQUEST_ID_HEADER, &record.trace().request.digits());
    let question = record.ongoing().and_then(|ongoing| ongoing.question().cloned());
    record.passed(head.status.as_u16(), sent.duration_since(record.began()) + received.elapsed());
    let mut download = Download::passed(head, Body::default(), record);
    download.switched = Some(Box::new(Switched { io, question, peer }));
    download
}
