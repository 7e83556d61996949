//! One HTTP request, from its head to the head of its response: filters, next hop, answer.

use crate::answer::{Answer, REQUEST_ID_HEADER, id_value};
use crate::body::{self, Download, Trouble, Upload, Watch};
use crate::conn::{Caller, Conn, Side};
use crate::filter::{self, Exchange};
use crate::ledger::Question;
use crate::limits;
use crate::live::Live;
use crate::record::Record;
use crate::strict_io::Note;
use crate::upgrade;
use crate::upstream::{Failure, Received, Target, Version};
use bartizan_core::fleet::Protocol;
use bartizan_core::{Action, ServiceName};
use bartizan_runtime::clock;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;
use tokio::time::Instant;

/// What is to be done with a request that passed the filters.
struct Plan {
    target: Target,
    version: Version,
    /// A gRPC stream may be endless.
    endless: bool,
}

/// Answers one request. Never fails: what goes wrong becomes an answer.
///
/// Dropping the future gives the request up; its record says so.
pub async fn handle(conn: Rc<Conn>, request: Request<Incoming>, note: Option<Note>) -> Response<Download> {
    let (trace, parent) = (filter::read_trace(request.headers()), filter::parent_span(request.headers()));
    let began = note.map_or_else(Instant::now, |note| note.at);
    let record = Record::begin(&conn, trace, parent, began, request.method(), request.uri().path());
    let upgrade = match note.map(|note| note.head) {
        Some(Err(rule)) => return answer(&conn, record, &Answer::refused(rule)),
        Some(Ok(announced)) => announced.upgrade,
        None => false,
    };
    let response = judge_and_send(&conn, request, record, upgrade).await;
    if upgrade
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
        && let Some(notes) = &conn.notes
    {
        notes.decide(false); // what follows on this connection is the next request
    }
    response
}

async fn judge_and_send(
    conn: &Rc<Conn>,
    mut request: Request<Incoming>,
    mut record: Record,
    upgrade: bool,
) -> Response<Download> {
    // Taken out before the head is taken apart; it comes to something only after a 101.
    let client_side = hyper::upgrade::on(&mut request);
    let (mut head, body) = request.into_parts();
    let plan = match plan(conn, &mut head, &mut record, upgrade) {
        Ok(plan) => plan,
        Err(refusal) => {
            if conn.is_http2() {
                body::drain(body);
            }
            return answer(conn, record, &refusal);
        }
    };
    let watch = Watch::default();
    let outgoing = match outgoing(head, &plan, Upload::new(body, plan.endless, watch.clone())) {
        Ok(outgoing) => outgoing,
        Err(refusal) => return answer(conn, record, &refusal),
    };
    let patience = if plan.endless { limits::STREAM_REQUEST_TIME } else { limits::REQUEST_TIME };
    let sending = conn.worker.pools.send(&plan.target, plan.version, outgoing, patience);
    let sent = match record.ongoing().cloned() {
        None => sending.await,
        Some(ongoing) => tokio::select! {
            sent = sending => sent,
            ending = ongoing.until_over() => {
                record.taken_back(ending);
                let refusal = ongoing.decision().map_or_else(
                    || Answer::new(403, ending.as_str(), "the caller is not trusted on this connection any more"),
                    |decision| Answer::denied(&decision),
                );
                return answer(conn, record, &refusal);
            }
        },
    };
    match sent {
        Err(failure) => answer(conn, record, &failed(&failure, &watch)),
        Ok(received) if received.response.status() != StatusCode::SWITCHING_PROTOCOLS => pass_on(received, record),
        Ok(received) if upgrade => upgrade::switch(conn, client_side, received, record),
        Ok(_) => {
            let refusal = Answer::new(502, "upstream_protocol", "the service switched protocols unasked");
            answer(conn, record, &refusal)
        }
    }
}

/// Sends the request through the filters and says where it goes.
fn plan(conn: &Conn, head: &mut Parts, record: &mut Record, upgrade: bool) -> Result<Plan, Answer> {
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
        to,
        route: None,
        decision: None,
    };
    let passed = filter::run(&mut exchange);
    let asked: Option<Arc<str>> = exchange.decision.is_some().then(|| exchange.path().into());
    let (to, route, decision) = (exchange.to.take(), exchange.route.take(), exchange.decision.take());
    let plan = passed.and_then(|()| target(conn, &live, to.as_ref(), upgrade));
    let question = asked.zip(to.as_ref()).map(|(path, resource)| Question {
        principal: conn.caller.as_ref().map_or_else(ServiceName::gateway, |caller| caller.name.clone()),
        id: conn.caller.as_ref().and_then(Caller::id).cloned(),
        action: Action::of_method(record.method()),
        resource: resource.clone(),
        route: route.clone(),
        method: Arc::clone(record.method()),
        path,
    });
    // Nothing can end what was neither asked about nor came from a peer.
    if plan.is_ok() && (question.is_some() || conn.trust.peer().is_some()) {
        record.goes_on(question);
    }
    record.judged(to, route, decision);
    plan
}

