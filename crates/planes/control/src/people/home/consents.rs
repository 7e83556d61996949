//! Taking back what a client was allowed.

use super::{Here, Stop, here, read, said};
use crate::people::gate::Visit;
use crate::people::pages::see_other;
use crate::people::paths;
use axum::Extension;
use axum::extract::Request;
use axum::response::Response;

pub(in crate::people) async fn end(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_back(&visit, request).await;
    said(&visit, answer)
}

async fn take_back(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::END_CONSENT, request).await?;
    let Here { person, .. } = here(visit, &headers, paths::ACCOUNT).await?;
    visit.desk.store.take_consent(&person.id, form.get("client").unwrap_or_default()).await?;
    Ok(see_other(paths::ACCOUNT))
}
