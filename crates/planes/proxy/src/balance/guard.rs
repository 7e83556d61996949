//! The picker for the tasks of one worker: a try that is dropped is told, and what changes is counted.

use super::{BreakerState, EdgeId, Effects, Outcome, Pick, Picker, Refused, Tried};
use crate::counters::{Counters, Edge as Counts};
use crate::live::Live;
use bartizan_core::ServiceName;
use bartizan_core::edge::{Edge, Instance};
use bartizan_crypto::random;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One worker's picker, with its clock.
#[derive(Clone, Debug)]
pub struct Balance(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    picker: RefCell<Picker>,
    /// Found once for each edge, since finding them takes a lock.
    counts: RefCell<HashMap<EdgeId, Arc<Counts>>>,
    counters: Arc<Counters>,
    began: Instant,
    /// The picture that the picker goes by.
    version: Cell<Option<u64>>,
}

/// One try on its way. Dropped without an outcome, it counts as given up.
#[derive(Debug)]
pub struct Try {
    balance: Balance,
    pick: Option<Pick>,
    /// Where the instance's guard accepts mutual TLS.
    pub mesh: SocketAddr,
}

impl Balance {
    /// A picker that knows nobody yet.
    pub fn new(counters: Arc<Counters>) -> Self {
        let (picker, counts, version) = (RefCell::default(), RefCell::default(), Cell::new(None));
        Self(Rc::new(Inner { picker, counts, counters, began: Instant::now(), version }))
    }

    /// The edge to `callee`, by the picture of the moment; `None` where it is not known any more.
    pub fn edge(&self, live: &Live, callee: &ServiceName) -> Option<EdgeId> {
        self.update(live);
        self.0.picker.borrow().edge(callee)
    }

    /// Picks an instance for the next try of a request that was `tried` before.
    ///
    /// # Errors
    /// [`Refused`]; nothing is to be sent.
    pub fn pick(&self, edge: EdgeId, tried: &mut Tried) -> Result<Try, Refused> {
        let is_retry = tried.count() > 0;
        let picked = self.0.picker.borrow_mut().pick(edge, tried, self.now(), random::name());
        match &picked {
            Ok(_) if is_retry => self.count(edge, Counts::retried),
            Err(Refused::BreakerOpen) => self.count(edge, Counts::short_cut),
            _ => {}
        }
        picked.map(|pick| Try { balance: self.clone(), mesh: pick.mesh, pick: Some(pick) })
    }

    /// Whether a request may be tried once more; then the budget has paid.
    pub fn may_retry(&self, edge: EdgeId, repeatable: bool, outcome: Outcome, tried: &Tried) -> bool {
        self.0.picker.borrow_mut().may_retry(edge, repeatable, outcome, tried)
    }

    /// What holds on an edge.
    pub fn settings(&self, edge: EdgeId) -> Edge {
        self.0.picker.borrow().settings(edge).copied().unwrap_or_default()
    }

    /// A copy of a call on this edge was sent.
    pub fn mirrored(&self, edge: EdgeId) {
        self.count(edge, Counts::mirrored);
    }

    /// Takes the picture of the moment up where it changed.
    fn update(&self, live: &Live) {
        if self.0.version.get() == Some(live.version) {
            return;
        }
        self.0.version.set(Some(live.version));
        let Some(directory) = &live.directory else { return };
        let alone: Vec<Instance> =
            directory.peers.values().map(|peer| Instance { mesh: peer.mesh, zone: None, weight: 1 }).collect();
        let edges = directory.peers.iter().zip(&alone).map(|((callee, peer), alone)| {
            let instances = if peer.instances.is_empty() { std::slice::from_ref(alone) } else { &peer.instances[..] };
            (callee, &peer.edge, instances)
        });
        let mut picker = self.0.picker.borrow_mut();
        picker.update(directory.own.zone.as_deref(), edges);
        let counts = picker.edges().map(|(callee, edge)| (edge, self.0.counters.outbound(callee)));
        *self.0.counts.borrow_mut() = counts.collect();
    }

    fn ended(&self, pick: Pick, outcome: Outcome) {
        let (edge, mesh) = (pick.edge(), pick.mesh);
        let Effects { ejected, opened, closed } = self.0.picker.borrow_mut().ended(pick, outcome, self.now());
        if ejected {
            self.count(edge, Counts::ejected);
            tracing::warn!(%mesh, "an instance failed again and again and gets nothing for a while");
        }
        if opened {
            self.count(edge, Counts::breaker_opened);
            tracing::warn!(%mesh, "most calls fail: nothing is sent for a moment");
        }
        if closed {
            tracing::info!(%mesh, "calls go well again");
        }
    }

    /// Says how breakers and instances stand; called ever so often.
    pub fn report(&self, live: &Live) {
        self.update(live);
        let (picker, now) = (self.0.picker.borrow(), self.now());
        for (_, edge) in picker.edges() {
            let Some((state, out, _)) = picker.state(edge, now) else { continue };
            self.count(edge, |counts| counts.stands(state != BreakerState::Closed, out));
        }
    }

    fn count(&self, edge: EdgeId, count: impl FnOnce(&Counts)) {
        if let Some(counts) = self.0.counts.borrow().get(&edge) {
            count(counts);
        }
    }

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }
}

impl Try {
    /// Tells how it ended.
    pub fn ended(mut self, outcome: Outcome) {
        if let Some(pick) = self.pick.take() {
            self.balance.ended(pick, outcome);
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if let Some(pick) = self.pick.take() {
            self.balance.ended(pick, Outcome::GivenUp);
        }
    }
}
