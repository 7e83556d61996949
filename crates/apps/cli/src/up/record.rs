//! Tells control which processes started and ended. Best effort: what control cannot take in time is dropped and
//! counted, since supervising must not wait for bookkeeping.

use super::part::Part;
use crate::limits::{PROCESS_EVENTS_MAX, PROCESS_EVENTS_RETRY};
use bartizan_core::ServiceName;
use bartizan_core::event::{Event, EventId, Process, Refused, SeenBy, What};
use bartizan_core::status::Accepted;
use bartizan_crypto::random;
use bartizan_runtime::{clock, local};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Most events in one request, a count: some 30 KiB.
const BATCH_MAX: usize = 100;

enum Message {
    Event(Box<Event>),
    Flush(oneshot::Sender<()>),
}

/// Where events are handed in.
#[derive(Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Message>,
    prefix: u64,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Recorder {
    /// Starts handing events to control at `socket`.
    pub(crate) fn start(socket: PathBuf) -> Self {
        let (queue, events) = mpsc::channel(PROCESS_EVENTS_MAX);
        tokio::spawn(deliver(socket, events));
        Self { queue, prefix: random::u64(), written: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    /// A process started (`exit` is `None`) or ended.
    pub(crate) fn process(&self, part: &Part, executable: &Path, pid: u32, exit: Option<&str>) {
        let process = Process {
            kind: part.kind().into(),
            executable: executable.to_string_lossy().into(),
            pid,
            started: exit.is_none(),
            exit: exit.map(Into::into),
        };
        self.write(part.service(), What::Process(process));
    }

    /// A program listens where other machines may reach it, past its sidecar.
    pub(crate) fn exposed(&self, service: &ServiceName, listen: SocketAddr) {
        let rule = "program_listens_beyond_loopback".into();
        let refused = Refused { peer: None, remote: Some(listen), rule, status: 0 };
        self.write(Some(service.clone()), What::Refused(refused));
    }

    fn write(&self, service: Option<ServiceName>, what: What) {
        let id = EventId(self.prefix, self.written.fetch_add(1, Ordering::Relaxed));
        let event = Event { id, at: clock::now(), service, seen_by: SeenBy::Supervisor, request: None, what };
        if self.queue.try_send(Message::Event(Box::new(event))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until control has taken what was written so far, at most `within`. Answers with the number of dropped events.
    pub(crate) async fn flush(&self, within: Duration) -> u64 {
        let (done, taken) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = taken.await;
            }
        };
        // Late is lost: control is about to be stopped.
        let _ = tokio::time::timeout(within, flushed).await;
        self.dropped.load(Ordering::Relaxed)
    }
}

async fn deliver(socket: PathBuf, mut queue: mpsc::Receiver<Message>) {
    let mut messages = Vec::new();
    while queue.recv_many(&mut messages, BATCH_MAX).await > 0 {
        let mut events = Vec::new();
        let mut flushes = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Event(event) => events.push(*event),
                Message::Flush(done) => flushes.push(done),
            }
        }
        // The same events again and again until control is there; the queue bounds what piles up meanwhile.
        while !events.is_empty() && !handed_in(&socket, &events).await {
            tokio::time::sleep(PROCESS_EVENTS_RETRY).await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

/// False where it is worth trying again.
async fn handed_in(socket: &Path, events: &[Event]) -> bool {
    match local::post::<_, Accepted>(socket, "/v1/events", events).await {
        Ok(_) => true,
        // A member of a group that does not lead, or does not any more: whoever does is there in a moment.
        Err(local::LocalError::Refused { status: 503, .. }) => false,
        Err(local::LocalError::Refused { status, body }) => {
            tracing::warn!(status, body, "control refused process events");
            true
        }
        Err(_) => false,
    }
}
