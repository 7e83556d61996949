//! The queue before the store, and the task that empties it.

use crate::alerts::Desk;
use crate::error::chain;
use crate::events::counters::{Counters, Loss};
use crate::events::gaps::Gaps;
use crate::events::ingest::{self, Ingest};
use crate::ledger::{Bounds, Ledger, Recorded};
use crate::limits::{FOLLOW_WAITING_MAX, STORE_BATCH_MAX};
use crate::publish::{Current, InForce};
use bartizan_core::event::{Event, EventId, SeenBy, What};
use bartizan_core::status::{LedgerStatus, StoreStatus};
use bartizan_crypto::random;
use bartizan_events::{Events, EventsError, StoredEvent, record};
use bartizan_runtime::clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// An event that was just stored, or found no room there: whoever follows sees both.
pub(crate) type Live = Arc<StoredEvent>;

/// Where events go in. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    /// Unbounded as a channel; [`Counters::enter`] bounds what is in it.
    queue: mpsc::UnboundedSender<Batch>,
    counters: Arc<Counters>,
    live: broadcast::Sender<Live>,
    ledger: Ledger,
    ingest: Arc<Ingest>,
    gaps: Arc<Gaps>,
}

#[derive(Debug)]
struct Batch {
    events: Vec<Event>,
    done: oneshot::Sender<Fate>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in the store, or was before.
    Stored,
    /// It is nowhere, and counted as lost.
    Lost,
}

/// What the pipeline works with.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) events: Events,
    pub(crate) ledger: Ledger,
    /// Who counts what rules ask for.
    pub(crate) alerts: Arc<Desk>,
    /// How much comes from whom.
    pub(crate) ingest: Arc<Ingest>,
    /// For the context of an event: who owns the service, what data it handles.
    pub(crate) in_force: watch::Receiver<Current>,
    /// Where events happen: a plan has all of a fleet on one machine.
    pub(crate) host: Option<String>,
}

impl Pipeline {
    /// Starts the task. It ends once the last clone is dropped.
    pub(crate) fn start(sources: Sources) -> Self {
        let (queue, batches) = mpsc::unbounded_channel();
        let (live, ledger) = (broadcast::Sender::new(FOLLOW_WAITING_MAX), sources.ledger.clone());
        let (ingest, gaps) = (Arc::clone(&sources.ingest), Arc::<Gaps>::default());
        let it = Self { queue, counters: Arc::default(), live, ledger, ingest, gaps };
        let (counters, gaps) = (Arc::clone(&it.counters), Arc::clone(&it.gaps));
        let worker = Worker { sources, counters, live: it.live.clone(), gaps };
        tokio::spawn(worker.run(batches));
        it
    }

    /// Takes events in, or loses all of them where there is no room. Never waits. What is returned resolves when their
    /// fate is known; `None` where it is known already.
    pub(crate) fn offer(&self, events: Vec<Event>) -> Option<oneshot::Receiver<Fate>> {
        if events.is_empty() || !self.counters.enter(events.len() as u64, security(&events)) {
            return None;
        }
        let (done, fate) = oneshot::channel();
        self.queue.send(Batch { events, done }).ok()?; // fails only when the runtime is shutting down
        Some(fate)
    }

    /// Counts events that could not even be read.
    pub(crate) fn lose_unreadable(&self, count: u64) {
        self.counters.lose_at_once(count, Loss::Unreadable);
    }

    /// What is stored from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<Live> {
        self.live.subscribe()
    }

    pub(crate) fn status(&self) -> StoreStatus {
        self.counters.status()
    }

    /// Lost events that tell of a decision or are about security, a count. None is ever left out by choice.
    pub(crate) fn security_lost(&self) -> u64 {
        self.counters.security_lost()
    }

    /// Whether the store found no room at the last attempt.
    pub(crate) fn is_full(&self) -> bool {
        self.counters.is_full()
    }

    /// How much comes from whom.
    pub(crate) fn ingest(&self) -> &Arc<Ingest> {
        &self.ingest
    }

    /// Hops that told nothing.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// What the ledger may take in the data folder from now on.
    pub(crate) fn keep_ledger_within(&self, bounds: Option<Bounds>) {
        self.ledger.keep_within(bounds);
    }

    pub(crate) fn ledger_status(&self) -> LedgerStatus {
        self.ledger.status()
    }

    /// Waits until what is in the queue now is stored or lost, at most `within`.
    pub(crate) async fn drain(&self, within: Duration) {
        let (done, fate) = oneshot::channel();
        if self.queue.send(Batch { events: Vec::new(), done }).is_ok() {
            // Late means that the store hangs; what waits is lost with the process, as after a kill.
            let _ = tokio::time::timeout(within, fate).await;
        }
    }
}

