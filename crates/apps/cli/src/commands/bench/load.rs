//! The load: some connections, each asking for one path after the other.

use super::targets::Door;
use crate::failure::{Failure, chain};
use crate::limits::BENCH_ANSWER_WITHIN;
use bartizan_runtime::https::{self, Asking, GetError, Session};
use bartizan_runtime::tls::WebClient;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a load came to.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// How long each answer took, in microseconds.
    pub(super) took_us: Vec<u64>,
    /// Statuses of 400 and more.
    pub(super) refused: u64,
    /// No answer.
    pub(super) failed: u64,
    pub(super) seconds: f64,
}

/// How many ask at once, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) connections: u64,
    /// Requests a second of all of them; `None`: each asks as soon as it was answered.
    pub(super) rate: Option<u64>,
}

impl Pace {
    /// When that connection asks for the `nth` time, after the beginning: all of them in turn, evenly.
    fn due(self, connection: u64, nth: u64) -> Option<Duration> {
        let before = nth.saturating_mul(self.connections).saturating_add(connection);
        self.rate.map(|rate| Duration::from_secs_f64(before as f64 / rate as f64))
    }
}

/// Asks for `span`; encrypted where there are `roots`.
pub(super) async fn run(
    doors: &[Door],
    roots: Option<&str>,
    what: &Arc<Asking>,
    pace: Pace,
    span: Duration,
) -> Result<Loaded, Failure> {
    let tls = roots.map(|roots| WebClient::new(roots, https::ALPN)).transpose();
    let tls = tls.map_err(|error| Failure::new(chain(&error)))?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..pace.connections {
        tasks.spawn(drive(doors.to_vec(), tls.clone(), Arc::clone(what), (pace, number), (began, began + span)));
    }
    let mut all = Loaded::default();
    while let Some(one) = tasks.join_next().await {
        let one = one.map_err(|error| Failure::new(format!("the load ended early: {error}")))?;
        all.took_us.extend(one.took_us);
        all.refused += one.refused;
        all.failed += one.failed;
    }
    all.seconds = began.elapsed().as_secs_f64();
    if all.took_us.is_empty() {
        let door = doors.first().map(|door| format!("{} at {}", door.path, door.at)).unwrap_or_default();
        return Err(Failure::new(format!("nothing was answered ({} attempts, such as {door})", all.failed)));
    }
    Ok(all)
}

async fn drive(
    doors: Vec<Door>,
    tls: Option<WebClient>,
    what: Arc<Asking>,
    (pace, number): (Pace, u64),
    (start, until): (Instant, Instant),
) -> Loaded {
    let (mut loaded, mut sessions) = (Loaded::default(), HashMap::new());
    // Each connection begins at another path.
    let from = usize::try_from(number).unwrap_or_default() % doors.len().max(1);
    for (nth, door) in (0..).zip(doors.iter().cycle().skip(from)) {
        let began = its_turn(pace.due(number, nth).map(|due| start + due)).await;
        if began >= until {
            break;
        }
        let asked = tokio::time::timeout(BENCH_ANSWER_WITHIN, ask(&mut sessions, tls.as_ref(), &what, door)).await;
        match asked {
            Ok(Ok(status)) => {
                loaded.took_us.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
                loaded.refused += u64::from(status >= 400);
            }
            Ok(Err(_)) | Err(_) => {
                loaded.failed += 1;
                sessions.remove(&door.at);
                tokio::time::sleep(Duration::from_millis(10)).await; // a place that is gone is not hammered
            }
        }
    }
    loaded
}

/// Waits until `due`; the time from which an answer counts. Who comes too late because the answer before was late counts from when
/// it was due: else the time that a server keeps everybody waiting would be measured once, not by all who wait. Who waited counts
/// from when the timer woke it, since its lateness is our own.
async fn its_turn(due: Option<Instant>) -> Instant {
    match due {
        Some(due) if due <= Instant::now() => due,
        Some(due) => {
            tokio::time::sleep_until(due.into()).await;
            Instant::now()
        }
        None => Instant::now(),
    }
}

async fn ask(
    sessions: &mut HashMap<SocketAddr, Session>,
    tls: Option<&WebClient>,
    what: &Asking,
    door: &Door,
) -> Result<u16, GetError> {
    // A server may close a connection after any answer; what may be repeated is, on a new one.
    if let Some(session) = sessions.get_mut(&door.at)
        && session.is_open().await
    {
        match session.ask(&door.path, what).await {
            Err(_) if what.is_idempotent() => {}
            answered => return answered,
        }
    }
    let mut session = open(tls, door.at).await?;
    let status = session.ask(&door.path, what).await?;
    sessions.insert(door.at, session);
    Ok(status)
}

async fn open(tls: Option<&WebClient>, at: SocketAddr) -> Result<Session, GetError> {
    let host = at.ip().to_string();
    let stream = https::dial(&host, at.port()).await?;
    let _ = stream.set_nodelay(true);
    match tls {
        None => Session::open(stream, &at.to_string()).await,
        Some(tls) => {
            let stream = tls.connect(stream, &host, BENCH_ANSWER_WITHIN).await;
            Session::open(stream.map_err(|error| GetError::Broken(error.detail))?, &at.to_string()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_together_ask_so_often_and_evenly() {
        let pace = Pace { connections: 4, rate: Some(100) };
        let mut due: Vec<_> = (0..4).flat_map(|at| (0..25).map(move |nth| pace.due(at, nth).unwrap())).collect();
        due.sort_unstable();
        assert!(due.iter().zip(0u64..).all(|(due, nth)| due.as_millis() == u128::from(nth * 10)), "{due:?}");
        assert_eq!(Pace { rate: None, ..pace }.due(1, 1), None);
    }

    #[tokio::test]
    async fn who_is_late_because_of_an_answer_counts_from_when_it_was_due() {
        let now = Instant::now();
        assert_eq!(its_turn(Some(now)).await, now);
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(its_turn(Some(soon)).await >= soon);
    }
}
