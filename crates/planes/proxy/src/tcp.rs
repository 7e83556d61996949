//! Connections that are no HTTP: judged once, when they open, then relayed.

use crate::conn::{About, Caller, Side, Worker};
use crate::counters::{Ended, as_us};
use crate::ledger::{Ongoing, Question, Registered};
use crate::limits;
use crate::live::Live;
use crate::plaintext;
use crate::record::judged;
use crate::relay::{self, Drain, First, Relayed};
use crate::sending::{self, Course, Reached};
use crate::upstream::{Dialled, Failure};
use bartizan_core::event::{Connection, SeenBy, What};
use bartizan_core::snapshot::Mode;
use bartizan_core::{Action, Decision, ServiceName, SpiffeId};
use bartizan_policy::Ask;
use bartizan_runtime::tls::ServerStream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// From a peer's sidecar to the own program. Dropping the future closes both connections.
pub async fn inbound(about: About, stream: ServerStream<TcpStream>, caller: Caller, trust: Registered) {
    let About { worker, slot: _slot, .. } = about;
    let began = Instant::now();
    // Noted before policy is asked, so that no change of it goes past.
    let ongoing = trust.begin(Some(question(&worker, &caller)));
    let judgement = judge(&worker, &caller.name, caller.id(), &trust);
    let mut decision = judgement.as_ref().ok().cloned().flatten();
    let allowed = judgement.is_ok() && decision.as_ref().is_none_or(|d| d.is_allow());
    let relayed = if allowed { to_program(&worker, stream, worker.stopping(), &ongoing).await } else { Err("denied") };
    decision = ongoing.decision().or(decision);
    let peer = Some(caller.peer.id().clone());
    report(&worker, began, peer, &caller.name, Judged { decision, refused: judgement.err() }, relayed);
}

/// From a caller without mutual TLS to the own program, as [`inbound`]; until `stop` and a moment more.
pub async fn inbound_plain(about: About, stream: TcpStream, trust: Registered, stop: &CancellationToken) {
    let About { worker, remote, slot: _slot } = about;
    let began = Instant::now();
    plaintext::count(&worker, remote);
    let caller = ServiceName::unauthenticated();
    let ongoing = trust.begin(None); // a change of policies ends nothing here; being strict does
    let drain = Drain::default(); // which may not wait as long as instances that go
    let stop = relay::Stop { stop, drain: &drain };
    let judgement = judge(&worker, &caller, None, &trust);
    let decision = judgement.as_ref().ok().cloned().flatten();
    let allowed = judgement.is_ok() && decision.as_ref().is_none_or(|d| d.is_allow());
    let relayed = if allowed { to_program(&worker, stream, stop, &ongoing).await } else { Err("denied") };
    report(&worker, began, None, &caller, Judged { decision, refused: judgement.err() }, relayed);
}

/// What was decided about a connection.
struct Judged {
    decision: Option<Arc<Decision>>,
    /// Why nothing could be decided.
    refused: Option<&'static str>,
}

/// Counts a connection into the service, and writes its event.
fn report(
    worker: &Worker,
    began: Instant,
    peer: Option<SpiffeId>,
    caller: &ServiceName,
    judged_as: Judged,
    relayed: Result<Relayed, &'static str>,
) {
    let Judged { decision, refused } = judged_as;
    let edge = worker.counters.inbound(caller.as_str());
    edge.count(match &relayed {
        Err("denied") => Ended::Denied(decision.as_ref().map(|decision| decision.denial).unwrap_or_default()),
        Ok(_) => Ended::Answered,
        Err(_) => Ended::Failed,
    });
    let relayed = relayed.unwrap_or_else(nothing);
    let event = Connection {
        peer,
        to: worker.proxy.name.clone(),
        decision: decision.as_deref().map(judged),
        bytes_up: relayed.bytes_up,
        bytes_down: relayed.bytes_down,
        took_us: as_us(began.elapsed()),
        error: refused.or(relayed.error).map(Arc::from),
    };
    if event.error.is_some() || event.decision.is_some() {
        worker.proxy.events.offer(SeenBy::Inbound, None, What::Connection(event));
    }
}

fn question(worker: &Worker, caller: &Caller) -> Question {
    Question {
        principal: caller.name.clone(),
        id: caller.id().cloned(),
        action: Action::Connect,
        resource: worker.proxy.name.clone(),
        route: None,
        method: "".into(),
        path: "".into(),
        user: None,
        said: None,
    }
}

/// What policy says; `Ok(None)` in mode `mtls`, where it is not asked.
fn judge(
    worker: &Worker,
    principal: &ServiceName,
    id: Option<&SpiffeId>,
    trust: &Registered,
) -> Result<Option<Arc<Decision>>, &'static str> {
    let proxy = &worker.proxy;
    let live = proxy.live();
    let mode = live.directory.as_ref().map(|d| d.mode).ok_or("not_ready")?;
    if !proxy.heard.freshness().serves() {
        return Err("expired");
    }
    if let Some(ending) = trust.judge_again() {
        return Err(ending.as_str());
    }
    if mode == Mode::Mtls {
        return Ok(None);
    }
    let policies = live.policies.as_ref().ok_or("not_ready")?;
    let ask = Ask {
        principal,
        id,
        action: Action::Connect,
        resource: &proxy.name,
        route: None,
        method: "",
        path: "",
        user: None,
    };
    let decision = policies.decide(&ask);
    if let Some(prediction) = policies.predict(&ask, &decision) {
        proxy.predictions.note(&prediction, &ask, None);
    }
    Ok(Some(Arc::new(decision)))
}

