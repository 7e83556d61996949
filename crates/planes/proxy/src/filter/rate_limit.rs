//! May it be now? Limits of the gateway's route, or of the own service.

use super::{Exchange, Filter};
use crate::answer::{Answer, Limited, RESOURCE_EXHAUSTED, UNAVAILABLE};
use crate::conn::Side;
use crate::limiting::Refused;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Decision, Denial, Verdict};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "rate_limit", run };

/// What stands for the policies where a limit refuses: no policy said no.
const BY: &str = "fleet:limits";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let limits = &x.live.limits;
    let rules = match (&x.conn.side, x.edge_route) {
        (Side::Gateway, Some(route)) if !route.said.limits.is_empty() => route.settings.limits.as_ref(),
        (Side::Inbound, _) if x.live.directory.as_ref().is_some_and(|it| has_limits(it)) => limits.service(),
        _ => return Ok(()),
    };
    // It was declared, so without it nothing passes.
    let rules = rules.ok_or_else(|| Answer::new(503, "not_ready", "the limits of this proxy are not known yet"))?;
    if let Some(waiting) = &mut x.waiting {
        waiting.is_limited_by(Arc::clone(rules));
        return Ok(());
    }
    let now = x.conn.proxy().clocks(x.now);
    match rules.take(&x.asked(), now) {
        Ok(passed) => {
            x.limited = Some(Box::new(passed));
            Ok(())
        }
        Err(refused) => Err(refuse(x, refused)),
    }
}

fn has_limits(directory: &bartizan_core::snapshot::Directory) -> bool {
    directory.own.inbound.as_ref().is_some_and(|inbound| !inbound.limits.is_empty())
}

fn refuse(x: &mut Exchange<'_>, refused: Refused) -> Answer {
    let (decision, answer) = refusal(refused, x.speaks_grpc());
    let epoch = x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default();
    x.decision = Some(Arc::new(Decision { epoch, ..decision }));
    answer
}

/// The caller learns when to come again, the operator which limit it was.
pub fn refusal(refused: Refused, grpc: bool) -> (Decision, Answer) {
    let Refused { rule, wait_s, told, unknown } = refused;
    let limit = &rule.limit;
    let reason = match unknown {
        true => format!(
            "the limit `{}` ({limit}) is shared, and what others counted is not known: Redis is away",
            limit.name
        ),
        false => format!("over the limit `{}` ({limit}); again in {wait_s} s", limit.name),
    };
    let decision = Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(reason.into()),
        public: false,
        denial: Denial::Expected,
        epoch: Epoch::default(),
    };
    let (answer, status) = match unknown {
        true => {
            let text = "it cannot be told whether this is too much, come again later";
            (Answer::new(503, "limits_unknown", text), UNAVAILABLE)
        }
        false => (Answer::new(429, "rate_limited", "too many requests, come again later"), RESOURCE_EXHAUSTED),
    };
    (decision, answer.over(Limited { wait_s, told, grpc: grpc.then_some(status) }))
}
