//! The answer to one question: ready, known, unambiguous, permitted, in this order; and its event.

use super::Desk;
use super::ask::{Asked, Wants};
use super::certificate;
use crate::answer::Answer;
use crate::counters::{Ended, as_us32};
use crate::filter::{self, PATH_AMBIGUOUS};
use crate::framing::{Rule, check_method, check_target};
use crate::live::Live;
use crate::record::judged;
use bartizan_core::event::{Connection, Refused, Request, SeenBy, What};
use bartizan_core::fleet::Protocol;
use bartizan_core::path::{self, PathError};
use bartizan_core::snapshot::{Inbound, Mode};
use bartizan_core::{Action, Decision, Role, ServiceName, SpiffeId};
use bartizan_policy::Ask;
use bartizan_runtime::clock;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// A caller that may ask here at all.
struct Caller {
    name: ServiceName,
    id: SpiffeId,
    /// Known by its identity alone, and no service of this trust domain.
    named: bool,
}

/// What was found out on the way to the answer, for the event.
#[derive(Default)]
struct Found {
    caller: Option<Caller>,
    route: Option<Arc<str>>,
    decision: Option<Arc<Decision>>,
}

/// Who was let in.
pub(super) struct Admitted {
    /// Its identity.
    pub(super) id: SpiffeId,
}

/// Judges `asked`, counts it and writes its event.
///
/// # Errors
/// The [`Answer`] for the client, where it is not let in.
pub(super) fn judge(desk: &Desk, asked: &Asked<'_>) -> Result<Admitted, Answer> {
    let began = Instant::now();
    let live = desk.proxy.live();
    let mut found = Found::default();
    let answer = decide(desk, &live, asked, &mut found);
    let admitted = found.caller.as_ref().map(|caller| Admitted { id: caller.id.clone() });
    tell(desk, asked, found, answer.as_ref().err(), began);
    answer.and_then(|()| admitted.ok_or_else(unknown_caller))
}

fn decide(desk: &Desk, live: &Live, asked: &Asked<'_>, found: &mut Found) -> Result<(), Answer> {
    let (inbound, mode) = ready(desk, live)?;
    let caller = found.caller.insert(caller(desk, live, inbound, asked)?);
    let (action, method, path) = match asked.wants {
        Wants::Connection if inbound.protocol == Protocol::Http || inbound.protocol == Protocol::Grpc => {
            let text = "this service is asked for request by request, not for connections";
            return Err(Answer::new(403, "not_tcp", text));
        }
        Wants::Connection => (Action::Connect, "", String::new()),
        Wants::Request { .. } if inbound.protocol == Protocol::Tcp => {
            return Err(Answer::new(403, "not_http", "this service is asked for connections, not for requests"));
        }
        Wants::Request { method, target } => (Action::of_method(method), method, form(method, target)?),
    };
    found.route = filter::named_route(&inbound.routes, method, &path).map(|name| name.as_str().into());
    if mode == Mode::Mtls {
        return Ok(());
    }
    let policies = live.policies.as_ref().ok_or_else(not_ready)?;
    let ask = Ask {
        user: None,
        principal: &caller.name,
        id: caller.named.then_some(&caller.id),
        action,
        resource: &desk.proxy.name,
        route: found.route.as_deref(),
        method,
        path: &path,
    };
    let mut memo = desk.memo.lock().unwrap_or_else(PoisonError::into_inner);
    let decision = memo.decide(policies, &ask);
    let prediction = memo.predict(policies, &ask, &decision);
    drop(memo);
    if let Some(prediction) = prediction {
        desk.proxy.predictions.note(&prediction, &ask, Some(asked.trace.request));
    }
    found.decision = Some(Arc::clone(&decision));
    if decision.is_allow() { Ok(()) } else { Err(Answer::denied(&decision)) }
}

/// The same three things that the guard's own requests need.
fn ready<'a>(desk: &Desk, live: &'a Live) -> Result<(&'a Inbound, Mode), Answer> {
    if !desk.proxy.heard.freshness().serves() {
        return Err(Answer::new(503, "expired", "this proxy has not heard from control for too long"));
    }
    let directory = live.directory.as_ref().ok_or_else(not_ready)?;
    let inbound = directory.own.inbound.as_ref().ok_or_else(not_ready)?;
    live.identity_at(clock::now()).ok_or_else(not_ready)?;
    Ok((inbound, directory.mode))
}

