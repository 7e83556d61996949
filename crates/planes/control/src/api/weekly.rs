//! `GET /v1/reports/weekly`: what a week brought.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::weekly::{Archive, make};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use bartizan_core::weekly::{Week, WeeklyReport};
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/reports/weekly",
    who: Who::Viewer,
    about: "What a week brought beside the one before, with owners: archived reports, or the running week so far",
    route: || get(answer),
};

/// Which week.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    /// Such as `2026-W48`, or `current` for the running one; the last one that is over where left out.
    week: Option<String>,
}

async fn answer(
    State(app): State<Arc<App>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<WeeklyReport>, Failure> {
    let Query(Asked { week }) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let now = clock::now();
    let running = Week::of(now);
    let week = match week.as_deref() {
        None => running.before(),
        Some("current") => running,
        Some(text) => Week::parse(text).ok_or_else(|| {
            Failure::bad_request(format!("week = `{text}`: expected a week such as `{running}`, or `current`"))
        })?,
    };
    let shared = Arc::clone(&app);
    let blocking = move || {
        let archive = Archive::of(&shared.options.data);
        (archive.get(week).filter(|_| week < running), archive.weeks())
    };
    let (archived, weeks) =
        tokio::task::spawn_blocking(blocking).await.map_err(|_| Failure::unavailable("control is about to stop"))?;
    // Of the last two there is enough to make one also where nobody did.
    let report = match archived {
        Some(report) => report,
        None if week == running || week == running.before() => make(&app, week, now).await?,
        None => return Err(Failure::not_found(none_of(week, &weeks))),
    };
    Ok(Json(WeeklyReport { archived: weeks.iter().map(ToString::to_string).collect(), ..report }))
}

fn none_of(week: Week, weeks: &[Week]) -> String {
    let (newest, oldest) = (weeks.first(), weeks.last());
    match newest.zip(oldest) {
        Some((newest, oldest)) => format!("there is no report of {week}; there are reports from {oldest} to {newest}"),
        None => format!("there is no report of {week}, and none is archived yet"),
    }
}
