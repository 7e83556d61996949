//! Something under way on a connection that may last: a request, a relayed stream of bytes.

use crate::routes::Said;
use bartizan_core::event::Ending;
use bartizan_core::user::User;
use bartizan_core::{Action, Decision, ServiceName, SpiffeId};
use bartizan_policy::{Ask, Engine, Memo};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What policy was asked about it.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asked.
    pub principal: ServiceName,
    /// The identity of who asked, where that is no service; see [`Ask::id`].
    pub id: Option<SpiffeId>,
    /// To do what.
    pub action: Action,
    /// To whom.
    pub resource: ServiceName,
    /// To which named route.
    pub route: Option<Arc<str>>,
    /// HTTP method; empty for bytes.
    pub method: Arc<str>,
    /// Path in its one form; empty for bytes.
    pub path: Arc<str>,
    /// On whose behalf.
    pub user: Option<Arc<User>>,
    /// What its route at the gateway was chosen by besides method and path.
    pub said: Option<Arc<Said>>,
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        Ask {
            user: self.user.as_deref(),
            principal: &self.principal,
            id: self.id.as_ref(),
            action: self.action,
            resource: &self.resource,
            route: self.route.as_deref(),
            method: &self.method,
            path: &self.path,
        }
    }
}

/// Something under way. One task at a time waits for its end.
#[derive(Debug)]
pub struct Ongoing {
    question: Option<Question>,
    over: Cell<Option<Ending>>,
    /// The decision that ended it, where policy did.
    decision: RefCell<Option<Arc<Decision>>>,
    waker: RefCell<Option<Waker>>,
}

impl Ongoing {
    pub(super) fn new(question: Option<Question>, over: Option<Ending>) -> Self {
        Self { question, over: Cell::new(over), decision: RefCell::default(), waker: RefCell::default() }
    }

    /// What policy was asked about it.
    pub fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }

    /// Why it is over, where it is.
    pub fn over(&self) -> Option<Ending> {
        self.over.get()
    }

    /// The decision that ended it, where policy did.
    pub fn decision(&self) -> Option<Arc<Decision>> {
        self.decision.borrow().clone()
    }

    /// Ready once it is over.
    pub fn poll_over(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Some(ending) = self.over.get() {
            return Poll::Ready(ending);
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(held) => held.clone_from(cx.waker()), // nothing where it is the same one
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until it is over.
    pub async fn until_over(&self) -> Ending {
        poll_fn(|cx| self.poll_over(cx)).await
    }

    /// Asks again; true where the answer is no, and it is over with that.
    pub(super) fn judge(&self, policies: &Arc<Engine>, memo: &mut Memo) -> bool {
        let Some(question) = self.question.as_ref().filter(|_| self.over.get().is_none()) else { return false };
        let decision = memo.decide(policies, &question.ask());
        if decision.is_allow() {
            return false;
        }
        *self.decision.borrow_mut() = Some(decision);
        self.end(Ending::Policy);
        true
    }

    pub(super) fn end(&self, ending: Ending) {
        if self.over.get().is_some() {
            return;
        }
        self.over.set(Some(ending));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}
