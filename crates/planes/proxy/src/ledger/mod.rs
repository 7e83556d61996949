//! Every open connection of one worker, with what it was trusted for. When the picture changes or time passes, those that
//! are concerned are judged again, and end with a reason.
//!
//! A connection stands here before it is judged for the first time: whatever changes later finds it, and whatever changed
//! before is seen by that first judgement. All of it runs on one thread, so there is nothing between the two.

mod entry; // one connection
mod ongoing; // what is under way on it

pub use entry::{Entry, Over};
pub use ongoing::{Ongoing, Question};

use crate::conn::{Caller, Side};
use crate::counters::{Counters, as_us};
use crate::limits;
use crate::live::Proxy;
use bartizan_core::Timestamp;
use bartizan_core::event::{Ended, Ending, SeenBy, What};
use bartizan_identity::VerifiedPeer;
use bartizan_policy::Memo;
use bartizan_runtime::clock;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// The open connections of one worker.
#[derive(Clone, Debug)]
pub struct Ledger(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
    entries: RefCell<HashMap<u64, Rc<Entry>>>,
    next: Cell<u64>,
}

/// A connection's place in the ledger, until it is dropped.
#[derive(Debug)]
pub struct Registered {
    entry: Rc<Entry>,
    ledger: Ledger,
    number: u64,
}

impl Deref for Registered {
    type Target = Rc<Entry>;
    fn deref(&self) -> &Rc<Entry> {
        &self.entry
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.ledger.0.entries.borrow_mut().remove(&self.number);
    }
}

impl Registered {
    /// Judges it by the picture of this moment, where that is newer than the one it was last judged by. A request calls
    /// this, so that none slips in between a change and the ledger's own look.
    pub fn judge_again(&self) -> Option<Ending> {
        self.ledger.judge(&self.entry, &mut Memo::default());
        self.entry.over()
    }
}

impl Ledger {
    /// An empty one.
    pub fn new(proxy: Arc<Proxy>, counters: Arc<Counters>) -> Self {
        Self(Rc::new(Inner { proxy, counters, entries: RefCell::default(), next: Cell::new(0) }))
    }

    /// Takes up a connection that came through `side`, without a certificate at the other end.
    pub fn register_plain(&self, side: &Side) -> Registered {
        self.insert(Entry::new(side.seen_by(), None, None))
    }

    /// Takes up a connection of a `caller`; as [`Ledger::register`].
    ///
    /// # Errors
    /// As [`Ledger::register`].
    pub fn register_caller(
        &self,
        side: &Side,
        caller: &Caller,
        own_not_after: Timestamp,
    ) -> Result<Registered, Ending> {
        let trusted = Some((caller.peer.clone(), own_not_after));
        let registered = self.insert(Entry::new(side.seen_by(), trusted, Some(caller.name.clone())));
        registered.judge_again().map_or(Ok(registered), Err)
    }

    /// Takes up a connection with a verified `peer`, for which an own certificate was used that ends at `own_not_after`.
    ///
    /// # Errors
    /// Why it is not trusted any more, where something changed since the peer was verified.
    pub fn register(
        &self,
        seen_by: SeenBy,
        peer: VerifiedPeer,
        own_not_after: Timestamp,
    ) -> Result<Registered, Ending> {
        let registered = self.insert(Entry::new(seen_by, Some((peer, own_not_after)), None));
        registered.judge_again().map_or(Ok(registered), Err)
    }

    fn insert(&self, entry: Entry) -> Registered {
        let number = self.0.next.get();
        self.0.next.set(number + 1);
        let entry = Rc::new(entry);
        self.0.entries.borrow_mut().insert(number, Rc::clone(&entry));
        Registered { entry, ledger: self.clone(), number }
    }

    /// Looks at every connection: those that were not judged by the present picture, and those whose time is over.
    pub async fn look(&self) {
        let entries: Vec<_> = self.0.entries.borrow().values().cloned().collect();
        let mut memo = Memo::default();
        for some in entries.chunks(limits::LEDGER_CHUNK) {
            some.iter().for_each(|entry| self.judge(entry, &mut memo));
            tokio::task::yield_now().await; // traffic goes on meanwhile
        }
    }

    fn judge(&self, entry: &Rc<Entry>, memo: &mut Memo) {
        if entry.over().is_some() {
            return;
        }
        let live = self.0.proxy.live();
        if let Some(over) = entry.judge(&live, clock::now(), self.0.proxy.heard.freshness()) {
            return self.end(entry, over);
        }
        if !entry.is_judged_by(&live) {
            for ending in entry.judge_ongoing(&live, memo) {
                self.0.counters.trust_ended(ending);
            }
            entry.set_judged_by(&live);
        }
    }

    fn end(&self, entry: &Rc<Entry>, over: Over) {
        let Over { ending, detail } = over;
        let cut = entry.end(ending);
        self.0.counters.trust_ended(ending);
        let event = Ended {
            peer: entry.peer().map(|peer| peer.id().clone()),
            ending,
            detail,
            open_us: as_us(entry.opened().elapsed()),
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        };
        self.0.proxy.events.offer(entry.seen_by(), None, What::Ended(event));
    }
}