/// Where a request goes and in which version. HTTP/1.1 stays HTTP/1.1 and HTTP/2 stays HTTP/2 between sidecars; programs
/// get what they speak.
fn target(conn: &Conn, live: &Live, to: Option<&ServiceName>, upgrade: bool) -> Result<Plan, Answer> {
    let not_ready = || Answer::new(503, "not_ready", "this proxy does not know the service any more");
    let directory = live.directory.as_ref().ok_or_else(not_ready)?;
    let came_as_http2 = conn.is_http2();
    let (target, protocol, version) = if conn.side == Side::Inbound {
        let inbound = directory.own.inbound.as_ref().ok_or_else(not_ready)?;
        // A program of unknown protocol gets what its caller would have sent it.
        let http2 = match inbound.protocol {
            Protocol::Grpc => true,
            Protocol::Auto => came_as_http2,
            Protocol::Http | Protocol::Tcp => false,
        };
        (Target::Program(inbound.program), inbound.protocol, if http2 { Version::Http2 } else { Version::Http1 })
    } else {
        let peer = to.and_then(|to| directory.peers.get(to)).ok_or_else(not_ready)?;
        // Outside clients speak HTTP/2 by habit; only their own programs' callers mean it.
        let http2 = match peer.protocol {
            Protocol::Grpc => true,
            Protocol::Auto | Protocol::Http => came_as_http2 && conn.side != Side::Gateway,
            Protocol::Tcp => false,
        };
        (Target::Peer(peer.id.clone(), peer.mesh), peer.protocol, if http2 { Version::Http2 } else { Version::Http1 })
    };
    if protocol == Protocol::Tcp {
        return Err(Answer::new(502, "not_http", "the service does not speak HTTP"));
    }
    let version = if upgrade { Version::Http1 } else { version };
    Ok(Plan { target, version, endless: protocol == Protocol::Grpc })
}

/// The request as it goes out.
fn outgoing(mut head: Parts, plan: &Plan, body: Upload) -> Result<Request<Upload>, Answer> {
    let malformed = |_| Answer::refused(crate::framing::Rule::Target);
    let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let authority = head.uri.authority().cloned();
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    match plan.version {
        Version::Http1 => {
            if !head.headers.contains_key(header::HOST) {
                head.headers.insert(header::HOST, host_of(authority.as_ref(), plan));
            }
            *request.uri_mut() = Uri::from(path);
        }
        Version::Http2 => {
            let host = head.headers.remove(header::HOST);
            let authority = match (authority, host) {
                (Some(authority), _) => authority,
                (None, host) => {
                    let host = host.unwrap_or_else(|| host_of(None, plan));
                    Authority::try_from(host.as_bytes())
                        .map_err(|_| Answer::refused(crate::framing::Rule::HostInvalid))?
                }
            };
            let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path);
            *request.uri_mut() = uri.build().map_err(malformed)?;
            *request.version_mut() = http::Version::HTTP_2;
        }
    }
    *request.headers_mut() = head.headers;
    Ok(request)
}

/// The host for a request that named none (HTTP/1.0 need not): the address it goes to.
fn host_of(authority: Option<&Authority>, plan: &Plan) -> HeaderValue {
    let (Target::Program(addr) | Target::Peer(_, addr)) = &plan.target;
    let text = authority.map_or_else(|| addr.to_string(), Authority::to_string);
    HeaderValue::try_from(text).expect("an authority and an address are visible ASCII")
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

fn answer(conn: &Conn, mut record: Record, answer: &Answer) -> Response<Download> {
    record.answered(answer);
    let response = answer.response(record.trace().request, conn.is_http2());
    response.map(|text| Download::own(text, record))
}

/// Hands the response on, with the request's id and without what was meant for one hop.
fn pass_on(received: Received, mut record: Record) -> Response<Download> {
    let Received { response, lease, sent, received } = received;
    let (head, body) = response.into_parts();
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    filter::strip_response(response.headers_mut(), false);
    response.headers_mut().insert(REQUEST_ID_HEADER, id_value(record.trace().request));
    // Our share: until the request was handed to the connection, and since its response was there.
    let added = sent.duration_since(record.began()) + received.elapsed();
    record.passed(head.status.as_u16(), added);
    response.map(|()| Download::passed(body, Some(lease), record))
}
