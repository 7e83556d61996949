//! What everything on its way out shares; lives on one thread.

use super::answers::Answers;
use super::resolve::Resolver;
use super::roots::Roots;
use crate::limits;
use crate::live::{Live, Proxy};
use bartizan_core::egress::Refusal;
use bartizan_core::event::Ending;
use bartizan_core::snapshot::EgressSide;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// See the module.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) proxy: Arc<Proxy>,
    pub(super) resolver: Resolver,
    pub(super) answers: RefCell<Answers>,
    pub(super) roots: Roots,
    /// What was reported as refused, and when.
    reported: RefCell<HashMap<String, Instant>>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) lookups: Semaphore,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Cancelled when nothing new is let in any more, with the stop at the latest.
    pub(super) accepting: CancellationToken,
}

impl Way {
    pub(super) fn new(proxy: Arc<Proxy>, resolver: Resolver, stop: CancellationToken) -> Rc<Self> {
        Rc::new(Self {
            proxy,
            resolver,
            answers: RefCell::default(),
            roots: Roots::default(),
            reported: RefCell::default(),
            connections: Arc::new(Semaphore::new(limits::EGRESS_CONNECTIONS_MAX)),
            lookups: Semaphore::new(limits::EGRESS_LOOKUPS_MAX),
            tasks: TaskTracker::new(),
            accepting: stop.child_token(),
            stop,
        })
    }

    /// Asks the rules of this moment.
    ///
    /// # Errors
    /// `NotReady` where there are none that count, else as `ask`.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&EgressSide) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let live = self.proxy.live();
        if !self.proxy.heard.freshness().serves() || live.own_is_denied() {
            return Err(Refusal::NotReady);
        }
        let directory = live.directory.as_ref().ok_or(Refusal::NotReady)?;
        ask(directory.own.egress.as_ref().ok_or(Refusal::NotReady)?)
    }

    /// Whether `address` is a socket of this guard or of its program: going out is no way to come in.
    pub(super) fn is_own(&self, address: SocketAddr) -> bool {
        let live = self.proxy.live();
        live.directory.as_ref().is_some_and(|directory| {
            let own = &directory.own;
            let inbound = own.inbound.iter().flat_map(|it| [it.mesh, it.program]);
            let egress = own.egress.iter().flat_map(|it| [it.proxy, it.dns]);
            inbound.chain(egress).chain(own.outbound.values().copied()).any(|it| it == address)
        })
    }

    /// Ends once what was allowed is not any more: `holds` is asked at every change of the picture.
    pub(super) async fn until_over(&self, holds: impl Fn(&EgressSide) -> bool) -> Ending {
        let mut changes = self.proxy.changes();
        let mut look = tokio::time::interval(limits::EGRESS_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(ending) = self.ending(&self.proxy.live(), &holds) {
                return ending;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ending::SnapshotsExpired },
                _ = look.tick() => {}
            }
        }
    }

    fn ending(&self, live: &Live, holds: impl Fn(&EgressSide) -> bool) -> Option<Ending> {
        if live.own_is_denied() {
            return Some(Ending::OwnRevoked);
        }
        if !self.proxy.heard.freshness().serves() {
            return Some(Ending::SnapshotsExpired);
        }
        let side = live.directory.as_ref().and_then(|directory| directory.own.egress.as_ref());
        (!side.is_some_and(holds)).then_some(Ending::Undeclared)
    }

    /// Whether the refusal of `what` (a name, or a socket that sends garbage) is worth an event: a program that tries again and
    /// again is told of once in a while.
    pub(super) fn is_worth_reporting(&self, what: String) -> bool {
        let (mut reported, now) = (self.reported.borrow_mut(), Instant::now());
        if reported.get(&what).is_some_and(|at| now - *at < limits::EGRESS_REPORT_EVERY) {
            return false;
        }
        if reported.len() >= limits::EGRESS_REPORTED_MAX {
            reported.retain(|_, at| now - *at < limits::EGRESS_REPORT_EVERY);
        }
        if reported.len() < limits::EGRESS_REPORTED_MAX {
            reported.insert(what, now);
        }
        true
    }
}
