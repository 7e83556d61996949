//! Can the service bear one more? At the gateway, where the fleet file says `adaptive: true`.

use super::{Exchange, Filter};
use crate::answer::{Answer, Limited, UNAVAILABLE};
use crate::limiting::Told;
use crate::overload::Admission;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Decision, Denial, ServiceName, Verdict};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "overload", run };

/// What stands for the policies where there is too much: no policy said no.
const BY: &str = "fleet:adaptive";
/// Seconds after which a client may come again.
const WAIT_S: u64 = 1;

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(to) = &x.to else { return Ok(()) };
    let Some(admission) = x.live.limits.admission(to) else { return Ok(()) };
    if let Some(waiting) = &mut x.waiting {
        waiting.is_admitted_by(to.clone(), Arc::clone(admission));
        return Ok(());
    }
    if let Some(admitted) = admission.admit(x.asked().client(), x.conn.proxy().steady_ns()) {
        x.admitted = Some(admitted);
        return Ok(());
    }
    let (decision, answer) = refusal(to, admission, x.speaks_grpc());
    let epoch = x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default();
    x.decision = Some(Arc::new(Decision { epoch, ..decision }));
    Err(answer)
}

/// The client learns when to come again, the operator how much there is.
pub fn refusal(to: &ServiceName, admission: &Admission, grpc: bool) -> (Decision, Answer) {
    let (limit, under_way) = admission.stands();
    let why = format!("`{to}` bears about {limit} requests at once and has {under_way}; who comes as usual goes first");
    let decision = Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        denial: Denial::Expected,
        epoch: Epoch::default(),
    };
    let limited = Limited { wait_s: WAIT_S, told: Told::default(), grpc: grpc.then_some(UNAVAILABLE) };
    (decision, Answer::new(503, "overloaded", "too much at once, come again later").over(limited))
}
