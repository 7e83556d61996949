//! `POST /v1/links`, `GET /v1/sessions`, `POST /v1/sessions/end`: who may come to the console, and who is there.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::console::{BookError, Row};
use crate::error::chain;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::console::{
    ConsoleLink, ConsoleSession, ConsoleSessions, EndSessions, EndedSessions, LINK_MINUTES, LINK_MINUTES_MAX,
    LINK_NAME_BYTES_MAX, MakeLink,
};
use bartizan_core::event::{Deed, Person, What};
use bartizan_core::people::is_shown;
use bartizan_runtime::clock;
use std::sync::Arc;
use std::time::Duration;

pub(super) const LINK: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/links",
    who: Who::Administrator,
    about: "Make a link that opens the console once",
    route: || post(link),
};

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/sessions",
    who: Who::Administrator,
    about: "Who is signed in at the console",
    route: || get(list),
};

pub(super) const END: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/sessions/end",
    who: Who::Administrator,
    about: "End sessions of the console",
    route: || post(end),
};

async fn link(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Result<Json<MakeLink>, JsonRejection>,
) -> Result<Json<ConsoleLink>, Failure> {
    let Json(MakeLink { role, name, minutes }) = wanted.map_err(|error| Failure::bad_request(error.body_text()))?;
    if !is_shown(&name, LINK_NAME_BYTES_MAX) {
        return Err(Failure::bad_request(format!("name: expected 1 to {LINK_NAME_BYTES_MAX} plain characters")));
    }
    let minutes = minutes.unwrap_or(LINK_MINUTES);
    if !(1..=LINK_MINUTES_MAX).contains(&minutes) {
        return Err(Failure::bad_request(format!("minutes = {minutes}: expected 1 to {LINK_MINUTES_MAX}")));
    }
    let url = app.console.url().ok_or_else(|| {
        Failure::conflict(
            "there is no console: `console: off` is in the fleet file, it has no address, or that is taken",
        )
    })?;
    let life = Duration::from_secs(u64::from(minutes) * 60);
    let (token, until) = app.console.book.link(role, &name, life, clock::now()).await?;
    tell(&app, &name, Deed::Invited, &format!("console, as {role}"), &actor);
    Ok(Json(ConsoleLink { link: format!("{url}/link#{token}"), until, role, name }))
}

async fn list(State(app): State<Arc<App>>) -> Json<ConsoleSessions> {
    let shown = |row: Row| {
        let Row { session, name, role, way, began, seen, until, address, agent, .. } = row;
        ConsoleSession { session, name, role, way, began, seen, until, address, agent }
    };
    Json(ConsoleSessions { sessions: app.console.book.list(clock::now()).into_iter().map(shown).collect() })
}

async fn end(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Result<Json<EndSessions>, JsonRejection>,
) -> Result<Json<EndedSessions>, Failure> {
    let Json(wanted) = wanted.map_err(|error| Failure::bad_request(error.body_text()))?;
    let ended = match &wanted {
        EndSessions { session: Some(session), name: None, all: false } => {
            app.console.book.end(|it| it.session == *session)
        }
        EndSessions { session: None, name: Some(name), all: false } => app.console.book.end(|it| it.name == *name),
        EndSessions { session: None, name: None, all: true } => app.console.book.end(|_| true),
        _ => return Err(Failure::bad_request("name one of: session, name, all")),
    };
    let whose = wanted.name.as_deref().unwrap_or("somebody");
    tell(&app, whose, Deed::SignedOut, &format!("console: {ended} sessions"), &actor);
    app.console.book.save().await?;
    Ok(Json(EndedSessions { ended }))
}

fn tell(app: &App, name: &str, deed: Deed, reason: &str, actor: &Actor) {
    app.own_events.write(
        None,
        What::Person(Person {
            subject: None,
            name: Some(name.into()),
            deed,
            factors: None,
            reason: Some(reason.into()),
            remote: None,
            by: Some(Arc::clone(&actor.by)),
        }),
    );
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Self {
        let text = chain(&error);
        match error {
            BookError::Links => Self::conflict(text),
            BookError::File(_) => Self::unavailable(text),
        }
    }
}
