//! The check in front of every endpoint, whichever door the request came by.

use crate::api::Actor;
use crate::api::table::Who;
use crate::app::App;
use crate::console::{self, Session};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bartizan_core::event::Deed;
use bartizan_runtime::local::Caller;
use std::sync::Arc;

/// Puts the check before a route.
pub(crate) fn guard(route: MethodRouter<Arc<App>>, who: Who, app: Arc<App>) -> MethodRouter<Arc<App>> {
    route.layer(middleware::from_fn_with_state((app, who), check))
}

async fn check(State((app, who)): State<(Arc<App>, Who)>, mut request: Request, next: Next) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let session = request.extensions().get::<Session>().cloned();
    let Some(actor) = Actor::of(request.extensions(), &app) else {
        // A request without a caller came by neither door; whatever it is, it is nobody.
        let uid = request.extensions().get::<Caller>().map(|caller| caller.uid);
        tracing::warn!(?uid, asked, "a call of the local API was refused");
        return (StatusCode::FORBIDDEN, "only the user that control runs as, and root, may call this\n")
            .into_response();
    };
    if !who.lets_in(&actor) {
        if let Some(session) = &session {
            console::tell(&app, session, Deed::Forbidden, &format!("{asked}: as {}", actor.role));
        }
        return (StatusCode::FORBIDDEN, format!("{who} may do that, and you are {}\n", actor.role)).into_response();
    }
    if let Some(session) = &session
        && !matches!(*request.method(), Method::GET | Method::HEAD)
    {
        // Before it is done: whoever hangs up meanwhile did it all the same.
        console::tell(&app, session, Deed::Acted, &asked);
    }
    request.extensions_mut().insert(actor);
    next.run(request).await
}
