//! What every request for a page goes through: whether there are pages at all, and whether it asks too often.

use super::desk::Desk;
use super::pages::Problem;
use crate::app::App;
use crate::error::chain;
use crate::stream::Peer;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bartizan_core::Timestamp;
use bartizan_core::people::Rules;
use bartizan_runtime::clock;
use bartizan_runtime::https::Shown;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a page has to know of the request that it answers.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(super) app: Arc<App>,
    pub(super) desk: Arc<Desk>,
    pub(super) rules: Rules,
    /// The issuer: the one origin whose forms count.
    pub(super) origin: String,
    pub(super) remote: SocketAddr,
    pub(super) now: Timestamp,
}

impl Visit {
    /// Or what to answer where there are no pages.
    pub(crate) async fn of(app: &Arc<App>, remote: SocketAddr, now: Timestamp) -> Result<Self, Box<Response>> {
        let nothing = || Box::new(StatusCode::NOT_FOUND.into_response());
        let desk = app.people.desk(app).await.map_err(|error| {
            tracing::error!(why = chain(&error), "nobody can sign in");
            Box::new((StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response())
        })?;
        let in_force = app.in_force();
        let said = in_force.desired.fleet.authorization.as_ref().ok_or_else(nothing)?;
        let rules = said.people.clone().ok_or_else(nothing)?;
        let (desk, origin) = (desk.ok_or_else(nothing)?, said.issuer.clone());
        Ok(Self { app: Arc::clone(app), desk, rules, origin, remote, now })
    }

    /// The page, or what is wrong.
    pub(super) fn said(&self, said: Result<Response, Problem>) -> Response {
        said.unwrap_or_else(|problem| problem.answer(self))
    }
}

pub(super) async fn gate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(from) = request.extensions().get::<Shown<Peer>>() else {
        // It did not come over our listener; whatever it is, there is nothing for it.
        return StatusCode::NOT_FOUND.into_response();
    };
    let visit = match Visit::of(&app, from.remote, clock::now()).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    if !app.authorization.may_ask(visit.remote.ip()) {
        return Problem::too_often().answer(&visit);
    }
    request.extensions_mut().insert(visit);
    next.run(request).await
}
