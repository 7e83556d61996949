//! What follows a first try that did not go well: further ones, at other instances, as long as that is safe and in time.

use super::{once, outcome, pause, shorter};
use crate::balance::{EdgeId, Outcome, Tried};
use crate::conn::Worker;
use crate::message::{Body, Watch};
use crate::upstream::{Failure, Outgoing, Received, Target, Version};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A request that is to be sent again.
pub(super) struct Again<'a> {
    pub(super) worker: &'a Worker,
    pub(super) edge: EdgeId,
    pub(super) version: Version,
    /// Its whole body, where it was at hand.
    pub(super) held: Option<Bytes>,
    /// It changes nothing when it is worked on twice, and can be sent twice.
    pub(super) repeatable: bool,
    /// For one try, where the fleet file says it.
    pub(super) one: Option<Duration>,
    /// Whether the fleet file says how long all of it may take.
    pub(super) is_bounded: bool,
    /// For all tries.
    pub(super) deadline: Instant,
    pub(super) watch: &'a Watch,
}

impl Again<'_> {
    /// Whether there may be another try after this outcome; then the budget has paid.
    pub(super) fn may_retry(&self, request: &Outgoing, outcome: Outcome, tried: &Tried) -> bool {
        // A body that was handed to a connection and not kept is gone.
        let is_here = request.body.is_some() || self.held.is_some();
        let balance = &self.worker.balance;
        is_here && Instant::now() < self.deadline && balance.may_retry(self.edge, self.repeatable, outcome, tried)
    }

    /// Tries until one goes well or there may be no other. `last` is what came of the first.
    pub(super) async fn run(
        self,
        target: Target,
        mut request: Outgoing,
        mut tried: Tried,
        last: (Outcome, Result<Received, Failure>),
    ) -> Result<Received, Failure> {
        let (mut came_to, mut sent) = last;
        let id = match target {
            Target::Peer(id, _) => Some(id),
            Target::Plain(_) => None,
            Target::Program(_) => return sent,
        };
        loop {
            let pause = pause(tried.count(), came_to);
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let Ok(attempt) = self.worker.balance.pick(self.edge, &mut tried) else {
                return sent; // what came of the try before says more
            };
            request.body = request.body.take().or_else(|| self.held.clone().map(Body::whole));
            let left = self.deadline.saturating_duration_since(Instant::now());
            let named = shorter(self.one, self.is_bounded.then_some(left));
            let target = Target::callee(id.clone(), attempt.mesh);
            sent = once(self.worker, &target, self.version, &mut request, (named, left)).await;
            came_to = outcome(&sent, self.watch);
            attempt.ended(came_to);
            if !self.may_retry(&request, came_to, &tried) {
                return sent;
            }
        }
    }
}
