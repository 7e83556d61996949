//! Another password, by whoever knows the one of now.

use super::{Here, Stop, here, read, said};
use crate::limits::{ACCOUNT_TRIES, PASSWORD_CHARS_MIN};
use crate::people::deeds;
use crate::people::forms::mark;
use crate::people::gate::Visit;
use crate::people::markup::{alert, escape};
use crate::people::pages::{Page, see_other};
use crate::people::paths;
use crate::people::person::Person;
use crate::people::session;
use crate::people::tries::Who;
use crate::people::welcome::objection;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Secret;
use bartizan_core::event::Deed;
use bartizan_crypto::limits::PASSWORD_BYTES_MAX;
use bartizan_tokens::form::Form;
use std::time::Instant;

pub(in crate::people) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let here = here(&visit, request.headers(), paths::PASSWORD).await;
    said(&visit, here.map(|here| page(&visit, request.headers(), &here.person, None)))
}

fn page(visit: &Visit, headers: &HeaderMap, person: &Person, wrong: Option<&str>) -> Response {
    let mark = mark(visit, headers, paths::PASSWORD);
    let field = |id: &str, label: &str, kind: &str| {
        format!(
            "<label for=\"{id}\">{label}</label>\n<input id=\"{id}\" name=\"{id}\" type=\"password\" autocomplete=\"{kind}\" required>\n"
        )
    };
    let body = format!(
        "<p>At least {PASSWORD_CHARS_MIN} characters. All other sessions end, and clients have to ask again.</p>\n{}\
         <form method=\"post\" action=\"{}\">\n{}\n<input type=\"hidden\" name=\"username\" value=\"{}\" autocomplete=\"username\">\n\
         {}{}{}<button>Change password</button>\n</form>\n<p><a href=\"{}\">Back</a></p>",
        alert(wrong),
        paths::PASSWORD,
        mark.field,
        escape(&person.name),
        field("current", "Password of now", "current-password"),
        field("password", "New password", "new-password"),
        field("again", "Once more", "new-password"),
        paths::ACCOUNT,
    );
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Page::new("Change your password", body).status(status).answer(visit)
}

pub(in crate::people) async fn change(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take(&visit, request).await;
    said(&visit, answer)
}

async fn take(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::PASSWORD, request).await?;
    let Here { who, person } = here(visit, &headers, paths::PASSWORD).await?;
    if let Some(wrong) = objected(visit, &person, &form).await? {
        return Ok(page(visit, &headers, &person, Some(&wrong)));
    }
    let (held, now) = (person.record.password.clone(), visit.now);
    let hash = visit.desk.hasher.hash(Secret::new(form.get("password").unwrap_or_default().to_owned())).await?;
    let changed = visit.desk.change(&person.id, |record| {
        (record.password == held).then(|| {
            record.link = None;
            record.password = Some(hash.clone());
            record.password_set = Some(now);
        })
    });
    if changed.await?.is_none() {
        return Ok(page(visit, &headers, &person, Some("It was changed elsewhere meanwhile.")));
    }
    deeds::tell(visit, Some(&person), Deed::PasswordSet, Some("pwd"), None);
    session::end_all(&visit.app, &visit.desk, &person.id, Some(&who.session), now).await?;
    Ok(see_other(paths::ACCOUNT))
}

/// Why the password stays as it is.
async fn objected(visit: &Visit, person: &Person, form: &Form) -> Result<Option<String>, Stop> {
    let of = |name: &str| form.get(name).unwrap_or_default();
    if let Some(wrong) = objection(&person.name, of("password"), of("again")) {
        return Ok(Some(wrong));
    }
    let who = Who::new("change", &person.id);
    if visit.desk.tries.take(who, ACCOUNT_TRIES, Instant::now()).is_err() {
        return Ok(Some("There were too many tries. Wait a while, then try again.".to_owned()));
    }
    let current = Secret::new(of("current").to_owned());
    let may = current.expose().len() <= PASSWORD_BYTES_MAX;
    let held = person.record.password.clone().filter(|_| may);
    if may && visit.desk.hasher.verify(&current, held).await? {
        visit.desk.tries.forgive(who);
        return Ok(None);
    }
    deeds::tell(visit, Some(person), Deed::NotSignedIn, Some("pwd"), Some("password"));
    Ok(Some("The password of now is another one.".to_owned()))
}
