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

/// Asks for `span`; encrypted where there are `roots`.
pub(super) async fn run(
    doors: &[Door],
    roots: Option<&str>,
    what: &Arc<Asking>,
    connections: u64,
    span: Duration,
) -> Result<Loaded, Failure> {
    let tls = roots.map(|roots| WebClient::new(roots, https::ALPN)).transpose();
    let tls = tls.map_err(|error| Failure::new(chain(&error)))?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn(drive(doors.to_vec(), tls.clone(), Arc::clone(what), number, began + span));
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

async fn drive(doors: Vec<Door>, tls: Option<WebClient>, what: Arc<Asking>, first: u64, until: Instant) -> Loaded {
    let (mut loaded, mut sessions) = (Loaded::default(), HashMap::new());
    // Each connection begins at another path.
    let from = usize::try_from(first).unwrap_or_default() % doors.len().max(1);
    for door in doors.iter().cycle().skip(from) {
        let began = Instant::now();
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
