//! Who may reach a service, whom it may reach, and which policies have a say in it.

use crate::app::App;
use bartizan_core::ServiceName;
use bartizan_core::overview::{ReachEdge, ReachPolicy, ReachStatus};
use bartizan_policy::{Between, Edges};
use std::collections::BTreeSet;

/// `None` where there is no such service. Takes some 0.1 ms for each policy: not on a thread that serves.
///
/// # Errors
/// Where the policies in force do not compile, which was checked when they came into force.
pub(crate) fn reach(app: &App, service: &ServiceName) -> Result<Option<ReachStatus>, String> {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let is_gateway = *service == ServiceName::gateway() && fleet.gateway.is_some();
    if !is_gateway && !fleet.services.contains_key(service) {
        return Ok(None);
    }
    let policies = Edges::of(fleet, &in_force.desired.policies).map_err(|errors| errors.to_string())?;
    let (mut inward, mut out) = (BTreeSet::new(), BTreeSet::new());
    for (from, to) in fleet.edges() {
        if to == *service {
            inward.insert(from);
        } else if from == *service {
            out.insert(to);
        }
    }
    let edge = |peer: &ServiceName, between: Vec<Between>| {
        let (permit, forbid): (Vec<_>, Vec<_>) = between.into_iter().partition(|it| it.permit);
        let told = |all: Vec<Between>| all.into_iter().map(policy).collect();
        ReachEdge { peer: peer.to_string(), policies: told(permit), forbidding: told(forbid) }
    };
    Ok(Some(ReachStatus {
        service: service.clone(),
        inward: inward.iter().map(|from| edge(from, policies.between(from, service))).collect(),
        out: out.iter().map(|to| edge(to, policies.between(service, to))).collect(),
    }))
}

fn policy(it: Between) -> ReachPolicy {
    let Between { id, file, line, routes, permit: _ } = it;
    ReachPolicy { policy: id.to_string(), file: file.to_string(), line, routes }
}
