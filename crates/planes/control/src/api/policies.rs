//! `GET /v1/policies`: every policy in force, which guards are asked it, and which of those enforce it by their own word.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bartizan_core::ServiceName;
use bartizan_core::snapshot::{Kind, Mode};
use bartizan_core::status::{PoliciesStatus, PolicyStatus};
use bartizan_policy::{Reach, reach};
use bartizan_runtime::clock;
use std::collections::BTreeSet;
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
    Ok(PoliciesStatus {
        epoch,
        mode: desired.plan.mode,
        policies: reached.into_iter().map(|it| policy(it, &at_epoch)).collect(),
    })
}

fn policy(reach: Reach, at_epoch: &BTreeSet<ServiceName>) -> PolicyStatus {
    let Reach { id, file, line, permit, declared, guards } = reach;
    let (enforced_by, missing) = guards.into_iter().partition(|guard| at_epoch.contains(guard));
    PolicyStatus { id: id.to_string(), file: file.to_string(), line, permit, declared, enforced_by, missing }
}
