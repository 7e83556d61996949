//! Does it come much more often than is usual for it? Then it waits, or is refused (429) where it would have to wait for too long.

use super::{Exchange, Filter};
use crate::answer::{Answer, Limited, RESOURCE_EXHAUSTED};
use crate::conn::Side;
use crate::slowing::{OwnedAsked, TooMuch, Waiting};
use bartizan_core::{Decision, Denial, Verdict};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "slow_down", run };

/// What stands for the policies where somebody comes too often for itself: no policy said no.
pub const BY: &str = "fleet:slow_down";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let pace = match (&x.conn.side, x.edge_route) {
        (Side::Gateway, Some(route)) => route.settings.pace.as_ref(),
        (Side::Inbound, _) => x.live.limits.pace(),
        _ => None,
    };
    let Some(pace) = pace else { return Ok(()) };
    match pace.comes(&x.asked(), x.conn.proxy().steady_ns()) {
        Ok(None) => Ok(()),
        Ok(Some(slowed)) => {
            let asked = OwnedAsked::of(&x.asked(), x.user.clone(), x.route.clone());
            x.waiting = Some(Box::new(Waiting::new(slowed, asked, x.speaks_grpc())));
            Ok(())
        }
        Err(too_much) => Err(refuse(x, too_much)),
    }
}

fn refuse(x: &mut Exchange<'_>, TooMuch { wait_s, why, told }: TooMuch) -> Answer {
    x.decision = Some(Arc::new(Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        denial: Denial::Expected,
        epoch: x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default(),
    }));
    let grpc = x.speaks_grpc().then_some(RESOURCE_EXHAUSTED);
    Answer::new(429, "rate_limited", "too many requests, come again later").over(Limited { wait_s, told, grpc })
}
