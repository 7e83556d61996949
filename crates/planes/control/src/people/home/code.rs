//! The app for codes: adding it, taking it away, other recovery codes.

use super::{Here, Stop, here_lately, read, said};
use crate::people::deeds;
use crate::people::enrol;
use crate::people::factors::recovery_codes;
use crate::people::forms::mark;
use crate::people::gate::Visit;
use crate::people::markup::utc;
use crate::people::pages::{Page, see_other};
use crate::people::paths;
use crate::people::person::Person;
use crate::people::session;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::event::Deed;

pub(in crate::people) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let here = here_lately(&visit, request.headers(), paths::CODE).await;
    said(&visit, here.map(|here| page(&visit, request.headers(), &here.person, None, None)))
}

fn page(visit: &Visit, headers: &HeaderMap, person: &Person, sealed: Option<&str>, wrong: Option<&str>) -> Response {
    let back = format!("<p><a href=\"{}\">Back</a></p>", paths::ACCOUNT);
    let button = |path: &str, text: &str| {
        let mark = mark(visit, headers, path).field;
        format!("<form method=\"post\" action=\"{path}\">{mark}<button class=\"plain\">{text}</button></form>\n<p></p>")
    };
    let body = match &person.record.totp {
        Some(app) => format!(
            "<p>An app shows codes for this account since {}. {} recovery codes are left.</p>\n{}{}{back}",
            utc(app.added),
            person.record.recovery.len(),
            button(paths::RECOVERY, "New recovery codes"),
            button(paths::REMOVE_CODE, "Remove the app"),
        ),
        None => {
            let mark = mark(visit, headers, paths::CODE).field;
            format!("{}\n{back}", enrol::form(visit, person, paths::CODE, &mark, sealed, wrong))
        }
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Page::new("Codes of an app", body).status(status).answer(visit)
}

pub(in crate::people) async fn add(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_in(&visit, request).await;
    said(&visit, answer)
}

async fn take_in(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::CODE, request).await?;
    let Here { who, person } = here_lately(visit, &headers, paths::CODE).await?;
    if person.record.totp.is_some() {
        return Ok(see_other(paths::CODE));
    }
    match enrol::confirm(visit, &person, &form).await? {
        Err(wrong) => Ok(page(visit, &headers, &person, form.get("secret"), Some(wrong))),
        Ok(codes) => {
            // Those who came in by the password alone have to show the code as well.
            session::end_all(&visit.app, &visit.desk, &person.id, Some(&who.session), visit.now).await?;
            Ok(shown(visit, &codes))
        }
    }
}

fn shown(visit: &Visit, codes: &[String]) -> Response {
    let back = format!("<p><a href=\"{}\">Back to your account</a></p>", paths::ACCOUNT);
    Page::new("Recovery codes", format!("{}\n{back}", enrol::codes(codes))).answer(visit)
}

pub(in crate::people) async fn remove(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_away(&visit, request).await;
    said(&visit, answer)
}

async fn take_away(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, _) = read(visit, paths::REMOVE_CODE, request).await?;
    let Here { person, .. } = here_lately(visit, &headers, paths::CODE).await?;
    let changed = visit.desk.change(&person.id, |record| record.totp.take().map(|_| record.recovery.clear()));
    if changed.await?.is_some() {
        deeds::tell(visit, Some(&person), Deed::FactorRemoved, Some("otp"), None);
    }
    Ok(see_other(paths::CODE))
}

pub(in crate::people) async fn new_recovery(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = make_recovery(&visit, request).await;
    said(&visit, answer)
}

async fn make_recovery(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, _) = read(visit, paths::RECOVERY, request).await?;
    let Here { person, .. } = here_lately(visit, &headers, paths::CODE).await?;
    let (codes, kept) = recovery_codes();
    let changed =
        visit.desk.change(&person.id, |record| record.totp.is_some().then(|| record.recovery.clone_from(&kept)));
    match changed.await? {
        None => Ok(see_other(paths::CODE)),
        Some(()) => {
            deeds::tell(visit, Some(&person), Deed::FactorAdded, Some("recovery"), None);
            Ok(shown(visit, &codes))
        }
    }
}