async fn to_program<S: AsyncRead + AsyncWrite + Unpin>(
    worker: &Worker,
    stream: S,
    stop: relay::Stop<'_>,
    ongoing: &Ongoing,
) -> Result<Relayed, &'static str> {
    let program = program(&worker.proxy.live()).ok_or("not_ready")?;
    let service = worker.pools.dial_program(program).await.map_err(|failure| word(&failure))?;
    Ok(relay::run(stream, service, stop, ongoing.until_over()).await)
}

fn program(live: &Live) -> Option<SocketAddr> {
    Some(live.directory.as_ref()?.own.inbound.as_ref()?.program)
}

/// A connection to a callee that was opened before its caller said what it speaks.
#[derive(Debug)]
pub struct Early {
    reached: Reached,
    /// What the callee said meanwhile.
    greeting: Vec<u8>,
}

impl Early {
    /// Opens one. `None` where the callee is not to be called, or not reached; that is for [`outbound`] to report.
    pub async fn open(worker: &Worker, callee: &ServiceName) -> Option<Self> {
        to_peer(worker, callee).await.ok().map(|reached| Self { reached, greeting: Vec::new() })
    }

    /// Waits for the callee to speak; false where it closed instead. Cancel safe.
    pub async fn is_greeted(&mut self) -> bool {
        self.greeting.reserve(limits::GREETING_BYTES);
        let read = match &mut self.reached {
            Reached::Guard(dialled) => dialled.stream.read_buf(&mut self.greeting).await,
            Reached::Program(program) => program.read_buf(&mut self.greeting).await,
        };
        read.is_ok_and(|n| n > 0)
    }
}

/// From the own program to a peer's sidecar, or to its program where it has none; by what was opened `early`, if anything was.
/// Dropping the future closes both connections.
pub async fn outbound(about: About, callee: ServiceName, mut stream: TcpStream, early: Option<Early>) {
    let About { worker, slot: _slot, .. } = about;
    let began = Instant::now();
    let reached = match early {
        Some(Early { reached, greeting }) => Ok((reached, greeting)),
        None => to_peer(&worker, &callee).await.map(|reached| (reached, Vec::new())),
    };
    let relayed = match reached {
        Ok((reached, greeting)) => {
            let greeted = if greeting.is_empty() { None } else { Some(First::Service) };
            greeted.into_iter().for_each(|first| learn(&worker, &callee, first));
            // Where it cannot be written, the relay finds out at once.
            let _ = stream.write_all(&greeting).await;
            let told = |first| {
                if greeted.is_none() {
                    learn(&worker, &callee, first)
                }
            };
            let mut relayed = match reached {
                Reached::Guard(dialled) => {
                    let Dialled { stream: peer, trust, .. } = *dialled;
                    let ongoing = trust.begin(None);
                    relay::run_telling(stream, peer, worker.stopping(), ongoing.until_over(), &told).await
                }
                Reached::Program(program) => {
                    let trust = worker.ledger.register_plain(&Side::Outbound(callee.clone()));
                    let ongoing = trust.begin(None);
                    relay::run_telling(stream, program, worker.stopping(), ongoing.until_over(), &told).await
                }
            };
            relayed.bytes_down += greeting.len() as u64;
            Ok(relayed)
        }
        Err(error) => Err(error),
    };
    let ended = if relayed.is_ok() { Ended::Answered } else { Ended::Failed };
    worker.counters.outbound(&callee).count(ended);
    let relayed = relayed.unwrap_or_else(nothing);
    // Outbound only failures are events: the callee's sidecar writes the rest.
    let Some(error) = relayed.error else { return };
    let event = Connection {
        peer: None,
        to: callee,
        decision: None,
        bytes_up: relayed.bytes_up,
        bytes_down: relayed.bytes_down,
        took_us: as_us(began.elapsed()),
        error: Some(error.into()),
    };
    worker.proxy.events.offer(SeenBy::Outbound, None, What::Connection(event));
}

/// Remembers who speaks first on connections to a callee, so that the next one begins with that. Bounded by the callees that
/// there are.
pub fn learn(worker: &Worker, callee: &ServiceName, first: First) {
    let mut known = worker.speaks_first.borrow_mut();
    match known.get_mut(callee) {
        Some(held) => *held = first,
        None => drop(known.insert(callee.clone(), first)),
    }
}

async fn to_peer(worker: &Worker, callee: &ServiceName) -> Result<Reached, &'static str> {
    let course = {
        let live = worker.proxy.live();
        if !worker.proxy.heard.freshness().serves() {
            return Err("expired");
        }
        if live.directory.as_ref().is_some_and(|directory| !directory.own.outbound.contains_key(callee)) {
            return Err("undeclared");
        }
        Course::of(&live, &worker.balance, callee)
    };
    let dialled = sending::dial(worker, &course.ok_or("not_ready")?).await;
    dialled.map_err(|failure| word(&failure))
}

fn nothing(error: &'static str) -> Relayed {
    Relayed { bytes_up: 0, bytes_down: 0, error: Some(error) }
}

fn word(failure: &Failure) -> &'static str {
    match failure {
        Failure::NotReady => "not_ready",
        Failure::Connect(_) => "upstream_unreachable",
        Failure::Exhausted(shortage) => shortage.rule(),
        Failure::ConnectTimeout | Failure::Timeout => "upstream_connect_timeout",
        Failure::Handshake { .. } => "upstream_handshake",
        Failure::Broken(_) | Failure::Unprocessed | Failure::Malformed(_) => "upstream_broken",
        Failure::BreakerOpen => "breaker_open",
    }
}
