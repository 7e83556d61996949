//! May this caller do this to this service? Policy decides; a connection remembers what was decided on it.
//!
//! Inbound the caller is the peer, at the gateway it is the gateway. Outbound nothing is decided: a listener exists only
//! for declared edges, and the callee's own sidecar decides.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::{Caller, Conn, Side};
use bartizan_core::snapshot::Mode;
use bartizan_core::{Action, ServiceName};
use bartizan_policy::{Ask, Memo};

pub(super) const IT: Filter = Filter { name: "authorize", run };

/// Who asks on `conn`, as policies know it.
pub fn principal(conn: &Conn) -> ServiceName {
    conn.caller.as_ref().map_or_else(|| nobody(&conn.side), |caller| caller.name.clone())
}

/// Who asks where no certificate was shown: at the gateway it asks for the client; elsewhere nobody knows who it is, and it
/// must never be taken for the gateway.
fn nobody(side: &Side) -> ServiceName {
    if *side == Side::Gateway { ServiceName::gateway() } else { ServiceName::unauthenticated() }
}

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if matches!(x.conn.side, Side::Outbound(_)) || x.live.directory.as_ref().is_some_and(|d| d.mode == Mode::Mtls) {
        return Ok(());
    }
    let nobody = nobody(&x.conn.side);
    let principal = x.conn.caller.as_ref().map_or(&nobody, |caller| &caller.name);
    let (Some(policies), Some(resource)) = (&x.live.policies, &x.to) else {
        return Err(Answer::new(503, "not_ready", "this proxy has no policies yet"));
    };
    let method = x.head.method.as_str();
    let ask = Ask {
        user: x.user.as_deref(),
        principal,
        id: x.conn.caller.as_ref().and_then(Caller::id),
        action: Action::of_method(method),
        resource,
        route: x.route.as_deref(),
        method,
        path: x.path(),
    };
    let mut memo = x.conn.memo.borrow_mut();
    if x.live.directory.as_ref().is_some_and(|directory| !directory.tuning.remember) {
        *memo = Memo::default();
    }
    let decision = memo.decide(policies, &ask);
    if let Some(prediction) = memo.predict(policies, &ask, &decision) {
        x.conn.worker.proxy.predictions.note(&prediction, &ask, Some(x.trace.request));
    }
    x.decision = Some(decision.clone());
    if decision.is_allow() { Ok(()) } else { Err(Answer::denied(&decision)) }
}
