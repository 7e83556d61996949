//! `GET /v1/alerts`, `POST /v1/alerts/acknowledge`, `POST /v1/alerts/silence`, `POST /v1/alerts/silence/end`, `POST /v1/alerts/rehearse`,
//! `GET /v1/alerts/on-call`.

use crate::alerts::on_call_at;
use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::Timestamp;
use bartizan_core::alerts::{Acknowledge, Acknowledged, AlertsStatus, EndSilence, Matcher, Rehearsal, Silence, Window};
use bartizan_core::on_call::OnCallStatus;
use bartizan_crypto::random;
use bartizan_runtime::clock;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Longest word of people that is kept, in bytes.
const WORDS_BYTES_MAX: usize = 1_024;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/alerts",
    who: Who::Viewer,
    about: "Alerts that are there, of which nobody is told and why, the rules, silences, and how routes fare",
    route: || get(list),
};

pub(super) const ACKNOWLEDGE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/alerts/acknowledge",
    who: Who::Operator,
    about: "Take notice of an alert or an incident, so that the next level is not told",
    route: || post(acknowledge),
};

pub(super) const SILENCE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/alerts/silence",
    who: Who::Operator,
    about: "Page nobody for some services or a rule for a while",
    route: || post(silence),
};

pub(super) const END: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/alerts/silence/end",
    who: Who::Operator,
    about: "End a silence before its time",
    route: || post(end),
};

pub(super) const REHEARSE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/alerts/rehearse",
    who: Who::Operator,
    about: "Let the fault of each rule in force happen on a clock of its own, and remember what came of it",
    route: || post(rehearse),
};

pub(super) const ON_CALL: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/alerts/on-call",
    who: Who::Viewer,
    about: "Who is on call now or at a moment, the next hand-overs, and who is told of which alerts",
    route: || get(on_call),
};

/// What is asked of who is on call.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "AskedOnCall")]
#[serde(deny_unknown_fields)]
pub(super) struct AskedOnCall {
    /// At that moment, in milliseconds since 1970; now where left out.
    at_ms: Option<u64>,
}

async fn on_call(
    State(app): State<Arc<App>>,
    query: Result<Query<AskedOnCall>, QueryRejection>,
) -> Result<Json<OnCallStatus>, Failure> {
    let Query(AskedOnCall { at_ms }) = query.map_err(|e| Failure::bad_request(e.body_text()))?;
    Ok(Json(on_call_at(&app, at_ms.map_or_else(clock::now, Timestamp::from_millis))))
}

async fn rehearse(State(app): State<Arc<App>>) -> Result<Json<Vec<Rehearsal>>, Failure> {
    let done = tokio::task::spawn_blocking(move || app.alerts.rehearse(clock::now())).await;
    done.map(Json).map_err(|error| Failure::unavailable(error.to_string()))
}

async fn list(State(app): State<Arc<App>>) -> Json<AlertsStatus> {
    Json(app.alerts.status(clock::now()))
}

async fn acknowledge(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<Acknowledge>,
) -> Result<Json<Acknowledged>, Failure> {
    let note = wanted.note.as_deref().map(words).transpose()?;
    let done = app.alerts.acknowledge(&app, &wanted.id, &actor.by, note);
    if done.is_empty() {
        let text =
            format!("no alert that is there is called `{}`, nor an incident; `bartizan alerts` lists them", wanted.id);
        return Err(Failure::not_found(text));
    }
    Ok(Json(Acknowledged { ids: done.into_iter().map(|it| it.id).collect() }))
}

async fn silence(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<Silence>,
) -> Result<Json<Window>, Failure> {
    let why = words(&wanted.why)?.to_owned();
    if why.trim().is_empty() {
        return Err(Failure::bad_request("say why: somebody will wonder at night"));
    }
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let known = |it: &bartizan_core::ServiceName| {
        fleet.services.contains_key(it) || it.as_str() == bartizan_core::name::GATEWAY
    };
    if let Some(unknown) = wanted.services.iter().find(|it| !known(it)) {
        return Err(Failure::not_found(format!("the fleet has no service `{unknown}`")));
    }
    let names: Vec<&str> = wanted.services.iter().map(|it| it.as_str()).collect();
    let by_service = (!names.is_empty()).then(|| Matcher {
        name: "service".to_owned(),
        value: names.join("|"),
        is_regex: true,
        is_equal: true,
    });
    let by_rule =
        wanted.rule.map(|value| Matcher { name: "alertname".to_owned(), value, is_regex: false, is_equal: true });
    let mut matchers: Vec<Matcher> = by_service.into_iter().chain(by_rule).collect();
    if matchers.is_empty() {
        // All there is: every alert has a name.
        matchers.push(Matcher { name: "alertname".to_owned(), value: ".+".to_owned(), is_regex: true, is_equal: true });
    }
    let now = clock::now();
    let window = Window {
        id: format!("s{:08x}", random::u64() as u32),
        matchers,
        from: now,
        until: now.plus(Duration::from_secs(wanted.for_s)),
        by: actor.by.to_string(),
        why,
        pages_only: true,
        active: true,
    };
    app.alerts.silence(&app, window.clone()).map_err(|error| Failure::unprocessable(error.to_string()))?;
    Ok(Json(window))
}

async fn end(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<EndSilence>,
) -> Result<Json<EndSilence>, Failure> {
    if !app.alerts.end_silence(&app, &wanted.id, &actor.by) {
        let text = format!(
            "there is no silence `{}` by command, or it is over; those of the fleet file end with it",
            wanted.id
        );
        return Err(Failure::not_found(text));
    }
    Ok(Json(wanted))
}

fn words(text: &str) -> Result<&str, Failure> {
    if text.len() > WORDS_BYTES_MAX {
        return Err(Failure::bad_request(format!("more than {WORDS_BYTES_MAX} bytes of words")));
    }
    Ok(text)
}
