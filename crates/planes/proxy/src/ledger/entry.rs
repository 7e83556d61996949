//! One connection: for what it is trusted, until when, and whether that is over.

use super::ongoing::{Ongoing, Question};
use crate::limits;
use crate::live::Live;
use bartizan_core::event::{Ending, SeenBy};
use bartizan_core::snapshot::Freshness;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_identity::VerifiedPeer;
use bartizan_policy::Memo;
use bartizan_runtime::clock;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Why a connection is over, with more for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Why.
    pub ending: Ending,
    /// The reason on the deny list, where that is it.
    pub detail: Option<Arc<str>>,
}

/// One open connection.
#[derive(Debug)]
pub struct Entry {
    seen_by: SeenBy,
    /// Who is there, and the end of the own certificate; `None` where no certificates were shown.
    trusted: Option<(VerifiedPeer, Timestamp)>,
    /// By what name the peer calls; `None` where it is called.
    name: Option<ServiceName>,
    opened: Instant,
    /// How long it may outlive its certificates.
    grace: Cell<Duration>,
    /// Number of the picture it was last judged by.
    judged_by: Cell<u64>,
    over: Cell<Option<Ending>>,
    /// Its deadline is near.
    late: Cell<bool>,
    wake: Notify,
    ongoing: RefCell<Vec<Rc<Ongoing>>>,
}

impl Entry {
    pub(super) fn new(seen_by: SeenBy, trusted: Option<(VerifiedPeer, Timestamp)>, name: Option<ServiceName>) -> Self {
        Self {
            seen_by,
            trusted,
            name,
            opened: Instant::now(),
            grace: Cell::default(),
            judged_by: Cell::new(u64::MAX),
            over: Cell::default(),
            late: Cell::default(),
            wake: Notify::new(),
            ongoing: RefCell::default(),
        }
    }

    pub(super) fn seen_by(&self) -> SeenBy {
        self.seen_by
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Option<&VerifiedPeer> {
        self.trusted.as_ref().map(|(peer, _)| peer)
    }

    /// Why it is over, where it is.
    pub fn over(&self) -> Option<Ending> {
        self.over.get()
    }

    /// Waits until it is over.
    pub async fn until_over(&self) {
        while self.over.get().is_none() {
            self.wake.notified().await;
        }
    }

    /// Waits until so little time is left that its end had better be prepared. The ledger looks at the clock for all of its
    /// connections, so that none needs a timer of its own. Never, where no certificate bounds it.
    pub async fn until_late(&self) {
        while !self.late.get() {
            self.wake.notified().await;
        }
    }

    /// Whether something new may begin on it.
    pub fn is_good_for_more(&self) -> bool {
        self.over.get().is_none() && !self.is_late(clock::now())
    }

    fn is_late(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline.since(now) <= limits::WIND_DOWN_TIME)
    }

    /// The earliest end of validity of both sides, and the grace.
    fn deadline(&self) -> Option<Timestamp> {
        self.trusted.as_ref().map(|(peer, own)| peer.not_after().min(*own).plus(self.grace.get()))
    }

    /// Notes that something begins that may last; with a `question` it is asked again when policies change.
    pub fn begin(&self, question: Option<Question>) -> Rc<Ongoing> {
        let ongoing = Rc::new(Ongoing::new(question, self.over.get()));
        self.ongoing.borrow_mut().push(Rc::clone(&ongoing));
        ongoing
    }

    /// It ended by itself.
    pub fn finish(&self, ongoing: &Rc<Ongoing>) {
        let mut all = self.ongoing.borrow_mut();
        if let Some(at) = all.iter().position(|it| Rc::ptr_eq(it, ongoing)) {
            all.swap_remove(at);
        }
    }

    pub(super) fn is_judged_by(&self, live: &Live) -> bool {
        self.judged_by.get() == live.version
    }

    pub(super) fn set_judged_by(&self, live: &Live) {
        self.judged_by.set(live.version);
    }

    /// Whether trust in it is over, by this picture at this moment. The order is that of what is worst to overlook.
    pub(super) fn judge(&self, live: &Live, now: Timestamp, freshness: Freshness) -> Option<Over> {
        let (peer, own) = self.trusted.as_ref()?;
        let over = |ending| Some(Over { ending, detail: None });
        if !freshness.serves() {
            return over(Ending::SnapshotsExpired);
        }
        if !self.is_judged_by(live) {
            self.grace.set(live.grace());
            if let Some(entry) = live.denied.as_ref().and_then(|denied| denied.denies(peer)) {
                return Some(Over { ending: Ending::Revoked, detail: Some(entry.reason.as_str().into()) });
            }
            if live.own_is_denied() {
                return over(Ending::OwnRevoked);
            }
            if !live.bundles.as_ref().is_some_and(|bundles| bundles.still_trust(peer)) {
                return over(Ending::Untrusted);
            }
            // Who has another name now would be taken for whoever had this one before; who is called no more, for somebody who is.
            let declared = match &self.name {
                Some(name) => live.caller_name(peer).as_ref() == Some(name),
                None => live.calls(peer),
            };
            if !declared {
                return over(Ending::Undeclared);
            }
        }
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            return over(if own < &peer.not_after() { Ending::OwnExpired } else { Ending::PeerExpired });
        }
        if self.is_late(now) && !self.late.replace(true) {
            self.wake.notify_waiters();
        }
        None
    }

    /// Judges everything under way again, by the gateway's routes and by policy. Gives why each that ended with that did.
    pub(super) fn judge_ongoing(&self, live: &Live, memo: &mut Memo) -> Vec<Ending> {
        let Some(policies) = &live.policies else { return Vec::new() };
        // A copy: whoever is woken may take itself off the list.
        let all = self.ongoing.borrow().clone();
        let gateway = live.directory.as_ref().filter(|directory| directory.own.gateway.is_some());
        let is_for_others = |asked: &Question| {
            let came_by = (&*asked.method, &*asked.path, asked.said.as_deref());
            gateway.is_some_and(|directory| !live.routes.is_for(directory, came_by, self.name.as_ref()))
        };
        let judge = |ongoing: &Rc<Ongoing>| {
            if ongoing.over().is_none() && ongoing.question().is_some_and(is_for_others) {
                ongoing.end(Ending::Undeclared);
                return Some(Ending::Undeclared);
            }
            ongoing.judge(policies, memo).then_some(Ending::Policy)
        };
        all.iter().filter_map(judge).collect()
    }

    /// Ends it and everything on it. Gives how much was under way.
    pub(super) fn end(&self, ending: Ending) -> usize {
        self.over.set(Some(ending));
        let all = self.ongoing.borrow().clone();
        all.iter().for_each(|ongoing| ongoing.end(ending));
        self.wake.notify_waiters();
        all.len()
    }
}