fn not_ready() -> Answer {
    Answer::new(503, "not_ready", "this proxy has no valid identity or configuration yet")
}

fn unknown_caller() -> Answer {
    Answer::new(403, "unknown_caller", "the caller is nobody who may call here")
}

/// Who calls: a service of the trust domain, or one whom the directory names; and not on the deny list.
fn caller(desk: &Desk, live: &Live, inbound: &Inbound, asked: &Asked<'_>) -> Result<Caller, Answer> {
    let id = SpiffeId::parse(asked.principal).map_err(|_| unknown_caller())?;
    let (name, named) = match id.role_in(&desk.proxy.domain) {
        Some(Role::Service(name)) => (name, false),
        _ => (inbound.callers.get(&id).cloned().ok_or_else(unknown_caller)?, true),
    };
    let marks = match asked.certificate {
        "" => None,
        encoded => Some(certificate::marks(encoded, &id, clock::now()).ok_or_else(unknown_caller)?),
    };
    let denied = live.denied.as_ref().is_some_and(|denied| {
        let by_marks = marks.is_some_and(|marks| denied.denies_certificate(&id, &marks.serial, &marks.key).is_some());
        by_marks || denied.denies_id(&id).is_some()
    });
    if denied {
        return Err(Answer::new(403, "revoked", "the caller is not trusted any more"));
    }
    Ok(Caller { name, id, named })
}

/// The path in its one form, where method and path are beyond doubt.
fn form(method: &str, target: &str) -> Result<String, Answer> {
    let refused = |rule: Rule| Answer { close: false, ..Answer::refused(rule) };
    check_method(method.as_bytes()).map_err(refused)?;
    check_target(target.as_bytes()).map_err(refused)?;
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    path::check(path).map_err(|error| match error {
        PathError::TooLong => Answer::new(414, "path_too_long", "the path is too long"),
        PathError::NotAbsolute | PathError::DotSegment | PathError::Ambiguous => {
            Answer::new(400, PATH_AMBIGUOUS, "the path can be read in more than one way")
        }
    })?;
    Ok(path::canonical(path).into_owned())
}

/// Counts the question and writes its event: as a guard's own, where the caller is known.
fn tell(desk: &Desk, asked: &Asked<'_>, found: Found, refusal: Option<&Answer>, began: Instant) {
    let Found { caller, route, decision } = found;
    let denied = decision.as_ref().filter(|decision| !decision.is_allow()).map(|decision| decision.denial);
    let (status, error) = refusal.map_or((200, None), |answer| (answer.status, Some(Arc::clone(&answer.word))));
    let Some(caller) = caller else {
        desk.counters.refused();
        let rule = error.unwrap_or_else(|| "unknown_caller".into());
        let refused = Refused { peer: SpiffeId::parse(asked.principal).ok(), remote: asked.remote, rule, status };
        return desk.proxy.events.offer(SeenBy::Envoy, Some(asked.trace.request), What::Refused(refused));
    };
    desk.counters.inbound(caller.name.as_str()).count(match (&error, denied) {
        (None, _) => Ended::Answered,
        (Some(_), Some(denial)) => Ended::Denied(denial),
        (Some(_), None) => Ended::Failed,
    });
    let (took_us, to, peer) = (as_us32(began.elapsed()), desk.proxy.name.clone(), Some(caller.id));
    let decision = decision.as_deref().map(judged);
    let what = match asked.wants {
        Wants::Request { method, target } => What::Request(Request {
            peer,
            to,
            action: Action::of_method(method),
            method: cut(method),
            path: cut(target.split_once('?').map_or(target, |(path, _)| path)),
            route,
            decision,
            status,
            error,
            took_us,
            added_us: took_us,
            client: None,
            user: None,
            span: asked.trace.span,
            parent_span: asked.parent_span,
        }),
        Wants::Connection => What::Connection(Connection {
            peer,
            to,
            decision,
            bytes_up: 0,
            bytes_down: 0,
            took_us: took_us.into(),
            error,
        }),
    };
    desk.proxy.events.offer(SeenBy::Envoy, Some(asked.trace.request), what);
}

/// As much of a text as events hold.
fn cut(text: &str) -> Arc<str> {
    const BYTES_MAX: usize = 1024;
    let end = (0..=text.len().min(BYTES_MAX)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text[..end].into()
}
