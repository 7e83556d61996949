//! `POST /v1/reload`: read fleet file, policies and plan anew. What is wrong is refused whole, and nothing changes.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bartizan_core::status::Reloaded;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/reload",
    who: Who::Operator,
    about: "Read fleet file, policies and plan anew and publish what changed",
    route: || post(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Result<Json<Reloaded>, Failure> {
    // A task of its own: a caller who hangs up must not leave a new epoch unannounced.
    let reloading = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.reload().await }
    });
    let (changed, programs) = reloading.await.map_err(|error| Failure::unavailable(error.to_string()))??;
    Ok(Json(Reloaded { changed, programs, epochs: app.in_force().epochs.clone() }))
}
