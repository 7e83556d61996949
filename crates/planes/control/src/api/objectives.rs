//! `GET /v1/objectives`, `GET /v1/objectives/advice`, `POST /v1/objectives/override`, `POST /v1/objectives/override/end`: what is asked of
//! the indicators, what would come of asking for something else, and that locks of promotion do not count.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::indicators::objectives;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::objectives::{Advice, ObjectivesStatus};
use bartizan_core::promotion::{OVERRIDE_MAX, Overridden, Override, REASON_BYTES_MAX};
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/objectives",
    who: Who::Viewer,
    about: "What the file of objectives asks of the indicators",
    route: || get(list),
};

pub(super) const ADVICE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/objectives/advice",
    who: Who::Viewer,
    about: "How often other targets would have told somebody within the last thirty days",
    route: || get(advice),
};

pub(super) const OVERRIDE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/objectives/override",
    who: Who::Administrator,
    about: "Let changes through for a while although an error budget locks promotion or a version is held back, with a reason",
    route: || post(override_for),
};

pub(super) const END_OVERRIDE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/objectives/override/end",
    who: Who::Operator,
    about: "Let locks of promotion count again",
    route: || post(end_override),
};

async fn list(State(app): State<Arc<App>>) -> Json<ObjectivesStatus> {
    Json(status(&app))
}

fn status(app: &App) -> ObjectivesStatus {
    let (in_force, now) = (app.in_force(), clock::now());
    let said = in_force.desired.fleet.objectives.as_ref();
    ObjectivesStatus { promotion: app.promotion.status(said, now), ..objectives(said, now) }
}

async fn override_for(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<Override>,
) -> Result<Json<ObjectivesStatus>, Failure> {
    let Override { why, for_s } = wanted;
    if why.trim().is_empty() || why.len() > REASON_BYTES_MAX {
        return Err(Failure::bad_request(format!(
            "say why, in at most {REASON_BYTES_MAX} bytes: it is kept in the ledger"
        )));
    }
    let time = Duration::from_secs(for_s);
    if time.is_zero() || time > OVERRIDE_MAX {
        return Err(Failure::bad_request(format!("for_s = {for_s}: expected 1 to {}", OVERRIDE_MAX.as_secs())));
    }
    let now = clock::now();
    let said = Overridden { by: actor.by.to_string(), why, from: now, until: now.plus(time) };
    if !app.promotion.override_by(&app, &said) {
        return Err(Failure::conflict(
            "promotion is not locked, and no version is held back: there is nothing that would not have to count",
        ));
    }
    Ok(Json(status(&app)))
}

async fn end_override(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<ObjectivesStatus>, Failure> {
    if !app.promotion.end_override(&app, &actor.by) {
        return Err(Failure::conflict("nobody said that locks do not count, or that time is over"));
    }
    Ok(Json(status(&app)))
}

/// Of which indicator, and where; of all of them for the fleet where nothing is said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// `M1` to `M10`; all where left out.
    indicator: Option<String>,
    /// `fleet`, a service, or `CALLER -> CALLEE`; the fleet where left out.
    place: Option<String>,
}

async fn advice(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Json<Advice>, Failure> {
    let none = |text: &str| Failure::not_found(format!("there is no indicator `{text}`; they are M1 to M10"));
    let indicator = asked.indicator.as_deref().map(|it| Indicator::parse(it).ok_or_else(|| none(it))).transpose()?;
    let wrong =
        |text: &str| Failure::bad_request(format!("`{text}` is no place: `fleet`, a service, or `caller -> callee`"));
    let place = asked.place.as_deref().map(|it| Place::parse(it).ok_or_else(|| wrong(it))).transpose()?;
    let place = place.unwrap_or(Place::Fleet);
    // Some hundred milliseconds of counting.
    let work = move || {
        let in_force = app.in_force();
        let wanted = |it: Indicator, at: &Place| indicator.is_none_or(|wanted| wanted == it) && *at == place;
        app.indicators.advice(in_force.desired.fleet.objectives.as_ref(), wanted, clock::now())
    };
    let advice = tokio::task::spawn_blocking(work).await;
    advice.map(Json).map_err(|error| Failure::unavailable(error.to_string()))
}
