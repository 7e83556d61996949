//! One request to a callee: which version, which instance, how often. What is decided is decided in [`crate::balance`].

mod again; // further tries
mod copy; // to another version, whose answer nobody waits for
mod course; // where it goes

pub use course::Course;

use self::again::Again;
use crate::answer::UNSENT_HEADER;
use crate::balance::{Outcome, Refused, Tried, is_repeatable};
use crate::conn::Worker;
use crate::limits;
use crate::live::ALPN_TCP;
use crate::message::Watch;
use crate::upstream::{Dialled, Failure, Outgoing, Received, Target, Version};
use bartizan_core::SpiffeId;
use bartizan_crypto::random;
use bytes::Bytes;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Says to a program that a request is a copy, whose answer nobody gets. Programs cannot say it themselves.
pub const COPY_HEADER: &str = "x-bartizan-mirror";

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Way {
    /// To the own program.
    Program(SocketAddr),
    /// To an instance of a callee.
    Callee(Course),
}

/// For how long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// When the request came.
    pub began: Instant,
    /// At most so long, also where the fleet file says more.
    pub patience: Duration,
}

/// Sends a request to the own program, or to one instance of a callee after the other as far as that is safe, and waits for
/// the head of its response, within `bounds` or what the fleet file says.
///
/// What goes well at once, as nearly all does, costs no more than picking the instance. Dropping the future gives the request
/// up.
///
/// # Errors
/// [`Failure`] of the last try.
pub async fn send(
    worker: &Rc<Worker>,
    way: Way,
    version: Version,
    mut request: Outgoing,
    bounds: Bounds,
    watch: &Watch,
) -> Result<Received, Failure> {
    let course = match way {
        Way::Program(addr) => {
            return worker.pools.send(&Target::Program(addr), version, &mut request, bounds.patience).await;
        }
        Way::Callee(course) => course,
    };
    let settings = worker.balance.settings(course.edge);
    let held = if settings.retry.attempts > 0 || course.copy.is_some() { held(&request) } else { None };
    if let (Some(copied), Some(body)) = (&course.copy, &held) {
        copy::send(worker, copied, version, &request.head, body.clone());
    }
    let mut tried = Tried::default();
    let attempt = worker.balance.pick(course.edge, &mut tried).map_err(refused)?;
    let target = Target::callee(course.id, attempt.mesh);
    let (whole, one) = (settings.timeout_ms.map(ms), settings.try_timeout_ms.map(ms));
    let sent = once(worker, &target, version, &mut request, (shorter(whole, one), bounds.patience)).await;
    let outcome = outcome(&sent, watch);
    attempt.ended(outcome);
    let is_good = matches!(outcome, Outcome::Status(status) if status < 500);
    if is_good || outcome == Outcome::GivenUp {
        return sent;
    }
    let repeatable = is_repeatable(&request.head.method, held.is_some());
    let deadline = bounds.began + whole.map_or(bounds.patience, |whole| whole.min(bounds.patience));
    let again = Again {
        worker,
        edge: course.edge,
        version,
        held,
        repeatable,
        one,
        is_bounded: whole.is_some(),
        deadline,
        watch,
    };
    if again.may_retry(&request, outcome, &tried) {
        return Box::pin(again.run(target, request, tried, (outcome, sent))).await;
    }
    sent
}

/// One try: no longer than the first of `within`, which the fleet file says, and in any case than the second.
async fn once(
    worker: &Worker,
    target: &Target,
    version: Version,
    request: &mut Outgoing,
    within: (Option<Duration>, Duration),
) -> Result<Received, Failure> {
    let (named, patience) = within;
    let mut sent = match named {
        None => worker.pools.send(target, version, request, patience).await,
        Some(named) => {
            let sending = worker.pools.send(target, version, request, patience);
            timeout(named.min(patience), sending).await.unwrap_or(Err(Failure::Timeout))
        }
    };
    if let (Ok(received), Target::Plain(_)) = (&mut sent, target) {
        received.head.fields.remove(UNSENT_HEADER); // only a guard may say it
    }
    sent
}

/// A connection that bytes are relayed on.
#[derive(Debug)]
pub(crate) enum Reached {
    /// To a callee's guard.
    Guard(Box<Dialled>),
    /// To a callee's program, in plain.
    Program(TcpStream),
}

async fn reach(worker: &Worker, id: Option<&SpiffeId>, at: SocketAddr) -> Result<Reached, Failure> {
    match id {
        Some(id) => worker.pools.dial_peer(id, at, &[ALPN_TCP]).await.map(|dialled| Reached::Guard(Box::new(dialled))),
        None => worker.pools.dial_plain(at).await.map(Reached::Program),
    }
}

/// The whole body, where all of it is at hand and short enough to be kept.
fn held(request: &Outgoing) -> Option<Bytes> {
    let whole = request.body.as_ref()?.as_whole()?;
    (whole.len() <= limits::REPLAY_BYTES_MAX).then_some(whole)
}

/// What a try came to.
fn outcome(sent: &Result<Received, Failure>, watch: &Watch) -> Outcome {
    match sent {
        Ok(received) if received.head.fields.contains(UNSENT_HEADER) => Outcome::Unsent,
        Ok(received) => Outcome::Status(received.head.status.as_u16()),
        // The client's own doing, or ours.
        Err(_) if watch.trouble().is_some() => Outcome::GivenUp,
        Err(failure) => match failure {
            // What is lacking is lacking here: no instance is to be left out for it.
            Failure::NotReady | Failure::BreakerOpen | Failure::Exhausted(_) => Outcome::GivenUp,
            Failure::Connect(_) | Failure::ConnectTimeout | Failure::Handshake { .. } | Failure::Unprocessed => {
                Outcome::Unsent
            }
            Failure::Broken(_) | Failure::Malformed(_) => Outcome::Reset,
            Failure::Timeout => Outcome::Timeout,
        },
    }
}

/// Connects to an instance on `course`, to relay bytes.
///
/// # Errors
/// [`Failure`] of the last try.
pub(crate) async fn dial(worker: &Worker, course: &Course) -> Result<Reached, Failure> {
    let mut tried = Tried::default();
    let mut attempt = worker.balance.pick(course.edge, &mut tried).map_err(refused)?;
    loop {
        let dialled = Box::pin(reach(worker, course.id.as_ref(), attempt.mesh)).await;
        let outcome = match &dialled {
            Ok(_) => Outcome::Status(200),
            Err(Failure::Exhausted(_)) => Outcome::GivenUp,
            Err(failure) if failure.is_unsent() => Outcome::Unsent,
            Err(_) => Outcome::GivenUp,
        };
        attempt.ended(outcome);
        if !worker.balance.may_retry(course.edge, false, outcome, &tried) {
            return dialled;
        }
        sleep(pause(tried.count(), outcome)).await;
        attempt = match worker.balance.pick(course.edge, &mut tried) {
            Ok(attempt) => attempt,
            Err(_) => return dialled,
        };
    }
}

fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Unknown => Failure::NotReady,
        Refused::BreakerOpen => Failure::BreakerOpen,
    }
}

/// How long to wait before the next try. Whom nobody reached is not helped by waiting; the next one is another mostly.
fn pause(tries: u8, outcome: Outcome) -> Duration {
    if outcome == Outcome::Unsent && tries == 1 {
        return Duration::ZERO;
    }
    let longest = limits::TRY_AGAIN_FIRST * 2_u32.saturating_pow(u32::from(tries).saturating_sub(1)).min(64);
    // Those who failed together do not come back together.
    longest.mul_f64(0.5 + random::name() as f64 / u64::MAX as f64 / 2.0)
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
