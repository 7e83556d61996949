//! Control's view of the fleet, asked for again and again; quicker while something is starting.

use super::board::{Board, Phase};
use super::part::Part;
use crate::limits::{DRAW_EVERY, READY_POLL};
use bartizan_core::status::Status;
use bartizan_runtime::local;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The last answer of control; `None` before the first one and while control is away.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    latest: watch::Receiver<Option<Arc<Status>>>,
}

impl Pulse {
    /// Starts asking at `socket` until `stop` fires.
    pub(crate) fn start(socket: PathBuf, board: Arc<Board>, stop: CancellationToken) -> Self {
        let (tx, latest) = watch::channel(None);
        tokio::spawn(async move {
            let mut changes = board.subscribe();
            let asking = async {
                loop {
                    let asked = Instant::now();
                    let answer = local::get::<Status>(&socket, "/v1/status").await;
                    tx.send_replace(answer.ok().map(Arc::new));
                    let answered = Instant::now();
                    let next = || answered + pause(&board, answered - asked);
                    // A part that begins to wait shortens the pause that is under way.
                    while tokio::time::timeout_at(next(), changes.changed()).await.is_ok() {}
                }
            };
            stop.run_until_cancelled(asking).await;
        });
        Self { latest }
    }

    /// The last answer.
    pub(crate) fn now(&self) -> Option<Arc<Status>> {
        self.latest.borrow().clone()
    }

    /// Waits for an answer that satisfies `wanted`. Never ends where the asking has stopped.
    pub(crate) async fn until(&self, mut wanted: impl FnMut(&Status) -> bool) {
        let mut latest = self.latest.clone();
        if latest.wait_for(|status| status.as_ref().is_some_and(|status| wanted(status))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn pause(board: &Board, took: Duration) -> Duration {
    let waits = |(part, state): (&Part, &super::board::PartState)| {
        matches!(part, Part::Sidecar(_) | Part::Gateway) && state.phase == Phase::Starting
    };
    let somebody_waits = board.now().iter().any(waits);
    // A status of a thousand services takes its time: at most a fifth of it goes into asking.
    if somebody_waits { (took * 4).clamp(READY_POLL, DRAW_EVERY) } else { DRAW_EVERY }
}
