//! Ending sessions: this one, another, all.

use super::{Here, Stop, here, read, said};
use crate::people::cookies;
use crate::people::deeds;
use crate::people::gate::Visit;
use crate::people::pages::{see_other, with_cookies};
use crate::people::paths;
use crate::people::session;
use axum::Extension;
use axum::extract::Request;
use axum::response::Response;
use bartizan_core::event::Deed;

pub(in crate::people) async fn sign_out(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = leave(&visit, request).await;
    said(&visit, answer)
}

async fn leave(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, _) = read(visit, paths::SIGN_OUT, request).await?;
    let who = session::by_cookie(&visit.desk, &visit.rules, &headers, visit.now).await?;
    if let Some(who) = who {
        let person = visit.desk.person(&who.account.subject).await?;
        deeds::tell(visit, person.as_ref(), Deed::SignedOut, None, None);
    }
    let cleared = session::sign_out(&visit.app, &headers, visit.now).await?;
    Ok(with_cookies(see_other(paths::SIGN_IN), [cleared]))
}

pub(in crate::people) async fn end(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = end_one(&visit, request).await;
    said(&visit, answer)
}

async fn end_one(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::END_SESSION, request).await?;
    let Here { person, .. } = here(visit, &headers, paths::ACCOUNT).await?;
    // Of this person alone: with another's id nothing ends.
    let session = form.get("session").unwrap_or_default();
    if session::end(&visit.app, &visit.desk, &person.id, session, visit.now).await? {
        deeds::tell(visit, Some(&person), Deed::SignedOut, None, None);
    }
    Ok(see_other(paths::ACCOUNT))
}

pub(in crate::people) async fn sign_out_everywhere(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = leave_everywhere(&visit, request).await;
    said(&visit, answer)
}

async fn leave_everywhere(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, _) = read(visit, paths::SIGN_OUT_EVERYWHERE, request).await?;
    let Here { person, .. } = here(visit, &headers, paths::ACCOUNT).await?;
    session::end_all(&visit.app, &visit.desk, &person.id, None, visit.now).await?;
    deeds::tell(visit, Some(&person), Deed::SignedOut, None, Some("everywhere"));
    Ok(with_cookies(see_other(paths::SIGN_IN), [cookies::clear(cookies::SESSION)]))
}
