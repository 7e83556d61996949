//! `/account`: the page of somebody who is signed in.

use super::deeds;
use super::forms::{self, mark};
use super::gate::Visit;
use super::markup::escape;
use super::pages::{Page, Problem, see_other, with_cookies};
use super::paths;
use super::session::{self, SignedIn};
use super::way::{Way, to_sign_in};
use axum::Extension;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bartizan_core::event::Deed;

pub(super) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let there = session::by_cookie(&visit.desk, &visit.rules, request.headers(), visit.now).await;
    let said = match there {
        Ok(Some(who)) => Ok(page(&visit, request.headers(), &who)),
        Ok(None) => Ok(to_sign_in(&visit.app, &Way::to(paths::ACCOUNT)).await),
        Err(error) => Err(Problem::from(error)),
    };
    visit.said(said)
}

fn page(visit: &Visit, headers: &HeaderMap, who: &SignedIn) -> Response {
    let mark = mark(visit, headers, paths::SIGN_OUT);
    let body = format!(
        "<p>You are signed in as <strong>{}</strong>.</p>\n<form method=\"post\" action=\"{}\">\n{}\n\
         <button class=\"plain\">Sign out</button>\n</form>",
        escape(&who.account.display_name),
        paths::SIGN_OUT,
        mark.field,
    );
    Page::new("Your account", body).cookies(mark.cookie).answer(visit)
}

pub(super) async fn sign_out(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = leave(&visit, request).await;
    visit.said(said)
}

async fn leave(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, _) = forms::read(visit, paths::SIGN_OUT, request).await?;
    let who = session::by_cookie(&visit.desk, &visit.rules, &headers, visit.now).await?;
    if let Some(who) = who {
        let person = visit.desk.person(&who.account.subject).await?;
        deeds::tell(visit, person.as_ref(), Deed::SignedOut, None, None);
    }
    let cleared = session::sign_out(&visit.app, &headers, visit.now).await?;
    Ok(with_cookies(see_other(paths::SIGN_IN), [cleared]))
}