/// How many of them tell of a decision or are about security: all that guards and control tell, and of what others say what they call so.
fn security(events: &[Event]) -> u64 {
    events.iter().filter(|event| !matches!(&event.what, What::Telemetry(it) if !it.security)).count() as u64
}

struct Worker {
    sources: Sources,
    counters: Arc<Counters>,
    live: broadcast::Sender<Live>,
    gaps: Arc<Gaps>,
}

impl Worker {
    async fn run(self, mut batches: mpsc::UnboundedReceiver<Batch>) {
        while let Some(first) = batches.recv().await {
            // Whatever has gathered meanwhile shares one transaction.
            let (mut events, mut dones) = (first.events, vec![first.done]);
            while events.len() < STORE_BATCH_MAX {
                let Ok(next) = batches.try_recv() else { break };
                events.extend(next.events);
                dones.push(next.done);
            }
            let fate = self.store(events).await;
            for done in dones {
                let _ = done.send(fate); // whoever offered them may have gone
            }
        }
    }

    async fn store(&self, events: Vec<Event>) -> Fate {
        if events.is_empty() {
            return Fate::Stored;
        }
        self.sources.alerts.note(&events);
        let handed: Vec<Event> =
            events.iter().filter(|event| matches!(event.what, What::Telemetry(_))).cloned().collect();
        let mut stored = Vec::with_capacity(events.len());
        let in_force = Arc::clone(&self.sources.in_force.borrow());
        self.gaps.note(&events, &in_force.desired.fleet, clock::now());
        let security = security(&events);
        let from: Vec<Arc<str>> = events.iter().map(ingest::source).collect();
        for (count, event) in events.into_iter().enumerate() {
            stored.push(self.record(event, &in_force));
            if count % 128 == 127 {
                tokio::task::yield_now().await; // about 2 ms of work
            }
        }
        let count = stored.len() as u64;
        let amounts = ingest::amounts(&from, &stored);
        let copies: Vec<Live> =
            if self.live.receiver_count() > 0 { stored.iter().cloned().map(Arc::new).collect() } else { Vec::new() };
        // First, and on the disk: what belongs there is there when its batch is confirmed, also where the store is full.
        let recorded = self.sources.ledger.record(&stored).await;
        let fate = match self.sources.events.append(stored).await {
            Ok(appended) => {
                self.sources.ingest.note(amounts, clock::now());
                self.sources.alerts.suspect(&handed);
                if self.counters.stored(appended) {
                    tracing::info!("events are stored again");
                    self.tell_of_the_gap().await;
                }
                Fate::Stored
            }
            Err(error) => {
                let why = if matches!(error, EventsError::Full { .. }) { Loss::DiskFull } else { Loss::StoreFailed };
                let reason = chain(&error);
                if self.counters.lost(count, security, why, reason.clone()) {
                    tracing::error!(reason, "events are lost until this is mended; `bartizan status` shows how many");
                }
                Fate::Lost
            }
        };
        if let Recorded::Again(missing) = recorded {
            self.tell_of_the_ledgers_gap(missing).await;
        }
        for copy in copies {
            let _ = self.live.send(copy); // nobody follows any more
        }
        fate
    }

    fn record(&self, event: Event, in_force: &InForce) -> StoredEvent {
        record::write(event, &in_force.desired.fleet, self.sources.host.as_deref())
    }

    /// Whoever reads the store later has to learn that something is missing there.
    async fn tell_of_the_gap(&self) {
        let status = self.counters.status();
        let what = What::Loss(bartizan_core::event::Loss {
            arrow: "control.store".into(),
            offered: status.offered,
            delivered: status.stored + status.known,
            dropped: status.lost_total(),
        });
        self.tell(what).await;
    }

    /// The same for the ledger, and in it.
    async fn tell_of_the_ledgers_gap(&self, missing: u64) {
        let entries = self.sources.ledger.status().entries;
        let what = What::Loss(bartizan_core::event::Loss {
            arrow: "control.ledger".into(),
            offered: entries + missing,
            delivered: entries,
            dropped: missing,
        });
        self.tell(what).await;
    }

    async fn tell(&self, what: What) {
        let id = EventId(random::u64(), random::u64());
        let event = Event { id, at: clock::now(), service: None, seen_by: SeenBy::Control, request: None, what };
        if !self.counters.enter(1, 1) {
            return;
        }
        let in_force = Arc::clone(&self.sources.in_force.borrow());
        let stored = vec![self.record(event, &in_force)];
        let _ = self.sources.ledger.record(&stored).await; // where it fails, the next one that does not says so
        match self.sources.events.append(stored).await {
            Ok(appended) => drop(self.counters.stored(appended)),
            Err(error) => drop(self.counters.lost(1, 1, Loss::StoreFailed, chain(&error))),
        }
    }
}
