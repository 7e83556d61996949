//! `POST /v1/events`: the supervisor's own events, a JSON list of [`Event`].

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::limits::POSTED_EVENTS_MAX;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use bartizan_core::event::{Event, SeenBy};
use bartizan_core::status::Accepted;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/events",
    who: Who::Local,
    about: "Hand in events of the supervisor",
    route: || post(answer),
};

async fn answer(
    State(app): State<Arc<App>>,
    events: Result<Json<Vec<Event>>, JsonRejection>,
) -> Result<Json<Accepted>, Failure> {
    let Json(events) = events.map_err(|error| Failure::bad_request(error.body_text()))?;
    if events.len() > POSTED_EVENTS_MAX {
        return Err(Failure::bad_request(format!("{} events at once are more than {POSTED_EVENTS_MAX}", events.len())));
    }
    if events.iter().any(|event| event.seen_by != SeenBy::Supervisor) {
        return Err(Failure::bad_request(
            "an event that was not seen by the supervisor; proxies send theirs on their stream",
        ));
    }
    let count = events.len() as u64;
    let empty = events.is_empty();
    let taken = app.pipeline.offer(events).is_some() || empty;
    Ok(Json(if taken { Accepted { accepted: count, dropped: 0 } } else { Accepted { accepted: 0, dropped: count } }))
}
