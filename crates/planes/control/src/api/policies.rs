//! `GET /v1/policies`: every policy in force, which guards are asked it, and which of those enforce it by their own word.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bartizan_core::snapshot::{Kind, Mode};
use bartizan_core::stats::PredictedStats;
use bartizan_core::status::{PoliciesStatus, PolicyStatus};
use bartizan_core::{ServiceName, Verdict};
use bartizan_policy::{Reach, reach};
use bartizan_runtime::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/policies",
    who: Who::Viewer,
    about: "Every policy, the guards that it concerns, and those that enforce it",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Response {
    // Some 0.1 ms for each policy: not on a thread that serves.
    let answered = tokio::task::spawn_blocking(move || status(&app)).await;
    match answered {
        Ok(Ok(status)) => Json(status).into_response(),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn status(app: &App) -> Result<PoliciesStatus, String> {
    let in_force = app.in_force();
    let desired = &in_force.desired;
    let epoch = in_force.epoch(Kind::Policies);
    let reached = reach(&desired.fleet, &desired.policies).map_err(|errors| errors.to_string())?;
    // In mode `mtls` guards hold the policies and ask none of them.
    let enforces = desired.plan.mode == Mode::Full;
    let proxies = app.registry.status(&desired.fleet, clock::now());
    let at_epoch = proxies.iter().filter(|it| enforces && it.attached && it.held.get(&Kind::Policies) == Some(&epoch));
    let at_epoch: BTreeSet<ServiceName> = at_epoch.map(|it| it.service.clone()).collect();
    let told = app.registry.totals().into_iter();
    let told = told.flat_map(|(member, it)| it.predicted.into_iter().map(move |it| (member.service().clone(), it)));
    let predicted = predicted(told);
    Ok(PoliciesStatus {
        epoch,
        mode: desired.plan.mode,
        policies: reached.into_iter().map(|it| policy(it, &at_epoch, &predicted)).collect(),
    })
}

/// What is counted apart: policy, caller, callee, and whether it would deny.
type Edge = (Arc<str>, ServiceName, ServiceName, bool);

/// By policy. What instances of one guard counted is added up. A call that comes in at the gateway is judged there and at the service, and
/// is one call: of two guards that tell of the same edge, the one counts that saw more of it.
fn predicted(told: impl Iterator<Item = (ServiceName, PredictedStats)>) -> BTreeMap<Arc<str>, Vec<PredictedStats>> {
    let mut by_guard: BTreeMap<Edge, BTreeMap<ServiceName, PredictedStats>> = BTreeMap::new();
    for (guard, it) in told {
        let edge = (Arc::clone(&it.policy), it.from.clone(), it.to.clone(), it.verdict == Verdict::Deny);
        let of_edge = by_guard.entry(edge).or_default();
        match of_edge.get_mut(&guard) {
            Some(before) => before.calls += it.calls,
            None => drop(of_edge.insert(guard, it)),
        }
    }
    let mut by_policy: BTreeMap<Arc<str>, Vec<PredictedStats>> = BTreeMap::new();
    for of_edge in by_guard.into_values() {
        let most = of_edge.into_values().max_by_key(|it| it.calls);
        most.into_iter().for_each(|it| by_policy.entry(Arc::clone(&it.policy)).or_default().push(it));
    }
    by_policy
}

fn policy(
    reach: Reach,
    at_epoch: &BTreeSet<ServiceName>,
    predicted: &BTreeMap<Arc<str>, Vec<PredictedStats>>,
) -> PolicyStatus {
    let Reach { id, file, line, permit, declared, shadow, guards } = reach;
    let (enforced_by, missing) = guards.into_iter().partition(|guard| at_epoch.contains(guard));
    // What it would have decided is history once it decides.
    let predicted = predicted.get(&id).filter(|_| shadow).cloned().unwrap_or_default();
    let (id, file) = (id.to_string(), file.to_string());
    PolicyStatus { id, file, line, permit, declared, enforced_by, missing, shadow, predicted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_added_up_and_a_call_that_two_guards_judge_is_one() {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let row = |verdict, calls| PredictedStats {
            policy: "tight".into(),
            from: name("gateway"),
            to: name("users"),
            verdict,
            calls,
        };
        let told = predicted(
            [
                (name("gateway"), row(Verdict::Deny, 5)),
                (name("users"), row(Verdict::Deny, 2)),
                (name("users"), row(Verdict::Deny, 4)),
                (name("users"), row(Verdict::Allow, 1)),
            ]
            .into_iter(),
        );
        assert_eq!(told["tight"], [row(Verdict::Allow, 1), row(Verdict::Deny, 6)]);
    }
}
