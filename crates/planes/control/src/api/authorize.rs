//! The check in front of every endpoint.

use crate::api::table::Who;
use crate::app::App;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bartizan_runtime::local::Caller;
use std::sync::Arc;

/// Puts the check before a route.
pub(crate) fn guard(route: MethodRouter<Arc<App>>, who: Who, app: Arc<App>) -> MethodRouter<Arc<App>> {
    route.layer(middleware::from_fn_with_state((app, who), check))
}

async fn check(State((app, who)): State<(Arc<App>, Who)>, request: Request, next: Next) -> Response {
    // A request without a caller did not come over the socket; whatever it is, it is nobody.
    let caller = request.extensions().get::<Caller>();
    if caller.is_some_and(|caller| allowed(who, caller, app.uid)) {
        return next.run(request).await;
    }
    let uid = caller.map(|caller| caller.uid);
    tracing::warn!(?uid, path = request.uri().path(), "a call of the local API was refused");
    (StatusCode::FORBIDDEN, "only the user that control runs as, and root, may call this\n").into_response()
}

fn allowed(who: Who, caller: &Caller, own_uid: u32) -> bool {
    match who {
        Who::Operator => caller.uid == own_uid || caller.uid == 0,
    }
}
